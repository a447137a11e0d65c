import CurricleTensors

/// Which optimiser step owns a parameter.
package enum ParameterGroup: String, Sendable, Hashable, CaseIterable, Codable {
    case autoencoder
    case masker
    /// An encoder with its head, fine-tuned together.
    case classifier
}

/// A trainable tensor, as computed with: `[rows, depth]` or `[width]`.
package struct Parameter: Sendable, Hashable {
    /// The reference's name, e.g. `blocks.0.attn.qkv.weight`.
    package let name: String
    package let shape: [Int]
    /// Equal parts the rows come in (3 for query, key and value); a graph may use a range of them.
    package let sections: Int
    package let group: ParameterGroup
    /// Whether weight decay applies.
    package let decays: Bool
    /// What the learning rate is multiplied by: less than 1 for early layers in fine-tuning.
    package let rateScale: Float
    /// What it is computed with: float32, or int8 for an encoder that is not trained.
    package let element: ElementType

    package init(
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

    package var type: TensorType { TensorType(shape, element, layout: .panels(sections: sections)) }
}

/// A range of a parameter's sections: what one operation uses.
package struct ParameterSlice: Sendable, Hashable, CustomStringConvertible {
    package let parameter: Parameter
    package let sections: Range<Int>

    package init(_ parameter: Parameter, sections: Range<Int>? = nil) {
        self.parameter = parameter
        self.sections = sections ?? 0..<parameter.sections
    }

    package var type: TensorType {
        var shape = parameter.shape
        if let first = shape.first { shape[0] = first / parameter.sections * sections.count }
        return TensorType(shape, parameter.element, layout: .panels(sections: sections.count))
    }
    package var isWhole: Bool { sections.count == parameter.sections }
    package var description: String { isWhole ? parameter.name : "\(parameter.name)[\(sections.lowerBound)..<\(sections.upperBound)]" }
}
