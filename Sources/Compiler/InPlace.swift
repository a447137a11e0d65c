import Graph

extension Operation {
    /// Pairs (output, input) that may share memory where the input is read for the last time: the kernel reads an
    /// element before it writes that element, and never after.
    func sharable(_ inputs: [TensorType]) -> [(output: Int, input: Int)] {
        switch self {
        case .gelu, .sigmoid, .scaleRows: [(0, 0)]
        case .multiply, .sigmoidGradient: [(0, 0), (0, 1)]
        case .add: inputs[0].shape == inputs[1].shape ? [(0, 0), (0, 1)] : [(0, 0)]
        case .layerNormGradient(let hasAddend): hasAddend ? [(0, 4), (0, 0)] : [(0, 0)]
        case .crossEntropyGradient: [(0, 0), (0, 1)]
        case .patchErrorGradient(_, let weight): [(0, weight == nil ? 1 : 0)]
        case .linear(let form):
            // With several chunks of depth, partial sums stand in y before the epilogue reads its operands (kernels/linear.inc).
            inputs[0].width <= 768 ? [form.multiplierIndex, form.residualIndex].compactMap { index in
                index.flatMap { inputs[$0].rows == inputs[0].rows ? (0, $0) : nil }
            } : []
        case .input, .parameter, .gradient, .constant, .uniform, .transposePanels, .linearWeightGradient, .attention, .attentionGradient,
            .layerNorm, .concatenate, .selectRows, .placeRows, .prependRow, .restoreTokens, .columnSum, .meanRows, .meanRowsGradient, .rowDot, .orderDescending, .patchError,
            .crossEntropy, .mean, .maskerTerms, .maskerLoss, .maskerLossGradient, .guardFinite, .adamw, .gradientSquares, .clipScale, .patchify:
            []
        }
    }
}
