import CurricleGraph
import CurricleTensors

extension Graph {
    /// Products take operands of bf16, rounded as they are met. What only products and their gradients read is bf16 in memory too:
    /// LayerNorm's and GELU's outputs, queries, keys and values, what attention makes, the gradients between products, transposed weights.
    /// A LayerNorm's gradient takes x̂ in bf16, whose rounding does not grow with the mean that x has, instead of x.
    /// All else stays float32: the residual stream and its gradient, statistics, predictions, losses, parameters, their gradients, moments.
    func choosingBfloat16() throws(GraphError) -> Graph {
        let halves = valuesInBfloat16()
        var keepsNormalized: Set<ValueID> = []  // statistics of LayerNorms that have a gradient
        for node in nodes { if case .layerNormGradient = node.operation { keepsNormalized.insert(node.inputs[2]) } }
        return try rewritten { (node, inputs, new, _) throws(GraphError) in
            func result(_ index: Int = 0) -> ElementType { halves.contains(node.outputs[index]) ? .bfloat16 : .float32 }
            switch node.operation {
            case .linear(var form):
                form.operands = .bfloat16
                form.result = result()
                form.slope = form.gelu ? result(1) : .float32
                return try new.append(.linear(form), inputs)
            case .linearWeightGradient(let sections, _):
                return try new.append(.linearWeightGradient(sections: sections, operands: .bfloat16), inputs)
            case .transposePanels: return try new.append(.transposePanels(result: result()), inputs)
            case .attention(let heads, _): return try new.append(.attention(heads: heads, result: result()), inputs)
            case .attentionGradient(let heads, _): return try new.append(.attentionGradient(heads: heads, result: result()), inputs)
            case .layerNorm(let epsilon, _, _):
                let keeps = keepsNormalized.contains(node.outputs[1])
                return try new.append(.layerNorm(epsilon: epsilon, result: result(), keepsNormalized: keeps), inputs)
            case .layerNormGradient:
                guard let norm = new.producer(inputs[2]), norm.outputs.count == 3 else { return nil }
                return try new.append(node.operation, [inputs[0], norm.outputs[2]] + inputs.dropFirst(2))
            default: return nil
            }
        }
    }

    /// Values whose maker can write bf16 and whose readers can all read it; query, key and value together or not at all, and likewise
    /// their gradients.
    private func valuesInBfloat16() -> Set<ValueID> {
        var halves = Set(nodes.flatMap { node in node.outputs.enumerated().filter { canWrite(node, $0.offset) }.map(\.element) })
        halves.subtract(results.map(\.value) + gradients.map(\.value))
        for node in nodes {
            for (index, input) in node.inputs.enumerated() where !canRead(node, index) { halves.remove(input) }
        }
        var count = 0
        while count != halves.count {
            count = halves.count
            for node in nodes {
                let together: [[ValueID]] =
                    switch node.operation {
                    case .attention: [node.inputs]
                    case .attentionGradient: [Array(node.inputs.dropFirst(2)), node.outputs]
                    default: []
                    }
                for values in together where !halves.isSuperset(of: values) { halves.subtract(values) }
                // What attention of float32 makes is float32.
                if let first = together.first, !halves.isSuperset(of: first) { halves.subtract([node.outputs[0]]) }
                if together.count == 2, !halves.isSuperset(of: together[0]) { halves.subtract([node.inputs[0]] + node.outputs) }
            }
        }
        return halves
    }

    private func canWrite(_ node: Node, _ output: Int) -> Bool {
        switch node.operation {
        case .linear, .attentionGradient: true
        case .layerNorm, .attention: output == 0
        case .transposePanels: shape(node.inputs[0])[0] / type(node.inputs[0]).layout.sections % 2 == 0
        default: false
        }
    }

    private func canRead(_ node: Node, _ input: Int) -> Bool {
        switch node.operation {
        case .linear(let form): input < 2 || input == form.multiplierIndex
        case .linearWeightGradient, .attention: true
        case .attentionGradient: input != 1
        default: false
        }
    }
}
