import Graph

extension Graph {
    /// Adds the gradients of `loss` with respect to the parameters of a group, by the chain rule from the loss back
    /// (reverse mode), and nothing that those gradients do not need.
    /// - Returns: each parameter slice used, with the value that holds its gradient.
    mutating func differentiate(_ loss: ValueID, for group: ParameterGroup) throws(GraphError) -> [(slice: ParameterSlice, value: ValueID)] {
        let active = activeValues(for: group)
        let forward = nodes
        var pending: [ValueID: [ValueID]] = [loss: [try append(.uniform(1), type: type(loss))[0]]]
        var parameters: [(slice: ParameterSlice, value: ValueID)] = []

        for node in forward.reversed() {
            var incoming: [ValueID?] = []
            for output in node.outputs { incoming.append(try total(pending.removeValue(forKey: output) ?? [])) }
            guard incoming.contains(where: { $0 != nil }) else { continue }
            if case .parameter(let slice) = node.operation {
                if let gradient = incoming[0] { parameters.append((slice, gradient)) }
                continue
            }
            guard node.inputs.contains(where: active.contains) else { continue }
            for (input, gradient) in try gradientRule(node, incoming, active) where active.contains(node.inputs[input]) {
                pending[node.inputs[input], default: []].append(gradient)
            }
        }
        return parameters
    }

    /// Values that depend on a parameter of the group.
    private func activeValues(for group: ParameterGroup) -> Set<ValueID> {
        var active = Set<ValueID>()
        for node in nodes {
            let isTrained = if case .parameter(let slice) = node.operation { slice.parameter.group == group } else { false }
            if isTrained || node.inputs.contains(where: active.contains) { active.formUnion(node.outputs) }
        }
        return active
    }

    private mutating func total(_ contributions: [ValueID]) throws(GraphError) -> ValueID? {
        guard var sum = contributions.first else { return nil }
        for next in contributions.dropFirst() { sum = try append(.add, [sum, next])[0] }
        return sum
    }
}
