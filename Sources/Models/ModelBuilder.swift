import Graph
import Tensors

/// Describes the parts of a CL-MAE as graphs, naively and whole: what is not needed, the compiler leaves out.
/// Shapes: N images, L patches, T = 1 + L tokens, D width, P values a patch.
public struct ModelBuilder {
    public var graph = Graph()
    public let configuration: ModelConfiguration
    public let parameters: ModelParameters
    public let images: Int

    static let maskerEpsilon: Float = 1e-5

    /// Positions of the patch tokens [L, D], where they are not the fixed sin-cos ones.
    private let encoderPosition: [Float]?

    public init(_ configuration: ModelConfiguration, parameters: ModelParameters, images: Int, encoderPosition: [Float]? = nil) {
        self.encoderPosition = encoderPosition
        self.configuration = configuration
        self.parameters = parameters
        self.images = images
    }

    private var c: ModelConfiguration { configuration }

    mutating func parameter(_ name: String) throws(GraphError) -> ValueID {
        guard let found = parameters[name] else { throw GraphError(operation: "parameter \(name)", problem: "is not of this model") }
        return try graph.append(.parameter(ParameterSlice(found.parameter)))[0]
    }

    mutating func linear(_ x: ValueID, _ name: String) throws(GraphError) -> ValueID {
        let weight = try parameter("\(name).weight"), bias = try parameter("\(name).bias")
        return try graph.append(.linear(LinearForm(bias: true)), [x, weight, bias])[0]
    }

    mutating func norm(_ x: ValueID, _ name: String, _ epsilon: Float) throws(GraphError) -> ValueID {
        let gamma = try parameter("\(name).weight"), beta = try parameter("\(name).bias")
        return try graph.append(.layerNorm(epsilon: epsilon), [x, gamma, beta])[0]
    }

    /// A pre-norm transformer block on x [N, T, D].
    /// - Parameter branchScales: [N] each: what an image's attention and MLP branches are multiplied by; nil for 1.
    mutating func block(
        _ x: ValueID, _ name: String, heads: Int, epsilon: Float, branchScales: (attention: ValueID, mlp: ValueID)? = nil
    ) throws(GraphError) -> ValueID {
        func scaled(_ branch: ValueID, _ scale: ValueID?, _ graph: inout Graph) throws(GraphError) -> ValueID {
            if let scale { try graph.append(.scaleRows, [branch, scale])[0] } else { branch }
        }
        let qkv = try linear(norm(x, "\(name).norm1", epsilon), "\(name).attn.qkv")
        let attended = try linear(graph.append(.attention(heads: heads), [qkv])[0], "\(name).attn.proj")
        let middle = try graph.append(.add, [x, scaled(attended, branchScales?.attention, &graph)])[0]
        let hidden = try linear(norm(middle, "\(name).norm2", epsilon), "\(name).mlp.fc1")
        let mixed = try linear(graph.append(.gelu, [hidden])[0], "\(name).mlp.fc2")
        return try graph.append(.add, [middle, scaled(mixed, branchScales?.mlp, &graph)])[0]
    }

    /// The batch: patches [N, L, P] in (row, column, channel) order, normalised.
    public mutating func patches() throws(GraphError) -> ValueID {
        try graph.append(.input(.patches), type: TensorType([images, c.patches, c.patchWidth]))[0]
    }

    /// The batch as rgb8 pixels [N, H, W, C], made into patches by the program.
    public mutating func patchesOfPixels() throws(GraphError) -> ValueID {
        let pixels = try graph.append(.input(.pixels), type: TensorType([images, c.imageHeight, c.imageWidth, c.channels], .uint8))[0]
        let scale = try graph.append(.input(.pixelScaleShift), type: TensorType([2, c.channels]))[0]
        return try graph.append(.patchify(patch: c.patchSize), [pixels, scale])[0]
    }

    /// Patch and position embedding of patches [N, L, P] → [N, L, D].
    public mutating func tokens(_ patches: ValueID) throws(GraphError) -> ValueID {
        let values = encoderPosition ?? Array(positionEmbedding(rows: c.gridRows, columns: c.gridColumns, width: c.embedWidth).dropFirst(c.embedWidth))
        let position = try graph.define(constant: "position.encoder", values, shape: [c.patches, c.embedWidth])
        return try graph.append(.add, [linear(patches, "patch_embed.proj"), position])[0]
    }

    /// Scores in (0, 1), one a patch, large for keep: [N, L, D] → [N, 1, L].
    public mutating func scores(_ tokens: ValueID) throws(GraphError) -> ValueID {
        // The masker's class token has a position row too: that of a 1×1 grid's class token, zeros.
        var x = try graph.append(.prependRow, [tokens, parameter("masking_net.cls_token")])[0]
        for i in 0..<c.maskerDepth { x = try block(x, "masking_net.blocks.\(i)", heads: c.maskerHeads, epsilon: Self.maskerEpsilon) }
        let first = try norm(classRow(x), "masking_net.mlp_head.0", Self.maskerEpsilon)
        return try graph.append(.sigmoid, [linear(first, "masking_net.mlp_head.1")])[0]
    }

    /// Encoder with its final norm, if it has one on every token: tokens [N, K, D] → [N, 1 + K, D].
    public mutating func encoded(_ tokens: ValueID) throws(GraphError) -> ValueID {
        var x = try graph.append(.prependRow, [tokens, parameter("cls_token")])[0]
        for i in 0..<c.depth { x = try block(x, "blocks.\(i)", heads: c.heads, epsilon: c.epsilon) }
        return c.normalizesPooled == true ? x : try norm(x, "norm", c.epsilon)
    }

    /// Mean of the patch tokens, with the norm that some encoders have there: [N, 1 + L, D] → [N, D].
    public mutating func meanOfPatches(_ x: ValueID) throws(GraphError) -> ValueID {
        let mean = try graph.append(.meanRows(first: 1, count: c.patches), [x])[0]
        return c.normalizesPooled == true ? try norm(mean, "fc_norm", c.epsilon) : mean
    }

    public mutating func classRow(_ x: ValueID) throws(GraphError) -> ValueID {
        try graph.append(.selectRows(RowSelection(first: 0, count: 1)), [x])[0]
    }

    /// Decoder blocks and norm on x [N, 1 + L, Dd] with positions added.
    mutating func decoded(_ input: ValueID) throws(GraphError) -> ValueID {
        var x = input
        for i in 0..<c.decoderDepth { x = try block(x, "decoder_blocks.\(i)", heads: c.decoderHeads, epsilon: c.epsilon) }
        return try norm(x, "decoder_norm", c.epsilon)
    }

    /// Predictions [N, R, P] for the selected rows of the decoder's output; selections are moved up by the compiler.
    mutating func predictions(_ x: ValueID, _ selection: RowSelection, order: ValueID?) throws(GraphError) -> ValueID {
        let rows = try graph.append(.selectRows(selection), order.map { [x, $0] } ?? [x])[0]
        return try linear(rows, "decoder_pred")
    }

    mutating func decoderPosition() throws(GraphError) -> ValueID {
        let values = positionEmbedding(rows: c.gridRows, columns: c.gridColumns, width: c.decoderWidth)
        return try graph.define(constant: "position.decoder", values, shape: [1 + c.patches, c.decoderWidth])
    }
}
