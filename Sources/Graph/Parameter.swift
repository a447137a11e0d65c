import Tensors

/// Which optimiser step owns a parameter.
public enum ParameterGroup: String, Sendable, Hashable, CaseIterable, Codable {
    case autoencoder
    case masker
    /// An encoder with its head, fine-tuned together.
    case classifier
}

/// A trainable tensor, as computed with: `[rows, depth]` or `[width]`.
public struct Parameter: Sendable, Hashable {
    /// The reference's name, e.g. `blocks.0.attn.qkv.weight`.
    public let name: String
    public let shape: [Int]
    /// Equal parts the rows come in (3 for query, key and value); a graph may use a range of them.
    public let sections: Int
    public let group: ParameterGroup
    /// Whether weight decay applies.
    public let decays: Bool
    /// What the learning rate is multiplied by: less than 1 for early layers in fine-tuning.
    public let rateScale: Float
    /// What it is computed with: float32, or int8 for an encoder that is not trained.
    public let element: ElementType

    public init(
        name: String, shape: [Int], sections: Int = 1, group: ParameterGroup, decays: Bool, rateScale: Float = 1,
        element: ElementType = .float32
    ) {
        self.name = name
        self.shape = shape
        self.sections = sections
        self.group = group
        self.decays = decays
        self.rateScale = rateScale
        self.element = element
    }

    public var type: TensorType { TensorType(shape, element, layout: .panels(sections: sections)) }
}

/// A range of a parameter's sections: what one operation uses.
public struct ParameterSlice: Sendable, Hashable, CustomStringConvertible {
    public let parameter: Parameter
    public let sections: Range<Int>

    public init(_ parameter: Parameter, sections: Range<Int>? = nil) {
        self.parameter = parameter
        self.sections = sections ?? 0..<parameter.sections
    }

    public var type: TensorType {
        var shape = parameter.shape
        if let first = shape.first { shape[0] = first / parameter.sections * sections.count }
        return TensorType(shape, parameter.element, layout: .panels(sections: sections.count))
    }
    public var isWhole: Bool { sections.count == parameter.sections }
    public var description: String { isWhole ? parameter.name : "\(parameter.name)[\(sections.lowerBound)..<\(sections.upperBound)]" }
}
