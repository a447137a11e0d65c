import CurricleTensors

/// What an encoder's products are computed with.
package enum Precision: String, Sendable, Hashable, Codable, CaseIterable {
    case float32 = "f32"
    /// Products take operands of bf16 and add up in float32, on all CPUs with the same bits; what is between products and what is saved for
    /// their gradients is bf16. In training parameters, their gradients and moments, the residual stream, statistics and losses are float32.
    case bfloat16 = "bf16"
    /// The blocks' weights as int8, a scale a column; their rows as uint8, a scale and a zero point a row. All else stays float32: patch
    /// embedding, LayerNorm, attention, softmax, GELU, residuals, pooling. For inference alone.
    case int8

    /// Of the weights of a block's products, where they are not trained.
    package var weights: ElementType {
        switch self {
        case .float32: .float32
        case .bfloat16: .bfloat16
        case .int8: .int8
        }
    }
}

/// What AdamW keeps its moments as.
package enum MomentPrecision: String, Sendable, Hashable, Codable, CaseIterable {
    case float32 = "f32"
    /// Half of their memory: the first rounded to the nearest, the second up or down by chance.
    case bfloat16 = "bf16"

    package var element: ElementType {
        switch self {
        case .float32: .float32
        case .bfloat16: .bfloat16
        }
    }

    /// Of one moment of parameters that take so many.
    package func bytes(parameters: Int) -> Int { parameters / ElementType.float32.bytes * element.bytes }
}
