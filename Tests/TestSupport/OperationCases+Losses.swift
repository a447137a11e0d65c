import CurricleGraph

extension OperationCase {
    static let patchErrors: [OperationCase] = [6, 7, 14].flatMap { patch in
        [(false, false), (false, true), (true, false), (true, true)].map { normalized, indexed in
            patchError(PatchErrorForm(normalized: normalized, first: 2, indexed: indexed), patch: patch)
        }
    }

    static func patchError(_ form: PatchErrorForm, patch: Int) -> OperationCase {
        OperationCase("\(Operation.patchError(form).text) \(patch)×\(patch)", ulps: 16, gradientULPs: 256) { b in
            let width = patch * patch * 3, prediction = try b.tensor([2, 5, width]), patches = try b.patches([2, 9, width])
            let order = form.indexed ? [try b.order(2, 9)] : []
            return [try b.append(.patchError(form), [prediction, patches] + order)]
        }
    }

    static let means: [OperationCase] = [1, 15, 16, 17, 1009].map { count in
        OperationCase("mean \(count)", ulps: 16, gradientULPs: 128) { b in [try b.append(.mean, [try b.tensor([1, count], in: 0...1)])] }
    }

    /// Targets as mixing and smoothing make them, and some that do not add up to one.
    static let crossEntropies: [OperationCase] = [1, 2, 15, 16, 17, 100].flatMap { classes in
        [crossEntropy(classes), crossEntropyGradient(classes)]
    }

    static func crossEntropy(_ classes: Int) -> OperationCase {
        OperationCase("crossEntropy \(classes)", ulps: 32, gradientULPs: 256) { b in
            [try b.append(.crossEntropy, [try b.tensor([5, classes], in: -8...8), try b.constant([5, classes], in: 0...1)])]
        }
    }
    static func crossEntropyGradient(_ classes: Int) -> OperationCase {
        OperationCase("crossEntropyGradient \(classes)", ulps: 32) { b in
            [
                try b.append(
                    .crossEntropyGradient(weight: 0.2), [try b.tensor([5, classes], in: -8...8), try b.constant([5, classes], in: 0...1)])
            ]
        }
    }

    static let softmaxes: [OperationCase] = [1, 2, 15, 16, 17, 100].map { classes in
        OperationCase("softmax \(classes)", ulps: 16) { b in [try b.append(.softmax, [try b.tensor([5, classes], in: -8...8)])] }
    }

    /// Numbers of images, patches, and removed patches.
    static let rankings: [OperationCase] = [(1, 2, 1), (2, 9, 6), (3, 20, 16), (2, 49, 37)].flatMap {
        [rankingLoss($0), rankingLossGradient($0)]
    }

    static func rankingLoss(_ sizes: (images: Int, patches: Int, removed: Int)) -> OperationCase {
        OperationCase("rankingLoss \(sizes.removed) of \(sizes.patches)", ulps: 64, gradientULPs: 256) { b in
            [try b.append(.rankingLoss(first: sizes.patches - sizes.removed), rankingInputs(&b, sizes))]
        }
    }
    static func rankingLossGradient(_ sizes: (images: Int, patches: Int, removed: Int)) -> OperationCase {
        OperationCase("rankingLossGradient \(sizes.removed) of \(sizes.patches)", ulps: 64, carriesNaN: false) { b in
            [try b.append(.rankingLossGradient(first: sizes.patches - sizes.removed, weight: 0.3), rankingInputs(&b, sizes))]
        }
    }
    private static func rankingInputs(
        _ b: inout CaseBuilder, _ sizes: (images: Int, patches: Int, removed: Int)
    ) throws -> [ValueID] {
        let logits = try b.tensor([sizes.images, 1, sizes.patches], in: -4...4)
        return [logits, try b.constant([sizes.images, sizes.removed], in: 0...2), try b.order(sizes.images, sizes.patches)]
    }

    static let uniformities: [OperationCase] = [(1, 5), (2, 15), (5, 16), (4, 33)].flatMap {
        [uniformity($0, $1), uniformityGradient($0, $1)]
    }

    static func uniformity(_ images: Int, _ width: Int) -> OperationCase {
        OperationCase("uniformity \(images)×\(width)", ulps: 32, gradientULPs: 512) { b in
            [try b.append(.uniformity, [try b.tensor([images, width])])]
        }
    }
    static func uniformityGradient(_ images: Int, _ width: Int) -> OperationCase {
        OperationCase("uniformityGradient \(images)×\(width)", ulps: 64, carriesNaN: false) { b in
            [try b.append(.uniformityGradient(weight: 0.3), [try b.tensor([images, width])])]
        }
    }

    static let maskerLosses: [OperationCase] = [(1, 9), (2, 15), (3, 16), (4, 17), (5, 49)].map(maskerLoss)

    /// Scores by a sigmoid and errors of predictions, as in step B, with an adversary's curriculum factor.
    static func maskerLoss(_ images: Int, _ patches: Int) -> OperationCase {
        OperationCase("maskerLoss \(images) images of \(patches)", ulps: 64, gradientULPs: 1024) { b in
            let scores = try b.append(.sigmoid, [try b.tensor([images, 1, patches])])
            let prediction = try b.tensor([images, patches, 12]), target = try b.patches([images, patches, 12])
            let error = try b.append(.patchError(PatchErrorForm(normalized: false)), [prediction, target])
            let terms = try b.append(.maskerTerms, [error, scores]), curriculum = try b.curriculum(-0.4)
            let weights = MaskerWeights(gauss: 0.7, kl: 0.3, diversity: 1.5)
            return [try b.append(.maskerLoss(weights), [terms, error, scores, curriculum]), terms]
        }
    }
}
