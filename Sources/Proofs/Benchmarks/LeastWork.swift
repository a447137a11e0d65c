import CurricleCompiler
import CurricleGraph
import CurricleModels

/// The least matrix-product FLOPs of a joint iteration, per image: only what the mathematics needs, a multiply-add is
/// two, recomputed scores are not counted. By formula, not from the program, so that work the program does in vain is
/// not counted in its favour.
package struct LeastWork: Sendable {
    package let stepA: Double
    package let stepB: Double
    package var flops: Double { stepA + stepB }

    private static func linear(_ rows: Int, _ input: Int, _ output: Int) -> Double { 2 * Double(rows) * Double(input) * Double(output) }

    /// Linear and attention FLOPs of a block on n tokens whose output is wanted for `rows` of them.
    private static func block(_ n: Int, _ d: Int, _ mlpRatio: Int, rows: Int? = nil) -> (linear: Double, attention: Double) {
        let r = rows ?? n
        return (linear(n, d, 2 * d) + linear(r, d, d) * 2 + 2 * linear(r, d, mlpRatio * d), 4 * Double(r) * Double(n) * Double(d))
    }

    /// The features of an image at every token, no mask.
    package static func features(_ c: ModelConfiguration) -> Double {
        let block = block(c.patches + 1, c.embedWidth, c.mlpRatio)
        return linear(c.patches, c.patchWidth, c.embedWidth) + Double(c.depth) * (block.linear + block.attention)
    }

    /// Bytes of parameters that an iteration reads and writes at least: AdamW takes every weight with both of its moments and puts them back,
    /// and step B reads the autoencoder's weights again.
    package func bytes(_ layout: ParameterLayout) -> Double {
        func held(_ group: ParameterGroup) -> Double { Double(layout.groups[group]?.count ?? 0) }
        return 6 * (held(.autoencoder) + held(.masker)) + held(.autoencoder)
    }

    package init(_ c: ModelConfiguration, maskRatio: Double) {
        func linear(_ rows: Int, _ input: Int, _ output: Int) -> Double { LeastWork.linear(rows, input, output) }
        func block(_ n: Int, _ d: Int, rows: Int? = nil) -> (linear: Double, attention: Double) {
            LeastWork.block(n, d, c.mlpRatio, rows: rows)
        }
        /// Forward, input gradient and, unless frozen, weight gradient; attention's backward is twice its forward.
        func train(_ b: (linear: Double, attention: Double), frozen: Bool = false) -> Double {
            (frozen ? 2 : 3) * b.linear + 3 * b.attention
        }
        let patches = c.patches, tokens = patches + 1, kept = c.kept(maskRatio: maskRatio), removed = patches - kept
        let d = c.embedWidth, w = c.decoderWidth, p = c.patchWidth
        let whole = Double(c.maskerDepth - 1), masker = block(tokens, d), last = block(tokens, d, rows: 1)
        let maskerForward = whole * (masker.linear + masker.attention) + last.linear + last.attention + linear(1, d, patches)
        let maskerTrain = whole * train(masker) + train(last) + 3 * linear(1, d, patches) - linear(tokens, d, 3 * d)
        let embed = linear(patches, p, d), depth = Double(c.depth), deeper = Double(c.decoderDepth - 1)
        stepA =
            embed + maskerForward + depth * train(block(kept + 1, d)) + linear(kept, p, d) + 3 * linear(kept + 1, d, w)
            + deeper * train(block(tokens, w)) + train(block(tokens, w, rows: removed)) + 3 * linear(removed, w, p)
        stepB =
            embed + maskerTrain + depth * train(block(tokens, d), frozen: true) + 2 * linear(tokens, d, w)
            + deeper * train(block(tokens, w), frozen: true) + train(block(tokens, w, rows: patches), frozen: true) + 2
            * linear(patches, w, p)
    }
}
