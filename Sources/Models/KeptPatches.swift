import CurricleGraph

/// Which of an image's patches an encoder sees: with fewer of them it is faster.
package struct KeptPatches: Sendable, Hashable {
    /// What patches are ranked by; those of the highest scores are kept, of equal ones the first.
    package enum Rule: Sendable, Hashable {
        /// The same for every image, [L].
        case fixed([Float])
        /// The variance of a patch's normalised numbers.
        case contrast
        /// The masker's scores: the model has a masker beside its encoder.
        case masker
    }

    /// K, 1…L.
    package let count: Int
    package let rule: Rule

    package init(count: Int, rule: Rule) {
        self.count = count
        self.rule = rule
    }

    /// Scores by which any number of patches lies as evenly over the grid as can be: half of them is a chequerboard, a quarter every second
    /// one of every second row. They are Bayer's thresholds: B(r, c) = Σₖ 4⁻ᵏ·(2·(rₖ ⊕ cₖ) + rₖ) over the bits k of row and column, the
    /// lowest first.
    package static func grid(rows: Int, columns: Int) -> [Float] {
        (0..<rows * columns).map { patch in
            let row = patch / columns, column = patch % columns
            var threshold = 0.0, weight = 0.25
            for bit in 0..<16 {
                let r = row >> bit & 1, c = column >> bit & 1
                threshold += weight * Double(2 * (r ^ c) + r)
                weight /= 4
            }
            return Float(-threshold)
        }
    }
}

extension ModelBuilder {
    /// Of the patches' tokens [N, L, D] those that are kept, in their order: [N, K, D].
    /// - Parameter patches: that they are of, [N, L, P].
    mutating func kept(_ tokens: ValueID, of patches: ValueID, _ keeping: KeptPatches) throws(GraphError) -> ValueID {
        let scores: ValueID
        switch keeping.rule {
        case .fixed(let one):
            guard one.count == c.patches else {
                throw GraphError(operation: "keepRows", problem: "\(one.count) scores for \(c.patches) patches")
            }
            scores = try graph.define(
                constant: "kept patches", Array(repeating: one, count: images).flatMap { $0 }, shape: [images, c.patches])
        case .contrast: scores = try graph.append(.rowVariance, [patches])[0]
        case .masker: scores = try self.scores(tokens).logits
        }
        return try graph.append(.keepRows(count: keeping.count), [tokens, scores])[0]
    }
}
