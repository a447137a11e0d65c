import CInstructions

/// What a value's elements are.
public enum ElementType: String, Sendable, Hashable, Codable {
    case float32 = "f32"
    case int32 = "i32"
    case uint8 = "u8"

    public var bytes: Int {
        switch self {
        case .float32, .int32: 4
        case .uint8: 1
        }
    }
}

/// How a value lies in memory.
public enum Layout: Sendable, Hashable {
    /// Row-major.
    case rows
    /// `[rows, depth]` in panels of 16 rows, `[panel][depth][16]`; the rows come in `sections` equal parts, each padded
    /// to whole panels with zeros. A vector `[rows]` is the same with depth 1.
    case panels(sections: Int)

    /// Equal parts that the rows come in.
    public var sections: Int {
        switch self {
        case .rows: 1
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

    /// Elements in memory, padding included.
    public var storedCount: Int {
        guard case .panels(let sections) = layout, let first = shape.first else { return count }
        let depth = shape.dropFirst().reduce(1, *)
        return sections * ((first / sections + Self.panelWidth - 1) / Self.panelWidth) * Self.panelWidth * depth
    }
    public var bytes: Int { storedCount * element.bytes }

    public var description: String {
        let mark = if case .panels(let sections) = layout { sections == 1 ? "panels" : "panels/\(sections)" } else { "" }
        return "\(element.rawValue)\(shape)\(mark.isEmpty ? "" : " \(mark)")"
    }
}
