import CurricleGraph

extension Graph {
    /// One short rule per operation: from the gradients of a node's outputs to those of its inputs, in the same
    /// operations that forward passes use. Only inputs in `active` need an entry.
    mutating func gradientRule(
        _ node: Node, _ incoming: [ValueID?], _ active: Set<ValueID>
    ) throws(GraphError) -> [(input: Int, gradient: ValueID)] {
        let x = node.inputs
        guard let dy = incoming[0] else { throw unsupported(node, "only its first output has a gradient") }
        func isActive(_ index: Int) -> Bool { active.contains(x[index]) }

        switch node.operation {
        case .linear(let form):
            guard form.isPlain else { throw unsupported(node, "it is fused already") }
            guard type(x[1]).element == .float32 else {
                throw unsupported(node, "a weight of \(type(x[1]).element.rawValue) is not trained")
            }
            var gradients: [(Int, ValueID)] = []
            if isActive(1) || (form.bias && isActive(2)) {
                let d = try append(.linearWeightGradient(sections: type(x[1]).layout.sections), [dy, x[0]])
                gradients.append((1, d[0]))
                if form.bias { gradients.append((2, d[1])) }
            }
            if isActive(0) {
                let transposed = try append(.transposePanels(), [x[1]])[0]
                gradients.append((0, try append(.linear(LinearForm()), [dy, transposed])[0]))
            }
            return gradients
        case .attention(let heads, _):
            return try append(.attentionGradient(heads: heads), [dy, node.outputs[1]] + x).enumerated().map { ($0.offset, $0.element) }
        case .layerNorm:
            let d = try append(.layerNormGradient(hasAddend: false), [dy, x[0], node.outputs[1], x[1]])
            var gradients = [(0, d[0])]
            if isActive(1) { gradients.append((1, try append(.columnSum(rows: 1), [d[1]])[0])) }
            if isActive(2) { gradients.append((2, try append(.columnSum(rows: 1), [d[2]])[0])) }
            return gradients
        case .gelu:
            return [(0, try append(.multiply, [dy, node.outputs[1]])[0])]
        case .add:
            if type(x[0]).shape == type(x[1]).shape { return [(0, dy), (1, dy)] }
            guard isActive(1) else { return [(0, dy)] }
            guard type(x[1]).shape.count == 1 else { throw unsupported(node, "b repeats, but is no vector") }
            return [(0, dy), (1, try append(.columnSum(rows: type(x[1]).count / type(x[0]).width), [dy])[0])]
        case .multiply:
            return [(0, try append(.multiply, [dy, x[1]])[0]), (1, try append(.multiply, [dy, x[0]])[0])]
        case .scaledSum(let alpha, let beta):
            if case .uniform(let weight)? = producer(dy)?.operation {  // a sum of losses: what is below a mean sees its own weight
                return try [(0, alpha), (1, beta)].map { (i, factor) throws(GraphError) in
                    (i, try append(.uniform(weight * factor), type: type(x[i]))[0])
                }
            }
            return [(0, try append(.scaledSum(alpha, 0), [dy, dy])[0]), (1, try append(.scaledSum(beta, 0), [dy, dy])[0])]
        case .sigmoid:
            return [(0, try append(.sigmoidGradient, [dy, node.outputs[0]])[0])]
        case .selectRows(let selection):
            return [(0, try append(.placeRows(selection, rows: shape(x[0])[1]), [dy] + x.dropFirst())[0])]
        case .placeRows(let selection, _):
            return [(0, try append(.selectRows(selection), [dy] + x.dropFirst())[0])]
        case .prependRow:
            let rows = shape(x[0])[1]
            var gradients: [(Int, ValueID)] = []
            if isActive(0) { gradients.append((0, try append(.selectRows(RowSelection(first: 1, count: rows)), [dy])[0])) }
            if isActive(1) {
                let first = try append(.selectRows(RowSelection(first: 0, count: 1)), [dy])[0]
                gradients.append((1, try append(.columnSum(rows: 1), [first])[0]))
            }
            return gradients
        case .restoreTokens:
            let kept = shape(x[0])[1] - 1, patches = shape(x[2])[1]
            let keptRows = RowSelection(first: 0, count: kept, offset: 1, indexed: true, lead: true)
            let removedRows = RowSelection(first: kept, count: patches - kept, offset: 1, indexed: true)
            let removed = try append(.selectRows(removedRows), [dy, x[2]])[0]
            return [(0, try append(.selectRows(keptRows), [dy, x[2]])[0]), (1, try append(.columnSum(rows: 1), [removed])[0])]
        case .meanRows(let first, let count):
            return [(0, try append(.meanRowsGradient(first: first, count: count, rows: shape(x[0])[1]), [dy])[0])]
        case .scaleRows:
            if isActive(1), type(x[1]).count != type(x[0]).rows { throw unsupported(node, "a scale stands for several rows") }
            var gradients: [(Int, ValueID)] = []
            if isActive(0) { gradients.append((0, try append(.scaleRows, [dy, x[1]])[0])) }
            if isActive(1) { gradients.append((1, try append(.rowDot, [x[0], dy])[0])) }
            return gradients
        case .patchError(let form):
            if case .uniform(let weight)? = producer(dy)?.operation {
                return [(0, try append(.patchErrorGradient(form, weight: weight), x)[0])]
            }
            return [(0, try append(.patchErrorGradient(form, weight: nil), [dy] + x)[0])]
        case .crossEntropy:
            guard case .uniform(let weight)? = producer(dy)?.operation else { throw unsupported(node, "only below a mean") }
            return [(0, try append(.crossEntropyGradient(weight: weight), x)[0])]
        case .rankingLoss(let first):
            guard case .uniform(let weight)? = producer(dy)?.operation else { throw unsupported(node, "only below a mean") }
            return [(0, try append(.rankingLossGradient(first: first, weight: weight), x)[0])]
        case .uniformity:
            guard case .uniform(let weight)? = producer(dy)?.operation else { throw unsupported(node, "only below a mean") }
            return [(0, try append(.uniformityGradient(weight: weight), x)[0])]
        case .mean:
            guard case .uniform(let upstream)? = producer(dy)?.operation else { throw unsupported(node, "only as the loss") }
            return [(0, try append(.uniform(upstream / Float(type(x[0]).count)), type: type(x[0]))[0])]
        case .maskerLoss(let weights):
            guard case .uniform(1)? = producer(dy)?.operation else { throw unsupported(node, "only as the loss") }
            // The terms are a way station: error and scores receive the whole gradient here.
            let d = try append(.maskerLossGradient(weights), x)
            return [(1, d[0]), (2, d[1])]
        case .input, .parameter, .gradient, .constant, .uniform, .orderDescending, .orderHardest, .maskerTerms, .guardFinite, .adamw,
            .gradientSquares,
            .clipScale, .patchify:
            return []
        case .concatenate, .keepRows, .rowVariance, .softmax, .quantizeRows, .transposePanels, .linearWeightGradient, .attentionGradient,
            .layerNormGradient,
            .sigmoidGradient,
            .columnSum,
            .meanRowsGradient, .rowDot, .crossEntropyGradient, .patchErrorGradient, .maskerLossGradient, .rankingLossGradient,
            .uniformityGradient:
            throw unsupported(node, "it has no gradient")
        }
    }

    private func unsupported(_ node: Node, _ why: String) -> GraphError {
        GraphError(operation: node.operation.text, problem: "cannot be differentiated: \(why)")
    }
}
