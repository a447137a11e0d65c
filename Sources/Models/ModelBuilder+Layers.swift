import CurricleGraph
import CurricleTensors

/// Where a layer stands: what its parameters' names begin with, and whose they are.
struct ModelPlace {
    /// Begins the reference's names, e.g. `blocks.3`.
    var path = ""
    /// The same with `*` for a block's number.
    var pattern = ""
    var part = ModelPart.encoder
    /// Layer of the encoder: 0 embedding and positions, i + 1 block i; nil for what follows.
    var layer: Int?
    /// Whether a classifier may begin from an encoder that lacks its parameters.
    var isOptional = false
    /// Whether it is part of a block, whose products' weights may be of another element type.
    var isInBlock = false

    func named(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
    func pattern(of name: String) -> String { pattern.isEmpty ? name : "\(pattern).\(name)" }
}

extension ModelBuilder {
    /// Describes layers under a name, in a part, in a layer of the encoder (`ModelPlace`); where it is nil, all stays as around it.
    package mutating func scope<Result>(
        _ name: String? = nil, part: ModelPart? = nil, layer: Int? = nil, isOptional: Bool? = nil,
        _ body: (inout ModelBuilder) throws(GraphError) -> Result
    ) throws(GraphError) -> Result {
        let outer = place
        defer { place = outer }
        if let name { (place.path, place.pattern) = (outer.named(name), outer.pattern(of: name)) }
        place.part = part ?? outer.part
        place.layer = layer ?? outer.layer
        place.isOptional = isOptional ?? outer.isOptional
        return try body(&self)
    }

    /// Describes block `index` of a stack of them, e.g. of `blocks`.
    package mutating func scope<Result>(
        block index: Int, of stack: String, _ body: (inout ModelBuilder) throws(GraphError) -> Result
    ) throws(GraphError) -> Result {
        let outer = place
        defer { place = outer }
        place.path = outer.named("\(stack).\(index)")
        place.pattern = outer.pattern(of: "\(stack).*")
        place.layer = index + 1
        place.isInBlock = true
        return try body(&self)
    }

    /// Declares a parameter of this place, and reads it.
    /// - Parameters:
    ///   - shape: as computed with; `referenceShape` as checkpoints have it, where that is another one.
    mutating func parameter(
        _ name: String, _ shape: [Int], _ initialValue: ModelParameter.InitialValue, sections: Int = 1, referenceShape: [Int]? = nil,
        patch: (size: Int, channels: Int)? = nil, element: ElementType = .float32
    ) throws(GraphError) -> ValueID {
        let reference = referenceShape ?? shape
        let group: ParameterGroup = classifier != nil ? .classifier : place.part == .masker ? .masker : .autoencoder
        let parameter = Parameter(
            name: place.named(name), shape: shape, sections: sections, group: group,
            // What has two or more dimensions in a checkpoint decays (timm's `add_weight_decay`, which MAE pretrains with; a token is
            // [1, 1, D]); in fine-tuning not so tokens and positions (models_vit.py's `no_weight_decay`), which are vectors here.
            decays: classifier == nil ? reference.count > 1 : shape.count > 1,
            rateScale: classifier?.rateScale(layer: place.layer, depth: c.depth) ?? 1, element: element)
        try declare(
            ModelParameter(
                parameter: parameter, part: place.part, pattern: place.pattern(of: name), referenceShape: reference,
                initialValue: initialValue, patch: patch, isOptional: place.isOptional))
        return try graph.append(.parameter(ParameterSlice(parameter)))[0]
    }

    /// A vector [width] that stands for a row: normal of deviation 0.02 at first (models_mae.py, `initialize_weights`).
    package mutating func token(_ name: String, width: Int) throws(GraphError) -> ValueID {
        try parameter(name, [width], .normal(0.02), referenceShape: [1, 1, width])
    }

    /// x [.., in] → [.., width].
    /// - Parameters:
    ///   - sections: equal parts of the columns that are used apart, as query, key and value are.
    ///   - weight: its initial values; the bias begins as zeros.
    ///   - patch: for the patch embedding, whose weight is a convolution's in checkpoints.
    package mutating func linear(
        _ x: ValueID, _ name: String, to width: Int, sections: Int = 1, weight initial: ModelParameter.InitialValue = .xavier,
        patch: (size: Int, channels: Int)? = nil
    ) throws(GraphError) -> ValueID {
        let weight = try parameter(
            "\(name).weight", [width, graph.type(x).width], initial, sections: sections,
            referenceShape: patch.map { [width, $0.channels, $0.size, $0.size] }, patch: patch,
            element: place.isInBlock ? weights : .float32)
        let bias = try parameter("\(name).bias", [width], .zeros, sections: sections)
        var form = LinearForm(bias: true)
        if graph.type(weight).element == .bfloat16 { form.operands = .bfloat16 }
        return try graph.append(.linear(form), [x, weight, bias])[0]
    }

    /// LayerNorm of x [.., D].
    package mutating func norm(_ x: ValueID, _ name: String, epsilon: Float) throws(GraphError) -> ValueID {
        let width = graph.type(x).width
        let gamma = try parameter("\(name).weight", [width], .ones)
        let beta = try parameter("\(name).bias", [width], .zeros)
        return try graph.append(.layerNorm(epsilon: epsilon), [x, gamma, beta])[0]
    }

    /// A pre-norm transformer block on x [N, T, D].
    /// - Parameter branchScales: [N] each: what an image's attention and MLP branches are multiplied by; nil for 1.
    package mutating func block(
        _ x: ValueID, heads: Int, epsilon: Float, branchScales: (attention: ValueID, mlp: ValueID)? = nil
    ) throws(GraphError) -> ValueID {
        let width = graph.type(x).width
        let attended = try graph.append(.attention(heads: heads), [queriesKeysValues(x, epsilon: epsilon)])[0]
        let middle = try graph.append(.add, [x, scaled(linear(attended, "attn.proj", to: width), branchScales?.attention)])[0]
        let hidden = try linear(norm(middle, "norm2", epsilon: epsilon), "mlp.fc1", to: c.mlpRatio * width)
        let mixed = try linear(graph.append(.gelu, [hidden])[0], "mlp.fc2", to: width)
        return try graph.append(.add, [middle, scaled(mixed, branchScales?.mlp)])[0]
    }

    /// What a block's attention is of: x [N, T, D] → [N, T, 3D].
    mutating func queriesKeysValues(_ x: ValueID, epsilon: Float) throws(GraphError) -> ValueID {
        try linear(norm(x, "norm1", epsilon: epsilon), "attn.qkv", to: 3 * graph.type(x).width, sections: 3)
    }

    private mutating func scaled(_ branch: ValueID, _ scale: ValueID?) throws(GraphError) -> ValueID {
        if let scale { try graph.append(.scaleRows, [branch, scale])[0] } else { branch }
    }
}
