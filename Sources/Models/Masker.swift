import CurricleGraph

/// What chooses the patches to remove: its parameters, which it declares where it uses them, its scores and its losses.
package protocol Masker: Sendable {
    /// The logits of scores in (0, 1), one a patch, large for keep: tokens [N, L, D] → N rows of L. Layers are named under `masking_net`.
    func logits(of tokens: ValueID, in model: inout ModelBuilder) throws(GraphError) -> ValueID
    /// The losses of step B, [count], from the patches' errors [N, L] and the scores that their tokens were multiplied by; the total, which
    /// is trained on, comes last.
    /// - Parameter weights: of CL-MAE's losses; for others to use or not.
    func losses(_ weights: MaskerWeights, errors: ValueID, scores: ValueID, in model: inout ModelBuilder) throws(GraphError) -> ValueID
}

/// What a masker says of patches, N rows of L.
package struct MaskerScores {
    package let logits: ValueID
    /// Their sigmoid.
    package let scores: ValueID
}

/// CL-MAE's masker: blocks on the tokens, of whose class token a layer makes the scores; recon, gauss, kl, diversity and their sum
/// (section 3 and eq. 5–8 of the paper).
package struct CurriculumMasker: Masker {
    /// PyTorch's default, which the reference's masker keeps.
    static let epsilon: Float = 1e-5

    package init() {}

    package func logits(of tokens: ValueID, in model: inout ModelBuilder) throws(GraphError) -> ValueID {
        let c = model.configuration
        var x = try model.graph.append(.prependRow, [tokens, model.token("cls_token", width: c.embedWidth)])[0]
        model.declareClassPosition("pos_embed", width: c.embedWidth)
        for i in 0..<c.maskerDepth {
            let input = x
            x = try model.scope(block: i, of: "blocks") { m throws(GraphError) in
                try m.block(input, heads: c.maskerHeads, epsilon: Self.epsilon)
            }
        }
        let first = try model.norm(model.classRow(x), "mlp_head.0", epsilon: Self.epsilon)
        return try model.linear(first, "mlp_head.1", to: c.patches)
    }

    package func losses(
        _ weights: MaskerWeights, errors: ValueID, scores: ValueID, in model: inout ModelBuilder
    ) throws(GraphError) -> ValueID {
        let terms = try model.graph.append(.maskerTerms, [errors, scores])[0]
        return try model.graph.append(.maskerLoss(weights), [terms, errors, scores, model.curriculum()])[0]
    }
}
