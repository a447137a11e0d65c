import CurricleGraph

extension Graph {
    /// The gradients of a loss, times a weight, with respect to the parameters of a group: by slice.
    mutating func gradients(
        of loss: ValueID, weight: Float = 1, for group: ParameterGroup
    ) throws(GraphError) -> [(slice: ParameterSlice, value: ValueID)] {
        try parameterGradients(of: loss, upstream: append(.uniform(weight), type: type(loss))[0], for: group)
    }

    mutating func parameterGradients(
        of value: ValueID, upstream: ValueID, for group: ParameterGroup
    ) throws(GraphError) -> [(slice: ParameterSlice, value: ValueID)] {
        let leaves = try differentiate(value, upstream: upstream) {
            if case .parameter(let slice) = $0 { slice.parameter.group == group } else { false }
        }
        return leaves.compactMap { leaf, gradient in if case .parameter(let slice) = leaf { (slice, gradient) } else { nil } }
    }

    /// Adds the gradients of a value's function with respect to some leaves, by the chain rule from the value back
    /// (reverse mode), and nothing that those gradients do not need.
    /// - Parameters:
    ///   - upstream: the gradient of `value` itself.
    ///   - isWanted: the leaves in question.
    /// - Returns: each such leaf used, with the value that holds its gradient.
    mutating func differentiate(
        _ value: ValueID, upstream: ValueID, for isWanted: (Operation) -> Bool
    ) throws(GraphError) -> [(leaf: Operation, value: ValueID)] {
        let active = activeValues(for: isWanted)
        let forward = nodes
        var pending: [ValueID: [ValueID]] = [value: [upstream]]
        var leaves: [(leaf: Operation, value: ValueID)] = []

        for node in forward.reversed() {
            var incoming: [ValueID?] = []
            for output in node.outputs { incoming.append(try total(pending.removeValue(forKey: output) ?? [])) }
            guard incoming.contains(where: { $0 != nil }) else { continue }
            if isWanted(node.operation) {
                if let gradient = incoming[0] { leaves.append((node.operation, gradient)) }
                continue
            }
            guard node.inputs.contains(where: active.contains) else { continue }
            for (input, gradient) in try gradientRule(node, incoming, active) where active.contains(node.inputs[input]) {
                pending[node.inputs[input], default: []].append(gradient)
            }
        }
        return leaves
    }

    /// Values that depend on a wanted leaf.
    private func activeValues(for isWanted: (Operation) -> Bool) -> Set<ValueID> {
        var active = Set<ValueID>()
        for node in nodes {
            if isWanted(node.operation) || node.inputs.contains(where: active.contains) { active.formUnion(node.outputs) }
        }
        return active
    }

    private mutating func total(_ contributions: [ValueID]) throws(GraphError) -> ValueID? {
        guard var sum = contributions.first else { return nil }
        for next in contributions.dropFirst() { sum = try append(.add, [sum, next])[0] }
        return sum
    }
}
