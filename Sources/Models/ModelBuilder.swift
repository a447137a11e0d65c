import CurricleGraph
import CurricleTensors

/// Describes the parts of a CL-MAE as graphs, naively and whole: what is not needed, the compiler leaves out. A layer declares its
/// parameters where it uses them (`ModelBuilder+Layers.swift`), and nowhere else.
/// Shapes: N images, L patches, T = 1 + L tokens, D width, P values a patch.
package struct ModelBuilder {
    package var graph = Graph()
    package let configuration: ModelConfiguration
    package let images: Int
    let masker: any Masker
    let weights: ElementType
    let classifier: ClassifierShape?

    /// The model's parameters; nil while they are being found out.
    private let parameters: ModelParameters?
    private var declared = Declarations()
    /// Where the layer being described stands.
    var place = ModelPlace()

    /// Positions of the patch tokens [L, D], where they are not the fixed sin-cos ones.
    private let encoderPosition: [Float]?

    /// - Parameter parameters: of the model that is described, with its masker: no others can be used.
    package init(_ configuration: ModelConfiguration, parameters: ModelParameters, images: Int, encoderPosition: [Float]? = nil) {
        self.init(
            configuration, parameters.parts, parameters.masker, parameters.weights, parameters, images: images, encoderPosition)
    }

    private init(
        _ configuration: ModelConfiguration, _ parts: ModelParameters.Parts, _ masker: any Masker, _ weights: ElementType,
        _ parameters: ModelParameters? = nil, images: Int, _ encoderPosition: [Float]? = nil
    ) {
        self.configuration = configuration
        self.images = images
        self.masker = masker
        self.weights = weights
        self.parameters = parameters
        self.encoderPosition = encoderPosition
        classifier = parts.classifier
    }

    var c: ModelConfiguration { configuration }

    /// All that a model declares, in the order that files and memory keep.
    static func declarations(
        _ configuration: ModelConfiguration, _ parts: ModelParameters.Parts, _ masker: any Masker, _ weights: ElementType
    ) throws(GraphError) -> Declarations {
        var model = ModelBuilder(configuration, parts, masker, weights, images: 1)
        // Used after the patch embedding, but the reference's modules list it first.
        if configuration.hasClassToken != false { _ = try model.classToken() }
        if parts.classifier != nil { _ = try model.trainedPositions() }
        let tokens = try model.tokens(model.patches()), latent = try model.encoder(tokens)
        switch parts {
        case .encoder: _ = try model.meanOfPatches(latent)
        case .scoredEncoder:
            _ = try model.meanOfPatches(latent)
            _ = try model.scores(tokens)
        case .classifier: _ = try model.head(latent)
        case .all:
            _ = try model.meanOfPatches(latent)
            let output = try model.decoder(latent, order: model.givenOrder())
            _ = try model.predictions(output, RowSelection(first: 1, count: configuration.patches), order: nil)
            _ = try model.scores(tokens)
        }
        return model.declared
    }

    mutating func declare(_ parameter: ModelParameter) throws(GraphError) {
        guard let parameters else { return try declared.declare(parameter) }
        let name = parameter.parameter.name
        guard parameters[name]?.parameter == parameter.parameter else {
            throw GraphError(operation: "parameter \(name)", problem: "is not of this model")
        }
    }

    /// Fixed positions as a constant: of the patches, and of the class token where `withClass`.
    /// - Parameter given: others to take instead.
    private mutating func constant(
        _ name: String, _ positions: FixedPositions, withClass: Bool, given: [Float]? = nil
    ) throws(GraphError) -> ValueID {
        let shape = [positions.shape[1] - (withClass ? 0 : 1), positions.width]
        guard parameters != nil else {  // what is only declared needs no values
            declared.declare(positions)
            return try graph.append(.constant(name), type: TensorType(shape))[0]
        }
        let values = given ?? Array(positions.values().dropFirst(withClass ? 0 : positions.width))
        return try graph.define(constant: name, values, shape: shape)
    }

    // MARK: Inputs

    /// The batch: patches [N, L, P] in (row, column, channel) order, normalised.
    package mutating func patches() throws(GraphError) -> ValueID {
        try graph.append(.input(.patches), type: TensorType([images, c.patches, c.patchWidth]))[0]
    }

    /// The batch as rgb8 pixels [N, H, W, C], made into patches by the program.
    package mutating func patchesOfPixels() throws(GraphError) -> ValueID {
        let pixels = try graph.append(.input(.pixels), type: TensorType([images, c.imageHeight, c.imageWidth, c.channels], .uint8))[0]
        let scale = try graph.append(.input(.pixelScaleShift), type: TensorType([2, c.channels]))[0]
        return try graph.append(.patchify(patch: c.patchSize), [pixels, scale])[0]
    }

    /// An order of the patches chosen outside, [N, L].
    mutating func givenOrder() throws(GraphError) -> ValueID {
        try graph.append(.input(.order), type: TensorType([images, c.patches], .int32))[0]
    }

    // MARK: Encoder

    mutating func classToken() throws(GraphError) -> ValueID {
        try scope(layer: 0) { m throws(GraphError) in try m.token("cls_token", width: m.c.embedWidth) }
    }

    /// A classifier's positions [(1 + L)·D], which begin as the fixed ones.
    private mutating func trainedPositions() throws(GraphError) -> ValueID {
        try scope(layer: 0, isOptional: true) { m throws(GraphError) in
            let c = m.c
            return try m.parameter(
                "pos_embed", [(1 + c.patches) * c.embedWidth], .positions(rows: c.gridRows, columns: c.gridColumns),
                referenceShape: [1, 1 + c.patches, c.embedWidth])
        }
    }

    /// Patch embedding and position of patches [N, L, P] → [N, L, D]; positions that are trained come later, with the class token's.
    package mutating func tokens(_ patches: ValueID) throws(GraphError) -> ValueID {
        let embedded = try scope(layer: 0) { m throws(GraphError) in
            try m.linear(patches, "patch_embed.proj", to: m.c.embedWidth, patch: (m.c.patchSize, m.c.channels))
        }
        if classifier != nil { return embedded }
        let positions = FixedPositions(name: "pos_embed", part: .encoder, rows: c.gridRows, columns: c.gridColumns, width: c.embedWidth)
        return try graph.append(.add, [embedded, constant("position.encoder", positions, withClass: false, given: encoderPosition)])[0]
    }

    /// Tokens [N, K, D] behind the registers [N, R + K, D], which have no positions (timm's `reg_token`).
    private mutating func withRegisters(_ tokens: ValueID) throws(GraphError) -> ValueID {
        guard let count = c.registers else { return tokens }
        let registers = try parameter(
            "reg_token", [count * c.embedWidth], .normal(0.02), sections: count, referenceShape: [1, count, c.embedWidth])
        guard case .parameter(let whole)? = graph.producer(registers)?.operation else {
            throw GraphError(operation: "reg_token", problem: "is not a parameter")
        }
        var x = tokens
        for i in (0..<count).reversed() {
            let register = try graph.append(.parameter(ParameterSlice(whole.parameter, sections: i..<(i + 1))))[0]
            x = try graph.append(.prependRow, [x, register])[0]
        }
        return x
    }

    /// The encoder on tokens [N, K, D] and its class token, with the final norm, if it has one on every token → [N, 1 + K, D]; with R
    /// registers, [N, 1 + R + K, D].
    /// - Parameters:
    ///   - dropsPaths: whether residual branches are multiplied by the input `branchScales` [2·depth, N]: for block i, row 2i its
    ///     attention's, row 2i + 1 its MLP's.
    ///   - layer: the block, from 1, to stop in, at its queries, keys and values [N, 1 + K, 3D]; nil for the whole encoder.
    package mutating func encoder(_ tokens: ValueID, dropsPaths: Bool = false, upTo layer: Int? = nil) throws(GraphError) -> ValueID {
        var x = try withRegisters(tokens)
        if c.hasClassToken != false { x = try graph.append(.prependRow, [x, classToken()])[0] }
        if classifier != nil { x = try graph.append(.add, [x, trainedPositions()])[0] }
        for i in 0..<c.depth {
            // The first block's branches are never dropped.
            let scales = dropsPaths && i > 0 ? (attention: try branchScale(2 * i), mlp: try branchScale(2 * i + 1)) : nil
            let input = x
            if i + 1 == layer {
                return try scope(block: i, of: "blocks") { m throws(GraphError) in try m.queriesKeysValues(input, epsilon: m.c.epsilon) }
            }
            x = try scope(block: i, of: "blocks") { m throws(GraphError) in
                try m.block(input, heads: m.c.heads, epsilon: m.c.epsilon, branchScales: scales)
            }
        }
        return c.normalizesPooled == true ? x : try norm(x, "norm", epsilon: c.epsilon)
    }

    private mutating func branchScale(_ branch: Int) throws(GraphError) -> ValueID {
        let all = try graph.append(.input(.branchScales), type: TensorType([1, 2 * c.depth, images]))[0]
        return try graph.append(.selectRows(RowSelection(first: branch, count: 1)), [all])[0]
    }

    /// Mean of the patch tokens, with the norm that some encoders have there: [N, 1 + L, D] → [N, D].
    /// - Parameter patches: how many tokens are of patches; nil for all of an image's.
    package mutating func meanOfPatches(_ x: ValueID, patches: Int? = nil) throws(GraphError) -> ValueID {
        let mean = try graph.append(.meanRows(first: c.leadingTokens, count: patches ?? c.patches), [x])[0]
        guard c.normalizesPooled == true else { return mean }
        return try scope(isOptional: true) { m throws(GraphError) in try m.norm(mean, "fc_norm", epsilon: m.c.epsilon) }
    }

    /// What stands for an image, of the encoder's output.
    /// - Parameter patches: as for ``meanOfPatches(_:patches:)``.
    mutating func pooled(_ x: ValueID, _ pool: FeaturePooling, patches: Int? = nil) throws(GraphError) -> ValueID {
        switch pool {
        case .cls: try classRow(x)
        case .mean: try meanOfPatches(x, patches: patches)
        case .clsAndMean: try graph.append(.concatenate, [classRow(x), meanOfPatches(x, patches: patches)])[0]
        case .tokens:
            try graph.append(.selectRows(RowSelection(first: c.leadingTokens, count: patches ?? c.patches)), [x])[0]
        }
    }

    package mutating func classRow(_ x: ValueID) throws(GraphError) -> ValueID {
        try graph.append(.selectRows(RowSelection(first: 0, count: 1)), [x])[0]
    }

    // MARK: Decoder and masker

    /// The decoder, with its norm, on the encoder's output: of every token [N, 1 + L, D], or of the first K of an order [N, 1 + K, D],
    /// the mask token standing for the others → [N, 1 + L, Dd].
    mutating func decoder(_ latent: ValueID, order: ValueID? = nil) throws(GraphError) -> ValueID {
        try scope(part: .decoder) { m throws(GraphError) in
            let c = m.c
            let positions = FixedPositions(
                name: "decoder_pos_embed", part: .decoder, rows: c.gridRows, columns: c.gridColumns, width: c.decoderWidth)
            let embedded = try m.linear(latent, "decoder_embed", to: c.decoderWidth)
            var x: ValueID
            if let order {
                let token = try m.token("mask_token", width: c.decoderWidth)
                let position = try m.constant("position.decoder", positions, withClass: true)
                x = try m.graph.append(.restoreTokens, [embedded, token, order, position])[0]
            } else {
                x = try m.graph.append(.add, [embedded, m.constant("position.decoder", positions, withClass: true)])[0]
            }
            for i in 0..<c.decoderDepth {
                let input = x
                x = try m.scope(block: i, of: "decoder_blocks") { m throws(GraphError) in
                    try m.block(input, heads: c.decoderHeads, epsilon: c.epsilon)
                }
            }
            return try m.norm(x, "decoder_norm", epsilon: c.epsilon)
        }
    }

    /// Predictions [N, R, P] for the selected rows of the decoder's output; selections are moved up by the compiler.
    mutating func predictions(_ x: ValueID, _ selection: RowSelection, order: ValueID?) throws(GraphError) -> ValueID {
        let rows = try graph.append(.selectRows(selection), order.map { [x, $0] } ?? [x])[0]
        return try scope(part: .decoder) { m throws(GraphError) in try m.linear(rows, "decoder_pred", to: m.c.patchWidth) }
    }

    /// The masker's scores in (0, 1), one a patch, large for keep: [N, L, D] → N rows of L.
    package mutating func scores(_ tokens: ValueID) throws(GraphError) -> MaskerScores {
        let masker = masker
        let logits = try scope("masking_net", part: .masker) { m throws(GraphError) in try masker.logits(of: tokens, in: &m) }
        return MaskerScores(logits: logits, scores: try graph.append(.sigmoid, [logits])[0])
    }

    /// Positions of a class token that stands alone: zeros, which nothing is added for. Files have them all the same.
    mutating func declareClassPosition(_ name: String, width: Int) {
        guard parameters == nil else { return }
        declared.declare(FixedPositions(name: place.named(name), part: place.part, rows: 0, columns: 0, width: width))
    }
}
