import CurricleGraph

extension Graph {
    /// Rows that nobody asks for are not computed: a selection of rows moves up through what works row by row, to the
    /// point where all rows are wanted. So the masker's last block keeps one query, and predictions are made where they are scored.
    func hoistingSelections() throws(GraphError) -> Graph {
        var graph = self
        while true {
            var changed = false
            let uses = graph.useCounts()
            let old = graph
            let next = try graph.rewritten { (node, inputs, new, _) throws(GraphError) in
                guard case .selectRows(let selection) = node.operation, uses[node.inputs[0].index] == 1,
                    let source = old.producer(node.inputs[0]), source.outputs[0] == node.inputs[0],
                    let maker = new.producer(inputs[0])
                else { return nil }
                let order = Array(inputs.dropFirst())
                func select(_ value: ValueID, _ graph: inout Graph) throws(GraphError) -> ValueID {
                    try graph.append(.selectRows(selection), [value] + order)[0]
                }
                switch maker.operation {
                case .linear(let form) where form.isPlain:
                    changed = true
                    var operands = maker.inputs
                    operands[0] = try select(operands[0], &new)
                    return try new.append(maker.operation, operands)
                case .add where new.shape(maker.inputs[0]) == new.shape(maker.inputs[1]):
                    changed = true
                    let a = try select(maker.inputs[0], &new), b = try select(maker.inputs[1], &new)
                    return try new.append(.add, [a, b])
                case .layerNorm, .gelu:
                    changed = true
                    let x = try select(maker.inputs[0], &new)
                    return [try new.append(maker.operation, [x] + maker.inputs.dropFirst())[0]]
                case .attention:
                    guard let split = try new.splittingQuery(of: maker) else { return nil }
                    changed = true
                    let query = try select(split.query, &new)
                    return [try new.append(maker.operation, [query, split.keyValue])[0]]
                default: return nil
                }
            }
            guard changed else { return graph }
            graph = try next.pruned()
        }
    }

    /// Query and key-value of an attention apart: its packed qkv, if a parameter's product, becomes two products.
    private mutating func splittingQuery(of attention: Node) throws(GraphError) -> (query: ValueID, keyValue: ValueID)? {
        if attention.inputs.count == 2 { return (attention.inputs[0], attention.inputs[1]) }
        guard let packed = producer(attention.inputs[0]), case .linear(let form) = packed.operation, form.isPlain, form.bias,
            case .parameter(let weight)? = producer(packed.inputs[1])?.operation, weight.parameter.sections == 3, weight.isWhole,
            case .parameter(let bias)? = producer(packed.inputs[2])?.operation, bias.parameter.sections == 3
        else { return nil }
        func part(_ sections: Range<Int>, _ graph: inout Graph) throws(GraphError) -> ValueID {
            let w = try graph.append(.parameter(ParameterSlice(weight.parameter, sections: sections)))[0]
            let b = try graph.append(.parameter(ParameterSlice(bias.parameter, sections: sections)))[0]
            return try graph.append(packed.operation, [packed.inputs[0], w, b])[0]
        }
        return (try part(0..<1, &self), try part(1..<3, &self))
    }
}
