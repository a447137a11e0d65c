import CurricleGraph
import CurricleTensors

/// How the masks of step A are chosen.
package enum Masking: String, Sendable, Hashable, CaseIterable, Codable {
    /// By the masker's scores.
    case learned
    /// Any patches, each image its own, anew each epoch: plain MAE.
    case random
    /// Rectangles of neighbours (BEiT's block-wise masking), anew as well.
    case block
    /// Where band-passed noise is lowest: blobs of a few patches (ColorMAE's green noise), anew as well.
    case color

    /// Whether the caller gives the order of the patches.
    package var isGiven: Bool { self != .learned }
}

/// What a masker learns from, and how its scores become masks.
package enum MaskerObjective: String, Sendable, Hashable, CaseIterable, Codable {
    /// CL-MAE's losses, through the frozen autoencoder; the lowest scores go.
    case curriculum
    /// Which of two removed patches had the larger error, by their scores (hard patches mining: HPM, CVPR 2023): no pass through the
    /// autoencoder. Of the removed patches a growing share are those of lowest score, the others are drawn.
    case rank
}

/// What is taken of the KL loss over the images of a batch.
package enum KLReduction: String, Sendable, Hashable, CaseIterable, Codable {
    /// The reference's: the loss grows with the batch, while the others are means, so the balance between them moves with its size.
    case sum
    /// The sum divided by the batch's images: the balance is the same for every batch.
    case mean

    /// λ_kl as the sum over so many images is weighted by it.
    func weight(_ weight: Float, images: Int) -> Float {
        switch self {
        case .sum: weight
        case .mean: Float(Double(weight) / Double(images))
        }
    }
}

/// What stands for an image: [N, D], but for `clsAndMean` [N, 2D], and `tokens` [N, L, D].
package enum FeaturePooling: String, Sendable, Hashable, CaseIterable {
    /// The class token.
    case cls
    /// The mean of the patch tokens.
    case mean
    /// Both, one behind the other.
    case clsAndMean = "cls+mean"
    /// The patch tokens themselves.
    case tokens
}

/// What a training step computes besides its update.
package struct StepOptions: Sendable, Hashable, Codable {
    package var maskRatio: Double
    package var normalizedTargets: Bool
    package var masking: Masking
    package var weights: MaskerWeights
    package var klReduction: KLReduction
    package var objective = MaskerObjective.curriculum
    /// What Gumbel noise on the scores' logits is multiplied by before they are sorted, as a run begins; 0 for none.
    package var maskNoise: Float = 0
    /// Weight of the autoencoder's loss that keeps features of different images apart; 0 for none.
    package var uniformity: Float = 0
    package init(
        maskRatio: Double = 0.75, normalizedTargets: Bool = false, masking: Masking = .learned, weights: MaskerWeights = MaskerWeights(),
        klReduction: KLReduction = .sum
    ) {
        self.maskRatio = maskRatio
        self.normalizedTargets = normalizedTargets
        self.masking = masking
        self.weights = weights
        self.klReduction = klReduction
    }

    /// Whether step A takes noise to sort patches by.
    package var takesNoise: Bool { !masking.isGiven && (objective == .rank || maskNoise > 0) }
    /// Whether the masker learns by the ranking of step A's errors.
    package var ranks: Bool { !masking.isGiven && objective == .rank }
}

/// A described step: its graph and its loss (of several, the total is the last).
package struct DescribedStep {
    package var graph: Graph
    package let loss: ValueID
}

extension ModelBuilder {
    /// Step A: mask by the masker (frozen) or a given order, encode what is kept, decode all, mean error of the removed.
    /// - Parameter examined: also results `scores`, `ids_keep`, `latent_cls`, and `pred` for every patch; by the scores alone, without noise.
    /// Results: `losses` [1]; `uniformity` [1] where features are kept apart; `order` [N, L] where it is not given; and of a masker that ranks
    /// `error` [N, removed].
    package mutating func autoencoderStep(_ options: StepOptions, examined: Bool = false) throws(GraphError) -> DescribedStep {
        let kept = configuration.kept(maskRatio: options.maskRatio), removed = configuration.patches - kept
        let patches = try patches(), tokens = try tokens(patches)
        let order: ValueID
        if options.masking.isGiven {
            order = try givenOrder()
        } else {
            let scores = try scores(tokens)
            if examined { graph.results.append(("scores", scores.scores)) }
            order = try chosenOrder(examined ? StepOptions() : options, scores, removed: removed)
            graph.results.append(("order", order))
        }
        let visible = try graph.append(.selectRows(RowSelection(first: 0, count: kept, indexed: true)), [tokens, order])[0]
        let latent = try encoder(visible)
        let output = try decoder(latent, order: order)
        let prediction = try predictions(output, RowSelection(first: kept, count: removed, offset: 1, indexed: true), order: order)
        let form = PatchErrorForm(normalized: options.normalizedTargets, first: kept, indexed: true)
        let error = try graph.append(.patchError(form), [prediction, patches, order])[0]
        let mean = try graph.append(.mean, [error])[0]
        graph.results.append(("losses", mean))
        let loss = options.uniformity > 0 ? try withUniformity(options.uniformity, mean, latent, visible: kept) : mean
        if options.ranks { graph.results.append(("error", error)) }
        if examined {
            graph.results.append(("latent_cls", try classRow(latent)))
            graph.results.append(("pred", try predictions(output, RowSelection(first: 1, count: configuration.patches), order: nil)))
        }
        return DescribedStep(graph: graph, loss: loss)
    }

    /// Patches in the order that a masker's scores make, those to keep first.
    private mutating func chosenOrder(_ options: StepOptions, _ scores: MaskerScores, removed: Int) throws(GraphError) -> ValueID {
        guard options.takesNoise else { return try graph.append(.orderDescending, [scores.scores])[0] }
        let noise = try graph.append(.input(.maskNoise), type: TensorType([images, 1, c.patches]))[0]
        if options.ranks {
            let share = try graph.append(.input(.hardShare), type: TensorType([1]))[0]
            return try graph.append(.orderHardest(removed: removed), [scores.logits, noise, share])[0]
        }
        return try graph.append(.orderDescending, [graph.append(.add, [scores.logits, noise])[0]])[0]
    }

    /// error + W·U with U the mean over pairs of images of cos² of the means of their visible patches (U-MAE, NeurIPS 2022), which is a
    /// result of its own.
    private mutating func withUniformity(
        _ weight: Float, _ error: ValueID, _ latent: ValueID, visible: Int
    ) throws(GraphError) -> ValueID {
        let features = try graph.append(.meanRows(first: c.leadingTokens, count: visible), [latent])[0]
        let uniformity = try graph.append(.mean, [graph.append(.uniformity, [features])[0]])[0]
        graph.results.append(("uniformity", uniformity))
        return try graph.append(.scaledSum(1, weight), [error, uniformity])[0]
    }

    /// Step B of a masker that ranks: scores of step A's removed patches, and the loss of their pairs by the errors that step A had.
    /// Inputs `order` and `errors` are step A's. Results: `losses` [1] and `scores`.
    package mutating func rankingStep(_ options: StepOptions) throws(GraphError) -> DescribedStep {
        let kept = configuration.kept(maskRatio: options.maskRatio), removed = configuration.patches - kept
        let scores = try scores(tokens(patches())), order = try givenOrder()
        let errors = try graph.append(.input(.errors), type: TensorType([images, removed]))[0]
        let loss = try graph.append(.mean, [graph.append(.rankingLoss(first: kept), [scores.logits, errors, order])[0]])[0]
        graph.results += [("losses", loss), ("scores", scores.scores)]
        return DescribedStep(graph: graph, loss: loss)
    }

    /// Step B: every token times its score through encoder and decoder (frozen); the masker's losses.
    /// - Parameter examined: also results `scores` and `pred`.
    /// Results: `losses`, the masker's; of CL-MAE's [5]: recon, gauss, kl, diversity, total.
    package mutating func maskerStep(_ options: StepOptions, examined: Bool = false) throws(GraphError) -> DescribedStep {
        let patches = try patches(), tokens = try tokens(patches), scores = try scores(tokens).scores
        let (errors, prediction) = try maskerErrors(options, patches, tokens: tokens, scores: scores)
        let losses = try maskerLosses(options, errors: errors, scores: scores)
        graph.results += [("losses", losses), ("scores", scores)]
        if examined { graph.results.append(("pred", prediction)) }
        return DescribedStep(graph: graph, loss: losses)
    }

    // Step B in pieces of a batch. Its losses couple images (through Σ w and the pairs), so the whole batch's scores come first,
    // then each piece's errors with the gradient that reaches its scores through them, then the losses, then the masker again.

    /// Patches' errors of step B from given scores. Result `errors` [N, L]; train from the errors to the input `scores`.
    package mutating func maskerErrors(_ options: StepOptions) throws(GraphError) -> (graph: Graph, errors: ValueID, upstream: ValueID) {
        let patches = try patches(), scores = try graph.append(.input(.scores), type: TensorType([images, 1, configuration.patches]))[0]
        let errors = try maskerErrors(options, patches, tokens: tokens(patches), scores: scores).errors
        graph.results.append(("errors", errors))
        let upstream = try graph.append(.input(.upstream), type: graph.type(errors))[0]
        return (graph, errors, upstream)
    }

    /// Losses of step B from given scores and errors. Result `losses`, the masker's.
    package mutating func maskerLosses(_ options: StepOptions) throws(GraphError) -> DescribedStep {
        let scores = try graph.append(.input(.scores), type: TensorType([images, 1, configuration.patches]))[0]
        let errors = try graph.append(.input(.errors), type: TensorType([images, configuration.patches]))[0]
        let losses = try maskerLosses(options, errors: errors, scores: scores)
        graph.results.append(("losses", losses))
        return DescribedStep(graph: graph, loss: losses)
    }

    private mutating func maskerErrors(
        _ options: StepOptions, _ patches: ValueID, tokens: ValueID, scores: ValueID
    ) throws(GraphError) -> (errors: ValueID, prediction: ValueID) {
        let scaled = try graph.append(.scaleRows, [tokens, scores])[0]
        let output = try decoder(encoder(scaled))
        let prediction = try predictions(output, RowSelection(first: 1, count: configuration.patches), order: nil)
        let errors = try graph.append(.patchError(PatchErrorForm(normalized: options.normalizedTargets)), [prediction, patches])[0]
        return (errors, prediction)
    }

    private mutating func maskerLosses(_ options: StepOptions, errors: ValueID, scores: ValueID) throws(GraphError) -> ValueID {
        let masker = masker
        var weights = options.weights
        weights.kl = options.klReduction.weight(weights.kl, images: images)
        return try masker.losses(weights, errors: errors, scores: scores, in: &self)
    }

    /// The curriculum factor λ_cl of a masker's losses, [1].
    package mutating func curriculum() throws(GraphError) -> ValueID {
        try graph.append(.input(.curriculum), type: TensorType([1]))[0]
    }

    /// Features of all tokens, no mask, after the final norm: a result of each kind asked for, under its name.
    /// - Parameters:
    ///   - fromPixels: the batch is rgb8.
    ///   - keeping: which patches are looked at; nil for all.
    package mutating func features(
        _ pools: [FeaturePooling] = [.cls, .mean], fromPixels: Bool = false, keeping: KeptPatches? = nil
    ) throws(GraphError) -> Graph {
        let input = fromPixels ? try patchesOfPixels() : try patches()
        var tokens = try self.tokens(input)
        if let keeping { tokens = try kept(tokens, of: input, keeping) }
        let output = try encoder(tokens)
        for pool in pools {
            graph.results.append((pool.rawValue, try pooled(output, pool, patches: keeping?.count)))
        }
        return graph
    }

    /// Queries, keys and values of an encoder's block, no mask. Result `qkv` [N, 1 + L, 3D].
    /// - Parameter layer: the block, from 1.
    package mutating func queriesKeysValues(layer: Int) throws(GraphError) -> Graph {
        graph.results.append(("qkv", try encoder(tokens(patches()), upTo: layer)))
        return graph
    }

    /// What the blocks' products behind a LayerNorm are of, no mask: results by the weights' names, [N, 1 + L, D].
    package mutating func normalizedInputs() throws(GraphError) -> Graph {
        _ = try encoder(tokens(patches()))
        for node in graph.nodes {
            guard case .linear = node.operation, case .parameter(let weight)? = graph.producer(node.inputs[1])?.operation,
                weight.parameter.name.hasPrefix("blocks."), case .layerNorm? = graph.producer(node.inputs[0])?.operation
            else { continue }
            graph.results.append((weight.parameter.name, node.inputs[0]))
        }
        return graph
    }

    /// Every token after the encoder, the class token first, no mask. Result `last_hidden_state` [N, 1 + L, D].
    package mutating func hiddenState() throws(GraphError) -> Graph {
        graph.results.append(("last_hidden_state", try encoder(tokens(patches()))))
        return graph
    }

    /// Masker scores alone: result `scores` [N, 1, L]; train from them with a given gradient.
    package mutating func scoring() throws(GraphError) -> (graph: Graph, scores: ValueID, upstream: ValueID) {
        let scores = try scores(tokens(patches())).scores
        graph.results.append(("scores", scores))
        let upstream = try graph.append(.input(.upstream), type: graph.type(scores))[0]
        return (graph, scores, upstream)
    }
}
