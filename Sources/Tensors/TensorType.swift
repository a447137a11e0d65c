import CInstructions

/// What a value's elements are.
public enum ElementType: String, Sendable, Hashable, Codable {
    case float32 = "f32"
    case int32 = "i32"
    case uint8 = "u8"
    /// Weights in ±127, each column with a scale of its own.
    case int8 = "i8"

    public var bytes: Int {
        switch self {
        case .float32, .int32: 4
        case .uint8, .int8: 1
        }
    }
}

/// How a value lies in memory.
public enum Layout: Sendable, Hashable {
    /// Row-major.
    case rows
    /// `[rows, depth]` in panels of 16 rows, `[panel][depth][16]`; the rows come in `sections` equal parts, each padded
    /// to whole panels with zeros. A vector `[rows]` is the same with depth 1. Of int8: `[panel][⌈depth/4⌉][16][4]`, and behind each panel
    /// its columns' scales and sums (`CSupport/kernels/linear_int8.inc`).
    case panels(sections: Int)
    /// Rows of uint8 in whole fours, a scale and a zero point behind each.
    case quantizedRows

    /// Equal parts that the rows come in.
    public var sections: Int {
        switch self {
        case .rows, .quantizedRows: 1
        case .panels(let sections): sections
        }
    }
}

/// Shape, element type and layout of a value.
public struct TensorType: Sendable, Hashable, CustomStringConvertible {
    public var shape: [Int]
    public var element: ElementType
    public var layout: Layout

    public init(_ shape: [Int], _ element: ElementType = .float32, layout: Layout = .rows) {
        self.shape = shape
        self.element = element
        self.layout = layout
    }

    /// Rows of a panel.
    public static let panelWidth = Int(CURRICLE_PANEL)

    /// Number of elements, padding left out.
    public var count: Int { shape.reduce(1, *) }
    /// The last extent: columns of a row.
    public var width: Int { shape.last ?? 1 }
    /// All but the last extent.
    public var rows: Int { shape.dropLast().reduce(1, *) }

    /// Whether two tensors are the same rows of the same width, however those are grouped.
    public func hasRows(of other: TensorType) -> Bool { rows == other.rows && width == other.width }

    /// Elements in memory: padding included, and what stands behind rows and panels of bytes.
    public var storedCount: Int {
        switch layout {
        case .rows: return count
        case .quantizedRows: return rows * Int(curricle_quantized_row(Double(width)))
        case .panels(let sections):
            guard let first = shape.first else { return count }
            let depth = shape.dropFirst().reduce(1, *), panels = sections * ((first / sections + Self.panelWidth - 1) / Self.panelWidth)
            return panels * (element == .int8 ? Int(curricle_quantized_panel(Double(depth))) : Self.panelWidth * depth)
        }
    }
    public var bytes: Int { storedCount * element.bytes }

    public var description: String {
        let mark =
            switch layout {
            case .rows: ""
            case .quantizedRows: "quantized"
            case .panels(let sections): sections == 1 ? "panels" : "panels/\(sections)"
            }
        return "\(element.rawValue)\(shape)\(mark.isEmpty ? "" : " \(mark)")"
    }
}
