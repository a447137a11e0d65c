import Graph

// What is looked at inside an encoder: its attention, and its tokens.
extension ModelBuilder {
    /// Queries, keys and values of an encoder's block, no mask. Result `qkv` [N, 1 + L, 3D].
    /// - Parameter layer: the block, from 1.
    public mutating func queriesKeysValues(layer: Int) throws(GraphError) -> Graph {
        var x = try graph.append(.prependRow, [tokens(patches()), parameter("cls_token")])[0]
        for i in 0..<(layer - 1) { x = try block(x, "blocks.\(i)", heads: configuration.heads, epsilon: configuration.epsilon) }
        let name = "blocks.\(layer - 1)"
        graph.results.append(("qkv", try linear(norm(x, "\(name).norm1", configuration.epsilon), "\(name).attn.qkv")))
        return graph
    }

    /// Patch tokens after the encoder's last norm, no mask. Result `tokens` [N, L, D].
    public mutating func patchTokens() throws(GraphError) -> Graph {
        try features(cls: false, mean: false, tokens: true)
    }
}
