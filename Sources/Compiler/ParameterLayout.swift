import Graph

/// Where every parameter of a model lies in the parameters segment, and alike in moments and gradients: the panels of
/// one parameter after another, each group in one piece.
public struct ParameterLayout: Sendable {
    public let parameters: [Parameter]
    public let bytes: Int
    private let offsets: [String: Int]
    /// Byte ranges of the groups.
    public let groups: [ParameterGroup: Range<Int>]

    public init(_ parameters: [Parameter]) {
        var ordered: [Parameter] = []
        var offsets: [String: Int] = [:]
        var groups: [ParameterGroup: Range<Int>] = [:]
        var end = 0
        for group in ParameterGroup.allCases {
            let start = end
            for parameter in parameters where parameter.group == group {
                offsets[parameter.name] = end
                end += parameter.type.bytes
                ordered.append(parameter)
            }
            groups[group] = start..<end
        }
        self.parameters = ordered
        self.offsets = offsets
        self.groups = groups
        bytes = end
    }

    /// Byte offset of a parameter; nil where the layout does not hold it.
    public func offset(of name: String) -> Int? { offsets[name] }

    func offset(of slice: ParameterSlice) throws(GraphError) -> Int {
        guard let start = offsets[slice.parameter.name] else {
            throw GraphError(operation: "parameter \(slice)", problem: "is not in the layout")
        }
        return start + slice.type.bytes / slice.sections.count * slice.sections.lowerBound
    }
}

/// Constants of all programs of a session: each name is stored once.
public struct ConstantPool: Sendable {
    public private(set) var values: [Float] = []
    private var offsets: [String: Int] = [:]
    public init() {}

    public var bytes: Int { values.count * 4 }

    mutating func place(_ name: String, _ contents: [Float]) -> Int {
        if let offset = offsets[name] { return offset }
        let offset = bytes
        offsets[name] = offset
        values += contents
        values += Array(repeating: 0, count: (16 - values.count % 16) % 16)
        return offset
    }
}
