extension Graph {
    /// Builds the graph again, node by node: `rule` sees a node with its inputs already mapped into the new graph, and
    /// returns the values that stand for its outputs, or nil to copy the node as it is. `map` holds every value so far.
    package func rewritten(
        _ rule: (_ node: Node, _ inputs: [ValueID], _ new: inout Graph, _ map: [ValueID: ValueID]) throws(GraphError) -> [ValueID]?
    ) throws(GraphError) -> Graph {
        var new = Graph()
        new.adoptConstants(of: self)
        var map: [ValueID: ValueID] = [:]
        for node in nodes {
            let inputs = node.inputs.map { map[$0]! }
            let outputs: [ValueID]
            if let replaced = try rule(node, inputs, &new, map) {
                outputs = replaced
            } else {
                outputs = try new.append(node.operation, inputs, type: node.outputs.first.map(type))
            }
            for (old, value) in zip(node.outputs, outputs) { map[old] = value }
        }
        new.results = results.map { ($0.name, map[$0.value]!) }
        new.gradients = gradients.map { ($0.slice, map[$0.value]!) }
        return new
    }

    /// Only what results, gradients and effects need.
    package func pruned() throws(GraphError) -> Graph {
        var needed = Set(results.map(\.value) + gradients.map(\.value))
        var kept = Array(repeating: false, count: nodes.count)
        for (i, node) in nodes.enumerated().reversed() where node.operation.role == .effect || node.outputs.contains(where: needed.contains)
        {
            kept[i] = true
            needed.formUnion(node.inputs)
        }
        var new = Graph()
        new.adoptConstants(of: self)
        var map: [ValueID: ValueID] = [:]
        for (node, keep) in zip(nodes, kept) where keep {
            let outputs = try new.append(node.operation, node.inputs.map { map[$0]! }, type: node.outputs.first.map(type))
            for (old, value) in zip(node.outputs, outputs) { map[old] = value }
        }
        new.results = results.map { ($0.name, map[$0.value]!) }
        new.gradients = gradients.map { ($0.slice, map[$0.value]!) }
        return new
    }
}
