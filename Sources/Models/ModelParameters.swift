import Graph

/// A parameter with what a checkpoint and an initialiser need to know of it.
public struct ModelParameter: Sendable {
    public enum InitialValue: Sendable {
        case xavier, zeros, ones
        /// Normal of this deviation.
        case normal(Double)
        /// The fixed sin-cos positions, where they are trained on.
        case positions(rows: Int, columns: Int)
    }

    public let parameter: Parameter
    /// Shape in the reference's checkpoints.
    public let referenceShape: [Int]
    public let initialValue: InitialValue
    /// Non-nil for the patch embedding: its columns are (row, column, channel) here and (channel, row, column) there.
    public let patch: (size: Int, channels: Int)?

    /// Values in the reference's order, from ours.
    public func toReference(_ values: [Float]) -> [Float] { permuted(values, toReference: true) }
    /// Ours, from values in the reference's order.
    public func fromReference(_ values: [Float]) -> [Float] { permuted(values, toReference: false) }

    private func permuted(_ values: [Float], toReference: Bool) -> [Float] {
        guard let patch else { return values }
        let pixels = patch.size * patch.size, width = pixels * patch.channels
        var out = values
        for row in stride(from: 0, to: values.count, by: width) {
            for pixel in 0..<pixels {
                for channel in 0..<patch.channels {
                    let ours = row + pixel * patch.channels + channel, theirs = row + channel * pixels + pixel
                    if toReference { out[theirs] = values[ours] } else { out[ours] = values[theirs] }
                }
            }
        }
        return out
    }
}

/// All trainable parameters of a configuration under the reference's names, in the order the model uses them.
public struct ModelParameters: Sendable {
    public let all: [ModelParameter]
    private let byName: [String: Int]

    /// Which of a model's parts are wanted.
    public enum Parts: Sendable {
        case all, encoder
        /// The encoder, its positions and a linear head, all in one group.
        case classifier(ClassifierShape)
    }

    public init(_ c: ModelConfiguration, parts: Parts = .all) {
        var list: [ModelParameter] = []
        let classifier: ClassifierShape? = if case .classifier(let shape) = parts { shape } else { nil }
        let encoder: ParameterGroup = classifier == nil ? .autoencoder : .classifier
        func add(_ name: String, _ shape: [Int], _ initial: ModelParameter.InitialValue, _ group: ParameterGroup, sections: Int = 1,
                 referenceShape: [Int]? = nil, patch: (Int, Int)? = nil) {
            // Weight decay applies to what has two or more dimensions in the reference and is no bias: weights and tokens.
            let reference = referenceShape ?? shape
            let decays = reference.count > 1 && (classifier == nil || !ClassifierShape.undecayed.contains(name))
            let parameter = Parameter(
                name: name, shape: shape, sections: sections, group: group, decays: decays, rateScale: classifier?.rateScale(of: name, depth: c.depth) ?? 1)
            list.append(ModelParameter(parameter: parameter, referenceShape: reference, initialValue: initial, patch: patch.map { ($0.0, $0.1) }))
        }
        func token(_ name: String, _ width: Int, _ group: ParameterGroup) { add(name, [width], .normal(0.02), group, referenceShape: [1, 1, width]) }
        func linear(_ name: String, _ out: Int, _ depth: Int, _ group: ParameterGroup, sections: Int = 1) {
            add("\(name).weight", [out, depth], .xavier, group, sections: sections)
            add("\(name).bias", [out], .zeros, group, sections: sections)
        }
        func norm(_ name: String, _ width: Int, _ group: ParameterGroup) {
            add("\(name).weight", [width], .ones, group)
            add("\(name).bias", [width], .zeros, group)
        }
        func block(_ name: String, _ width: Int, _ group: ParameterGroup) {
            norm("\(name).norm1", width, group)
            linear("\(name).attn.qkv", 3 * width, width, group, sections: 3)
            linear("\(name).attn.proj", width, width, group)
            norm("\(name).norm2", width, group)
            linear("\(name).mlp.fc1", c.mlpRatio * width, width, group)
            linear("\(name).mlp.fc2", width, c.mlpRatio * width, group)
        }

        let d = c.embedWidth, w = c.decoderWidth
        token("cls_token", d, encoder)
        if classifier != nil {
            add("pos_embed", [(1 + c.patches) * d], .positions(rows: c.gridRows, columns: c.gridColumns), encoder, referenceShape: [1, 1 + c.patches, d])
        }
        add("patch_embed.proj.weight", [d, c.patchWidth], .xavier, encoder,
            referenceShape: [d, c.channels, c.patchSize, c.patchSize], patch: (c.patchSize, c.channels))
        add("patch_embed.proj.bias", [d], .zeros, encoder)
        for i in 0..<c.depth { block("blocks.\(i)", d, encoder) }
        norm(c.normalizesPooled == true ? "fc_norm" : "norm", d, encoder)
        switch parts {
        case .encoder:
            self.init(list)
            return
        case .classifier(let shape):
            add("head.weight", [shape.classes, d], .normal(2e-5), encoder)
            add("head.bias", [shape.classes], .zeros, encoder)
            self.init(list)
            return
        case .all: break
        }
        linear("decoder_embed", w, d, .autoencoder)
        token("mask_token", w, .autoencoder)
        for i in 0..<c.decoderDepth { block("decoder_blocks.\(i)", w, .autoencoder) }
        norm("decoder_norm", w, .autoencoder)
        linear("decoder_pred", c.patchWidth, w, .autoencoder)
        token("masking_net.cls_token", d, .masker)
        for i in 0..<c.maskerDepth { block("masking_net.blocks.\(i)", d, .masker) }
        norm("masking_net.mlp_head.0", d, .masker)
        linear("masking_net.mlp_head.1", c.patches, d, .masker)

        self.init(list)
    }

    private init(_ list: [ModelParameter]) {
        all = list
        byName = Dictionary(uniqueKeysWithValues: list.enumerated().map { ($0.element.parameter.name, $0.offset) })
    }

    public subscript(_ name: String) -> ModelParameter? { byName[name].map { all[$0] } }
    public var parameters: [Parameter] { all.map(\.parameter) }
}
