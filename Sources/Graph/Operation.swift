import CurricleTensors

/// Everything a graph can say. Adding a case makes the compiler list each place that must answer for it:
/// types (`Operation+Types`), gradient (`Differentiate`), cost and lowering (`Lower`), and the Double reference.
///
/// Letters: N images, L patches, T tokens, Q queries, K kept, D width, H heads, P values a patch.
package enum Operation: Sendable, Hashable {
    // Leaves
    /// A tensor given at each run.
    case input(InputName)
    case parameter(ParameterSlice)
    /// The accumulated gradient of a parameter, kept between programs.
    case gradient(ParameterSlice)
    /// Fixed values by name, e.g. a position embedding.
    case constant(String)
    /// One value everywhere. Never stored: gradients of means begin as one.
    case uniform(Float)

    // Dense
    /// x [.., in], weight [out, in], then in order if the form has them: bias [out], residual (its rows repeat),
    /// multiplier → y = act((x·Wᵀ + bias)∘multiplier + residual) and, for GELU, its derivative.
    /// An int8 weight takes quantised rows, and makes no derivative. Operands of bf16 are rounded to that where they are float32.
    case linear(LinearForm)
    /// x [.., D] → its rows as bytes, q = clamp(rint(x/scale) + zero), each row by its own range; for int8 products.
    case quantizeRows
    /// weight [out, in] → [in, out]: the input gradient of `linear` is `linear` with this.
    case transposePanels(result: ElementType = .float32)
    /// dy [.., out], x [.., in] → dW [out, in], db [out]; `sections` as the weight's.
    case linearWeightGradient(sections: Int, operands: ElementType = .float32)
    /// qkv [N, T, 3D], or query [N, Q, D] and key-value [N, T, 2D] → y [N, Q, D], logsumexp [N, H, Q].
    /// bf16 or float32 as its inputs are; y is of the result's.
    case attention(heads: Int, result: ElementType = .float32)
    /// dy, logsumexp, then attention's inputs → their gradients.
    case attentionGradient(heads: Int, result: ElementType = .float32)
    /// x, γ, β → y, statistics [.., 2] (mean, 1/√(variance + ε)), and where it is kept x̂ = (x − mean)/√(variance + ε) in bf16.
    case layerNorm(epsilon: Float, result: ElementType = .float32, keepsNormalized: Bool = false)
    /// dy, x (or x̂ in bf16, as the LayerNorm kept it), statistics, γ, and addend if it has one → dx, and partial sums [chunks, D] of dγ and dβ.
    case layerNormGradient(hasAddend: Bool)

    // Elementwise and rows
    /// x → gelu(x), gelu′(x); exact (erf).
    case gelu
    /// a + b, where b's rows repeat; b may be one row of several of a's.
    case add
    case multiply
    /// a, b of equal shape → α·a + β·b.
    case scaledSum(Float, Float)
    case sigmoid
    /// x [.., C] → each row's exp(x) / Σ exp(x): probabilities of classes.
    case softmax
    /// dy, y → dx
    case sigmoidGradient
    /// a [.., A], b [.., B] of the same rows → [.., A + B], one behind the other.
    case concatenate
    /// x [N, R, D], and order [N, L] if indexed → [N, count, D].
    case selectRows(RowSelection)
    /// The inverse: zeros but for the selected rows of [N, rows, D].
    case placeRows(RowSelection, rows: Int)
    /// x [N, R, D], scores [N, R] → [N, count, D]: the rows with the highest scores, of equal ones the first, in their order.
    case keepRows(count: Int)
    /// x [N, R, D], token [D] → [N, R + 1, D]
    case prependRow
    /// kept [N, 1 + K, D], mask token [D], order [N, L], position [1 + L, D] → [N, 1 + L, D]: the decoder's input.
    case restoreTokens
    /// x [.., rows, D] → [rows · D], summed over what comes before.
    case columnSum(rows: Int)
    /// x [N, R, D] → [N, D], the mean of `count` rows from `first`.
    case meanRows(first: Int, count: Int)
    /// dy [N, D] → [N, rows, D]: dy / count in the rows of the mean, zeros elsewhere.
    case meanRowsGradient(first: Int, count: Int, rows: Int)
    /// x [.., D], scale [..] → each row times its scale; a scale may stand for several rows, as an image's does.
    case scaleRows
    /// a, b [.., D] → [..], the rows' dot products.
    case rowDot
    /// x [.., D] → [..], each row's mean of (x − mean)².
    case rowVariance

    // Masks and losses
    /// scores [N, L] → patches by descending score [N, L].
    case orderDescending
    /// scores, noise [N, L], share [1] → patches [N, L]: of the last `removed` a share (rounded) are those of lowest score, by descending
    /// score; all others come before them by descending noise.
    case orderHardest(removed: Int)
    /// prediction [N, R, P], patches [N, L, P], order [N, L] if indexed → error [N, R].
    case patchError(PatchErrorForm)
    /// the error's gradient unless uniform, then patchError's inputs → dprediction.
    case patchErrorGradient(PatchErrorForm, weight: Float?)
    /// logits and targets [N, C] → −Σ t·log softmax(logits) of each image, [N].
    case crossEntropy
    /// logits, targets → weight·(softmax(logits)·Σ t − t), [N, C].
    case crossEntropyGradient(weight: Float)
    /// x → its mean, [1].
    case mean
    /// logits z [N, L], errors [N, R], order [N, L] → of each image the mean over pairs of the R patches order[first …] of
    /// softplus(z_i − z_j), i of larger error than j, and 0 where errors are equal: [N].
    case rankingLoss(first: Int)
    /// logits, errors, order → weight·∂(Σ losses)/∂logits, [N, L].
    case rankingLossGradient(first: Int, weight: Float)
    /// x [N, D] → of each image the mean over the others of cos², [N].
    case uniformity
    /// x → weight·∂(Σ uniformity)/∂x, [N, D].
    case uniformityGradient(weight: Float)
    /// error, scores [N, L] → each image's terms of the masker's losses [N, 5].
    case maskerTerms
    /// terms, error, scores, curriculum factor [1] → losses [5]: recon, gauss, kl, diversity, total.
    case maskerLoss(MaskerWeights)
    /// terms, error, scores, curriculum → derror, dscores of the total.
    case maskerLossGradient(MaskerWeights)

    // Effects
    /// Ends the program where the loss is not finite.
    case guardFinite
    /// parameter, gradient, step scalars [4], the update's number [1] if moments are bf16,
    /// clip scale [1] if it has one, and the parameter's rate scale [1] unless that is 1:
    /// updates the parameter and its moments in place.
    case adamw(ParameterSlice, AdamW, clipped: Bool, moments: ElementType = .float32)
    /// Sums of squares of all accumulated gradients of a group, a chunk each: [chunks].
    case gradientSquares(ParameterGroup, count: Int)
    /// partial squares, step scalars → clip scale [1], norm [1].
    case clipScale(limit: Float)

    // Pixels
    /// pixels u8 [N, H, W, C], scale and shift [2, C] → patches [N, L, P], each (row, column, channel).
    case patchify(patch: Int)

    /// What it is to a program.
    package enum Role: Sendable {
        /// Names memory that is there already.
        case leaf
        case computed
        /// Must stay although nothing reads it.
        case effect
    }

    package var role: Role {
        switch self {
        case .input, .parameter, .gradient, .constant, .uniform: .leaf
        case .guardFinite, .adamw: .effect
        case .linear, .quantizeRows, .transposePanels, .linearWeightGradient, .attention, .attentionGradient, .layerNorm,
            .layerNormGradient, .gelu, .add,
            .concatenate, .keepRows, .rowVariance,
            .multiply, .scaledSum, .sigmoid, .softmax, .sigmoidGradient, .selectRows, .placeRows, .prependRow, .restoreTokens, .columnSum,
            .meanRows,
            .meanRowsGradient,
            .scaleRows, .rowDot, .orderDescending, .orderHardest, .patchError, .patchErrorGradient, .crossEntropy, .crossEntropyGradient,
            .mean,
            .rankingLoss, .rankingLossGradient, .uniformity, .uniformityGradient, .maskerTerms,
            .maskerLoss, .maskerLossGradient, .gradientSquares, .clipScale, .patchify:
            .computed
        }
    }
}

/// Epilogue of `linear`.
package struct LinearForm: Sendable, Hashable {
    package var bias = false
    package var residual = false
    package var multiplier = false
    package var gelu = false
    /// What x and the weight are multiplied as; int8 is told by the weight alone.
    package var operands = ElementType.float32
    /// Of y, and of GELU's derivative.
    package var result = ElementType.float32, slope = ElementType.float32
    package init(bias: Bool = false, residual: Bool = false, multiplier: Bool = false, gelu: Bool = false) {
        self.bias = bias
        self.residual = residual
        self.multiplier = multiplier
        self.gelu = gelu
    }
    /// Whether it is a product and perhaps a bias, and nothing else.
    package var isPlain: Bool { !residual && !multiplier && !gelu }
    /// Positions among the inputs, after x and weight.
    package var biasIndex: Int? { bias ? 2 : nil }
    package var residualIndex: Int? { residual ? 2 + (bias ? 1 : 0) : nil }
    package var multiplierIndex: Int? { multiplier ? 2 + (bias ? 1 : 0) + (residual ? 1 : 0) : nil }
}

/// Rows of each image: row j of the few is row `offset + order[first + j]` of the many, or `offset + first + j`.
package struct RowSelection: Sendable, Hashable {
    package let first: Int
    package let count: Int
    package let offset: Int
    package let indexed: Bool
    /// Row 0, the class token's, comes before the `count` others.
    package let lead: Bool
    package init(first: Int, count: Int, offset: Int = 0, indexed: Bool = false, lead: Bool = false) {
        self.first = first
        self.count = count
        self.offset = offset
        self.indexed = indexed
        self.lead = lead
    }
    /// Rows selected in all.
    package var total: Int { count + (lead ? 1 : 0) }
}

package struct PatchErrorForm: Sendable, Hashable {
    /// Each target patch by its own mean and unbiased variance.
    package let normalized: Bool
    /// Row j predicts patch `order[first + j]`, or `first + j`.
    package let first: Int
    package let indexed: Bool
    package init(normalized: Bool, first: Int = 0, indexed: Bool = false) {
        self.normalized = normalized
        self.first = first
        self.indexed = indexed
    }
    /// Added to the variance (reference: models_mae.py, `norm_pix_loss`).
    package static let epsilon: Float = 1e-6
}

/// λ of the masker's losses (CL-MAE, eq. 5–8).
package struct MaskerWeights: Sendable, Hashable, Codable {
    package var gauss: Float
    package var kl: Float
    package var diversity: Float
    package init(gauss: Float = 1, kl: Float = 0.1, diversity: Float = 2) {
        self.gauss = gauss
        self.kl = kl
        self.diversity = diversity
    }
}

/// AdamW's fixed numbers; what changes each step is in the input `step`.
package struct AdamW: Sendable, Hashable, Codable {
    package var beta1: Double
    package var beta2: Double
    package var epsilon: Double
    package var weightDecay: Double
    package init(beta1: Double = 0.9, beta2: Double = 0.95, epsilon: Double = 1e-8, weightDecay: Double = 0.05) {
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
    }
}
