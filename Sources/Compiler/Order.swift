import CurricleGraph

extension Graph {
    /// Updates as early as they may be: a parameter's AdamW runs once its gradient is there and nobody reads the old
    /// value any more, so that gradients die young. Everything else keeps its order.
    func orderingUpdatesEarly() throws(GraphError) -> Graph {
        var lastNeed: [Int: Int] = [:]  // node index of an update → the last node it must follow
        var readers: [String: Int] = [:]  // by parameter: slices of one may overlap
        var madeAt: [ValueID: Int] = [:]
        for (i, node) in nodes.enumerated() {
            for output in node.outputs { madeAt[output] = i }
            if case .adamw = node.operation { continue }
            for input in node.inputs {
                if case .parameter(let slice)? = producer(input)?.operation { readers[slice.parameter.name] = i }
            }
        }
        var guardIndex = -1
        for (i, node) in nodes.enumerated() {
            if case .guardFinite = node.operation { guardIndex = max(guardIndex, i) }
            guard case .adamw(let slice, _, _, _) = node.operation else { continue }
            lastNeed[i] = max(node.inputs.map { madeAt[$0]! }.max() ?? -1, readers[slice.parameter.name] ?? -1, guardIndex)
        }
        let early = Dictionary(grouping: lastNeed.keys.sorted(), by: { lastNeed[$0]! })
        var order: [Int] = early[-1] ?? []
        for i in nodes.indices where lastNeed[i] == nil { order.append(i); order += early[i] ?? [] }

        var new = Graph()
        new.adoptConstants(of: self)
        var map: [ValueID: ValueID] = [:]
        for i in order {
            let node = nodes[i]
            let outputs = try new.append(node.operation, node.inputs.map { map[$0]! }, type: node.outputs.first.map(type))
            for (old, value) in zip(node.outputs, outputs) { map[old] = value }
        }
        new.results = results.map { ($0.name, map[$0.value]!) }
        new.gradients = gradients.map { ($0.slice, map[$0.value]!) }
        return new
    }
}
