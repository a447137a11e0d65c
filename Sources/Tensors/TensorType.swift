import CurricleCInstructions

/// What a value's elements are.
package enum ElementType: String, Sendable, Hashable, Codable {
    case float32 = "f32"
    case int32 = "i32"
    case uint8 = "u8"
    /// The upper half of a float32; of magnitude 2⁻⁵⁶ at least, or zero (`CSupport/simd/bf16.h`).
    case bfloat16 = "bf16"
    /// Weights in ±127, each column with a scale of its own.
    case int8 = "i8"

    package var bytes: Int {
        switch self {
        case .float32, .int32: 4
        case .bfloat16: 2
        case .uint8, .int8: 1
        }
    }
}

/// How a value lies in memory.
package enum Layout: Sendable, Hashable {
    /// Row-major.
    case rows
    /// `[rows, depth]` in panels of 16 rows, `[panel][depth][16]`; the rows come in `sections` equal parts, each padded
    /// to whole panels with zeros. A vector `[rows]` is the same with depth 1.
    /// Of bf16: `[panel][⌈depth/2⌉][16][2]`. Of int8: `[panel][⌈depth/4⌉][16][4]`, and behind each panel
    /// its columns' scales and sums (`CSupport/kernels/linear_int8.inc`).
    case panels(sections: Int)
    /// Rows of uint8 in whole fours, a scale and a zero point behind each.
    case quantizedRows

    /// Equal parts that the rows come in.
    package var sections: Int {
        switch self {
        case .rows, .quantizedRows: 1
        case .panels(let sections): sections
        }
    }
}

/// Shape, element type and layout of a value.
package struct TensorType: Sendable, Hashable, CustomStringConvertible {
    package var shape: [Int]
    package var element: ElementType
    package var layout: Layout

    package init(_ shape: [Int], _ element: ElementType = .float32, layout: Layout = .rows) {
        self.shape = shape
        self.element = element
        self.layout = layout
    }

    /// Rows of a panel.
    package static let panelWidth = Int(CURRICLE_PANEL)

    /// Number of elements, padding left out.
    package var count: Int { shape.reduce(1, *) }
    /// The last extent: columns of a row.
    package var width: Int { shape.last ?? 1 }
    /// All but the last extent.
    package var rows: Int { shape.dropLast().reduce(1, *) }

    /// Whether two tensors are the same rows of the same width, however those are grouped.
    package func hasRows(of other: TensorType) -> Bool { rows == other.rows && width == other.width }

    /// Elements in memory: padding included, and what stands behind rows and panels of bytes.
    package var storedCount: Int {
        switch layout {
        case .rows: return count
        case .quantizedRows: return rows * Int(curricle_quantized_row(Double(width)))
        case .panels(let sections):
            guard let first = shape.first else { return count }
            let depth = shape.dropFirst().reduce(1, *), panels = sections * ((first / sections + Self.panelWidth - 1) / Self.panelWidth)
            switch element {
            case .int8: return panels * Int(curricle_quantized_panel(Double(depth)))
            case .bfloat16: return panels * Self.panelWidth * Int(curricle_even(Double(depth)))
            case .float32, .int32, .uint8: return panels * Self.panelWidth * depth
            }
        }
    }
    package var bytes: Int { storedCount * element.bytes }

    package var description: String {
        let mark =
            switch layout {
            case .rows: ""
            case .quantizedRows: "quantized"
            case .panels(let sections): sections == 1 ? "panels" : "panels/\(sections)"
            }
        return "\(element.rawValue)\(shape)\(mark.isEmpty ? "" : " \(mark)")"
    }
}
