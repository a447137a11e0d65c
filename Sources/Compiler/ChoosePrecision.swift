import CurricleGraph
import CurricleTensors

extension Graph {
    /// Products take operands of bf16, rounded as they are met. What only products and their gradients read is bf16 in memory too:
    /// LayerNorm's and GELU's outputs, queries, keys and values, what attention makes, the gradients between products, transposed weights.
    /// A LayerNorm's gradient takes x̂ in bf16, whose rounding does not grow with the mean that x has, instead of x.
    /// Products of one row an image with weights of float32 stay as they are, but for attention's: they are small, and the masker's scores and
    /// a classifier's logits come from them. All else stays float32:
    /// the residual stream and its gradient, statistics, predictions, losses, parameters, their gradients, moments.
    func choosingBfloat16() throws(GraphError) -> Graph {
        let single = productsOfSingleRows(), halves = valuesInBfloat16(but: single)
        var keepsNormalized: Set<ValueID> = []  // statistics of LayerNorms that have a gradient
        for node in nodes { if case .layerNormGradient = node.operation { keepsNormalized.insert(node.inputs[2]) } }
        return try rewritten { (node, inputs, new, _) throws(GraphError) in
            func result(_ index: Int = 0) -> ElementType { halves.contains(node.outputs[index]) ? .bfloat16 : .float32 }
            switch node.operation {
            case _ where single.contains(node.outputs.first): return nil
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

    /// AdamW with moments of bf16, whose rounding is drawn by the update's number.
    func narrowingMoments() throws(GraphError) -> Graph {
        try rewritten { (node, inputs, new, _) throws(GraphError) in
            guard case .adamw(let slice, let form, let clipped, .float32) = node.operation else { return nil }
            let number = try new.append(.input(.updateNumber), type: TensorType([1]))
            return try new.append(
                .adamw(slice, form, clipped: clipped, moments: .bfloat16), inputs.prefix(3) + number + inputs.dropFirst(3))
        }
    }

    /// Values whose maker can write bf16 and whose readers can all read it; query, key and value together or not at all, and likewise
    /// their gradients.
    private func valuesInBfloat16(but single: Set<ValueID?>) -> Set<ValueID> {
        let eligible = nodes.filter { !single.contains($0.outputs.first) }
        var halves = Set(eligible.flatMap { node in node.outputs.enumerated().filter { canWrite(node, $0.offset) }.map(\.element) })
        halves.subtract(results.map(\.value) + gradients.map(\.value))
        for node in nodes {
            for (index, input) in node.inputs.enumerated() where single.contains(node.outputs.first) || !canRead(node, index) {
                halves.remove(input)
            }
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

    /// First outputs of products of one row an image, and of gradients of their weights, that neither make queries nor take their gradients.
    private func productsOfSingleRows() -> Set<ValueID?> {
        var queries: Set<ValueID> = []
        for node in nodes {
            switch node.operation {
            case .attention: queries.formUnion(node.inputs)
            case .attentionGradient: queries.formUnion(node.outputs)
            default: break
            }
        }
        func isSingle(_ value: ValueID) -> Bool { shape(value).dropFirst().dropLast().allSatisfy { $0 == 1 } }
        var single: Set<ValueID?> = []
        for node in nodes {
            switch node.operation {
            case .linear where isSingle(node.inputs[0]) && type(node.inputs[1]).element == .float32:
                if queries.isDisjoint(with: [node.inputs[0], node.outputs[0]]) { single.insert(node.outputs[0]) }
            case .linearWeightGradient where isSingle(node.inputs[1]):
                if !queries.contains(node.inputs[0]) { single.insert(node.outputs[0]) }
            default: break
            }
        }
        return single
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
