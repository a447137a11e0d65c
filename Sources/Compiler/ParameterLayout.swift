import CurricleGraph
import CurricleTensors

/// Where every parameter of a model lies in the parameters segment, and alike in moments and gradients: the panels of
/// one parameter after another, each group in one piece.
package struct ParameterLayout: Sendable {
    package let parameters: [Parameter]
    package let bytes: Int
    private let offsets: [String: Int]
    /// Byte ranges of the groups.
    package let groups: [ParameterGroup: Range<Int>]

    package init(_ parameters: [Parameter]) {
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
    package func offset(of name: String) -> Int? { offsets[name] }

    /// The floats of a group, counted from the first of all; none where the model has none of it.
    package func floats(of group: ParameterGroup) -> Range<Int> {
        guard let bytes = groups[group] else { preconditionFailure("every group has its place") }
        return (bytes.lowerBound / ElementType.float32.bytes)..<(bytes.upperBound / ElementType.float32.bytes)
    }

    /// Where floats lie that are counted from the group's first on.
    package func bytes(of floats: [Range<Int>], in group: ParameterGroup) -> [Range<Int>] {
        let start = self.floats(of: group).lowerBound, each = ElementType.float32.bytes
        return floats.map { ((start + $0.lowerBound) * each)..<((start + $0.upperBound) * each) }
    }

    func offset(of slice: ParameterSlice) throws(GraphError) -> Int {
        guard let start = offsets[slice.parameter.name] else {
            throw GraphError(operation: "parameter \(slice)", problem: "is not in the layout")
        }
        return start + slice.type.bytes / slice.sections.count * slice.sections.lowerBound
    }
}
