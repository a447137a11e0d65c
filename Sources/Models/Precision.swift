import CurricleTensors

/// What an encoder's products are computed with.
package enum Precision: String, Sendable, Hashable, Codable, CaseIterable {
    case float32 = "f32"
    /// The blocks' weights as int8, a scale a column; their rows as uint8, a scale and a zero point a row. All else stays float32: patch
    /// embedding, LayerNorm, attention, softmax, GELU, residuals, pooling. For inference alone.
    case int8

    /// Of the weights of a block's products.
    var weights: ElementType {
        switch self {
        case .float32: .float32
        case .int8: .int8
        }
    }
}
