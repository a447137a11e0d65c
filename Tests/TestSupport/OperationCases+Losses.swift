import Graph

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
