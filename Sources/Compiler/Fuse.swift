import CurricleGraph

extension Graph {
    /// Work on rows that are zero is not done: gradients of placed rows are taken before the placing.
    func simplifyingPlacedRows() throws(GraphError) -> Graph {
        try rewritten { (node, inputs, new, _) throws(GraphError) in
            guard let first = inputs.first, let placed = new.producer(first), case .placeRows(let selection, let rows) = placed.operation
            else { return nil }
            let order = Array(placed.inputs.dropFirst())
            switch node.operation {
            case .linearWeightGradient:
                let x = try new.append(.selectRows(selection), [inputs[1]] + order)[0]
                return try new.append(node.operation, [placed.inputs[0], x])
            case .linear(LinearForm()):
                let y = try new.append(node.operation, [placed.inputs[0], inputs[1]])[0]
                return try new.append(.placeRows(selection, rows: rows), [y] + order)
            default: return nil
            }
        }.pruned()
    }

    /// Elementwise work moves into the epilogue of the product before it, while its rows are at hand:
    /// `add` and `multiply` and `gelu` into `linear`, `add` into `layerNormGradient`.
    func fusingEpilogues() throws(GraphError) -> Graph {
        let uses = useCounts()
        let addends = layerNormAddends(uses)
        return try rewritten { (node, inputs, new, map) throws(GraphError) in
            /// The maker of an input that nobody else reads.
            func onlyMaker(_ index: Int, _ new: Graph) -> Node? {
                guard uses[node.inputs[index].index] == 1, let maker = new.producer(inputs[index]), maker.outputs[0] == inputs[index] else {
                    return nil
                }
                return maker
            }
            switch node.operation {
            case .layerNormGradient(hasAddend: false):
                guard let addend = addends[node.outputs[0]], let value = map[addend] else { return nil }
                return try new.append(.layerNormGradient(hasAddend: true), inputs + [value])
            case .add:
                // What a LayerNorm gradient has taken in already comes first: that addend may itself be a product.
                for (main, other) in [(0, 1), (1, 0)] {
                    guard let maker = onlyMaker(main, new), case .layerNormGradient(hasAddend: true) = maker.operation,
                        maker.inputs.last == inputs[other]
                    else { continue }
                    return [inputs[main]]
                }
                for (main, other) in [(0, 1), (1, 0)] where main == 0 || new.shape(inputs[0]) == new.shape(inputs[1]) {
                    guard let maker = onlyMaker(main, new), new.type(inputs[0]).width == new.type(inputs[1]).width else { continue }
                    switch maker.operation {
                    case .linear(var form) where !form.residual && !form.gelu:
                        form.residual = true
                        var operands = maker.inputs
                        operands.insert(inputs[other], at: form.residualIndex!)
                        return try new.append(.linear(form), operands)
                    default: continue
                    }
                }
                return nil
            case .multiply:
                for (main, other) in [(0, 1), (1, 0)] {
                    guard let maker = onlyMaker(main, new), case .linear(LinearForm()) = maker.operation else { continue }
                    return try new.append(.linear(LinearForm(multiplier: true)), maker.inputs + [inputs[other]])
                }
                return nil
            case .gelu:
                guard let maker = onlyMaker(0, new), case .linear(var form) = maker.operation, !form.gelu else { return nil }
                form.gelu = true
                return try new.append(.linear(form), maker.inputs)
            default: return nil
            }
        }.pruned()
    }

    /// For each LayerNorm gradient whose dx only goes into a sum: what it is added to.
    private func layerNormAddends(_ uses: [Int]) -> [ValueID: ValueID] {
        var addends: [ValueID: ValueID] = [:]
        for node in nodes {
            guard case .add = node.operation, type(node.inputs[0]).shape == type(node.inputs[1]).shape else { continue }
            for (main, other) in [(0, 1), (1, 0)] where uses[node.inputs[main].index] == 1 {
                guard let maker = producer(node.inputs[main]), case .layerNormGradient(hasAddend: false) = maker.operation,
                    maker.outputs[0] == node.inputs[main], addends[node.inputs[main]] == nil, addends[node.inputs[other]] == nil
                else { continue }
                addends[node.inputs[main]] = node.inputs[other]
                break
            }
        }
        return addends
    }
}
