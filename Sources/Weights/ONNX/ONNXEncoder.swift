import Models

/// The encoder as an ONNX graph: `pixel_values` [N, C, H, W], normalised, to `last_hidden_state` [N, 1 + L, D] after the
/// final norm (before `fc_norm`, where that is the last one). Float32; N is free.
struct ONNXEncoder {
    private let c: ModelConfiguration
    private let contents: CheckpointContents
    private let sources: [String: WeightsFile.Source]
    private var graph = ONNXGraph()

    init(_ contents: CheckpointContents) {
        c = contents.description.model
        self.contents = contents
        sources = Dictionary(contents.encoder.map { ($0.name, $0) }) { $1 }
    }

    consuming func write(to path: String) throws {
        build()
        let pixels = contents.description.normalization
        func list(_ values: [Float]) -> String { values.map(\.description).joined(separator: ",") }
        let model = contents.metadata["curricle.model"] ?? ""
        try graph.write(to: path, name: "encoder", metadata: [("curricle.model", model), ("mean", list(pixels.mean)), ("std", list(pixels.std))])
    }

    private mutating func build() {
        graph.input("pixel_values", [.named("batch"), .known(c.channels), .known(c.imageHeight), .known(c.imageWidth)])
        let tokenShape = graph.integers("token_shape", [3], [0, c.embedWidth, c.patches])
        let embedded = graph.node(
            "Conv", ["pixel_values", weight("patch_embed.proj.weight"), weight("patch_embed.proj.bias")],
            [("kernel_shape", .integers([c.patchSize, c.patchSize])), ("strides", .integers([c.patchSize, c.patchSize]))])
        let tokens = graph.node("Transpose", [graph.node("Reshape", [embedded, tokenShape])], [("perm", .integers([0, 2, 1]))])
        // One class token for each image.
        let images = graph.node("Shape", ["pixel_values"], [("start", .integer(0)), ("end", .integer(1))])
        let classShape = graph.node("Concat", [images, graph.integers("class_shape", [2], [1, c.embedWidth])], [("axis", .integer(0))])
        let classToken = graph.node("Expand", [weight("cls_token"), classShape])
        let sequence = graph.node("Concat", [classToken, tokens], [("axis", .integer(1))])
        // The class token's position is zero: it is part of the class token.
        var x = graph.node("Add", [sequence, weight("pos_embed")])

        let constants = Constants(
            split: graph.integers("head_shape", [5], [0, 0, 3, c.heads, c.embedWidth / c.heads]), merge: graph.integers("merged_shape", [3], [0, 0, c.embedWidth]),
            which: (0..<3).map { graph.integers("which_\($0)", [], [$0]) },
            scale: scalar("attention_scale", 1 / Float(c.embedWidth / c.heads).squareRoot()),
            inverseRoot: scalar("inverse_root_2", Float(0.5.squareRoot())), half: scalar("half", 0.5), one: scalar("one", 1))
        for i in 0..<c.depth { x = block(x, "blocks.\(i)", constants) }
        x = c.normalizesPooled == true ? graph.node("Identity", [x], result: "last_hidden_state") : norm(x, "norm", result: "last_hidden_state")
        graph.output(x, [.named("batch"), .known(1 + c.patches), .known(c.embedWidth)])
    }

    /// Small tensors that every block uses.
    private struct Constants {
        let split, merge: String
        let which: [String]
        let scale, inverseRoot, half, one: String
    }

    private mutating func block(_ x: String, _ name: String, _ constants: Constants) -> String {
        let attended = attention(norm(x, "\(name).norm1"), name, constants)
        let middle = graph.node("Add", [x, linear(attended, "\(name).attn.proj")])
        let hidden = linear(norm(middle, "\(name).norm2"), "\(name).mlp.fc1")
        // GELU: x · (1 + erf(x / √2)) / 2
        let error = graph.node("Erf", [graph.node("Mul", [hidden, constants.inverseRoot])])
        let factor = graph.node("Mul", [graph.node("Add", [error, constants.one]), constants.half])
        return graph.node("Add", [middle, linear(graph.node("Mul", [hidden, factor]), "\(name).mlp.fc2")])
    }

    private mutating func attention(_ x: String, _ name: String, _ constants: Constants) -> String {
        // [N, T, 3D] → [3, N, heads, T, D / heads]
        let split = graph.node("Reshape", [linear(x, "\(name).attn.qkv"), constants.split])
        let all = graph.node("Transpose", [split], [("perm", .integers([2, 0, 3, 1, 4]))])
        let parts = constants.which.map { graph.node("Gather", [all, $0], [("axis", .integer(0))]) }
        let query = graph.node("Mul", [parts[0], constants.scale])
        let key = graph.node("Transpose", [parts[1]], [("perm", .integers([0, 1, 3, 2]))])
        let probabilities = graph.node("Softmax", [graph.node("MatMul", [query, key])], [("axis", .integer(-1))])
        let mixed = graph.node("Transpose", [graph.node("MatMul", [probabilities, parts[2]])], [("perm", .integers([0, 2, 1, 3]))])
        return graph.node("Reshape", [mixed, constants.merge])
    }

    private mutating func norm(_ x: String, _ name: String, result: String? = nil) -> String {
        graph.node(
            "LayerNormalization", [x, weight("\(name).weight"), weight("\(name).bias")], [("axis", .integer(-1)), ("epsilon", .float(c.epsilon))], result: result)
    }

    private mutating func linear(_ x: String, _ name: String) -> String {
        let weight = transposed("\(name).weight")
        return graph.node("Add", [graph.node("MatMul", [x, weight]), self.weight("\(name).bias")])
    }

    private mutating func scalar(_ name: String, _ value: Float) -> String { graph.floats(name, [], { [value] }) }

    private mutating func weight(_ name: String) -> String {
        guard let source = sources[name] else { return name }
        return graph.floats(name, source.shape, source.values)
    }

    /// A weight [out, in] as [in, out], which MatMul wants.
    private mutating func transposed(_ name: String) -> String {
        guard let source = sources[name], source.shape.count == 2 else { return name }
        let rows = source.shape[0], columns = source.shape[1]
        return graph.floats(name, [columns, rows]) {
            let values = try source.values()
            return (0..<(rows * columns)).map { values[$0 % rows * columns + $0 / rows] }
        }
    }
}
