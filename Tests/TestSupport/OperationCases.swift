import CurricleGraph

extension OperationCase {
    /// Every operation with a kernel, at sizes that end inside vectors, tiles, panels, blocks and chunks.
    package static let all: [OperationCase] = [
        linears, linearsInSections, fusedLinears, int8Linears, bfloat16, [repeatingResidual, transposedPanels], norms, attentions,
        splitAttentions,
        elementwise, repeatingAdds, rowSelections, keptRows, variances, tokenRows, patchifies, orders, hardestOrders, patchErrors,
        crossEntropies, means,
        softmaxes, rankings,
        uniformities, maskerLosses, composed
    ].flatMap { $0 }

    static let linears: [OperationCase] = [
        (1, 1, 1), (15, 16, 17), (3, 1, 37), (50, 40, 36), (97, 33, 7), (13, 48, 300), (5, 22, 521), (13, 33, 1037), (25, 17, 1024)
    ].map(linear)

    static func linear(_ rows: Int, _ columns: Int, _ depth: Int) -> OperationCase {
        OperationCase("linear \(rows)×\(columns)×\(depth)", ulps: 8 + Double(depth) / 8, gradientULPs: 256) { b in
            let x = try b.tensor([rows, depth]), w = try b.parameter([columns, depth]), bias = try b.parameter([columns])
            return [try b.append(.linear(LinearForm(bias: true)), [x, w, bias])]
        }
    }

    static let linearsInSections: [OperationCase] = [(20, 30, 20), (51, 66, 22), (4, 45, 19)].map(linearInSections)

    static func linearInSections(_ rows: Int, _ columns: Int, _ depth: Int) -> OperationCase {
        OperationCase("linear, 3 sections of \(columns / 3)", ulps: 16, gradientULPs: 256) { b in
            let x = try b.tensor([rows, depth]), w = try b.parameter([columns, depth], sections: 3)
            let bias = try b.parameter([columns], sections: 3)
            return [try b.append(.linear(LinearForm(bias: true)), [x, w, bias])]
        }
    }

    static let fusedLinears: [OperationCase] = [
        LinearForm(bias: true, residual: true), LinearForm(multiplier: true), LinearForm(bias: true, gelu: true),
        LinearForm(bias: true, residual: true, multiplier: true, gelu: true)
    ].flatMap { form in [fused(form, 19, 21, 40), fused(form, 7, 48, 260), fused(form, 30, 15, 600)] }

    static func fused(_ form: LinearForm, _ rows: Int, _ columns: Int, _ depth: Int) -> OperationCase {
        OperationCase("\(Operation.linear(form).text) \(rows)×\(columns)×\(depth)", ulps: 16 + Double(depth) / 4) { b in
            var operands = [try b.tensor([rows, depth]), try b.parameter([columns, depth])]
            if form.bias { operands.append(try b.parameter([columns])) }
            if form.residual { operands.append(try b.tensor([rows, columns])) }
            if form.multiplier { operands.append(try b.tensor([rows, columns])) }
            return try b.graph.append(.linear(form), operands)
        }
    }

    /// Bytes of rows and weights, whose products are exact: what may differ from the oracle's is the epilogue.
    static let int8Linears: [OperationCase] = [
        (2, 5, 3, 1), (15, 16, 17, 1), (50, 40, 36, 1), (13, 33, 1037, 1), (20, 30, 20, 3), (51, 66, 22, 3)
    ].flatMap { rows, columns, depth, sections in
        [LinearForm(bias: true), LinearForm(), LinearForm(bias: true, gelu: true), LinearForm(bias: true, residual: true)].map { form in
            OperationCase(
                "int8 \(Operation.linear(form).text) \(rows)×\(columns)×\(depth), \(sections) sections", ulps: 8, carriesNaN: false
            ) { b in
                let x = try b.tensor([rows, depth], in: -2...1), w = try b.parameter([columns, depth], sections: sections, element: .int8)
                var operands = [try b.append(.quantizeRows, [x]), w]
                if form.bias { operands.append(try b.parameter([columns], sections: sections)) }
                if form.residual { operands.append(try b.tensor([rows, columns])) }
                return try b.graph.append(.linear(form), operands)
            }
        }
    }

    static let repeatingResidual = OperationCase("linear, repeating residual", ulps: 16) { b in
        let x = try b.tensor([4, 6, 11]), w = try b.parameter([18, 11]), position = try b.constant([6, 18])
        return [try b.append(.linear(LinearForm(residual: true)), [x, w, position])]
    }

    /// Seen through a product: transposed panels are not row-major.
    static let transposedPanels = OperationCase("transposePanels", ulps: 8) { b in
        let turned = try b.append(.transposePanels(), [try b.parameter([33, 22], sections: 3)]), x = try b.tensor([5, 33])
        return [try b.append(.linear(LinearForm()), [x, turned])]
    }

    static let norms: [OperationCase] = [(1, 1), (15, 16), (17, 15), (40, 33), (97, 160)].map(norm)

    /// Of width 1 all is zero but β, and gradients have no magnitude to be measured by.
    static func norm(_ rows: Int, _ width: Int) -> OperationCase {
        OperationCase("layerNorm \(rows)×\(width)", ulps: 24, gradientULPs: width > 1 ? 1024 : nil) { b in
            let x = try b.tensor([rows, width], in: -3...3), gamma = try b.parameter([width]), beta = try b.parameter([width])
            return try b.graph.append(.layerNorm(epsilon: 1e-5), [x, gamma, beta])
        }
    }

    static let attentions: [OperationCase] = [
        (1, 1, 1, 1), (2, 15, 2, 10), (1, 16, 3, 15), (2, 17, 1, 22), (1, 33, 2, 16), (1, 67, 1, 7), (3, 5, 5, 3)
    ].map(attention)

    static func attention(_ images: Int, _ tokens: Int, _ heads: Int, _ headWidth: Int) -> OperationCase {
        OperationCase("attention \(tokens) tokens, \(heads) heads of \(headWidth)", ulps: 32, gradientULPs: 512) { b in
            try b.graph.append(.attention(heads: heads), [try b.tensor([images, tokens, 3 * heads * headWidth])])
        }
    }

    static let splitAttentions: [OperationCase] = [(2, 1, 17, 2, 10), (1, 5, 33, 3, 15), (3, 37, 4, 1, 22)].map(splitAttention)

    static func splitAttention(_ images: Int, _ queries: Int, _ tokens: Int, _ heads: Int, _ headWidth: Int) -> OperationCase {
        OperationCase("attention \(queries) queries of \(tokens), \(heads) heads of \(headWidth)", ulps: 32, gradientULPs: 512) { b in
            let width = heads * headWidth, query = try b.tensor([images, queries, width]),
                keyValue = try b.tensor([images, tokens, 2 * width])
            return try b.graph.append(.attention(heads: heads), [query, keyValue])
        }
    }

    static let elementwise: [OperationCase] = [1, 15, 16, 17, 331].flatMap { count in
        [
            gelu(count), sigmoid(count), sigmoidGradient(count), multiply(count), scaledSum(count), add(count), scaleRows(count),
            rowDot(count)
        ]
    }

    static func gelu(_ count: Int) -> OperationCase {
        OperationCase("gelu \(count)", ulps: 4, gradientULPs: 128) { b in try b.graph.append(.gelu, [try b.tensor([1, count], in: -3...3)])
        }
    }
    static func sigmoid(_ count: Int) -> OperationCase {
        OperationCase("sigmoid \(count)", ulps: 4, gradientULPs: 128) { b in
            [try b.append(.sigmoid, [try b.tensor([1, count], in: -6...6)])]
        }
    }
    static func sigmoidGradient(_ count: Int) -> OperationCase {
        OperationCase("sigmoidGradient \(count)", ulps: 4) { b in
            let dy = try b.tensor([1, count]), y = try b.tensor([1, count], in: 0...1)
            return [try b.append(.sigmoidGradient, [dy, y])]
        }
    }
    static func scaledSum(_ count: Int) -> OperationCase {
        OperationCase("scaledSum \(count)", ulps: 2, gradientULPs: 128) { b in
            let x = try b.tensor([1, count]), y = try b.tensor([1, count])
            return [try b.append(.scaledSum(0.75, -2.5), [x, y])]
        }
    }

    static func multiply(_ count: Int) -> OperationCase {
        OperationCase("multiply \(count)", ulps: 1, gradientULPs: 128) { b in
            let x = try b.tensor([1, count]), y = try b.tensor([1, count])
            return [try b.append(.multiply, [x, y])]
        }
    }
    static func add(_ count: Int) -> OperationCase {
        OperationCase("add \(count)", ulps: 1, gradientULPs: 128) { b in
            let x = try b.tensor([3, count]), y = try b.tensor([3, count])
            return [try b.append(.add, [x, y])]
        }
    }
    static let repeatingAdds = [
        OperationCase("add, b repeats", ulps: 1) { b in
            let x = try b.tensor([5, 7, 19]), y = try b.constant([7, 19])
            return [try b.append(.add, [x, y])]
        },
        // As a trained position embedding does, whose gradient is a sum over images.
        OperationCase("add, b a vector of rows", ulps: 1, gradientULPs: 128) { b in
            let x = try b.tensor([5, 7, 19]), y = try b.parameter([7 * 19])
            return [try b.append(.add, [x, y])]
        },
        OperationCase("concatenate", ulps: 0) { b in [try b.append(.concatenate, [try b.tensor([5, 1, 19]), try b.tensor([5, 37])])] },
        OperationCase("scaleRows, a scale an image", ulps: 1, gradientULPs: 128) { b in
            let x = try b.tensor([5, 7, 19]), scale = try b.constant([1, 1, 5])
            return [try b.append(.scaleRows, [x, scale])]
        }
    ]
    static func scaleRows(_ width: Int) -> OperationCase {
        OperationCase("scaleRows 7×\(width)", ulps: 1, gradientULPs: 256) { b in
            let x = try b.tensor([1, 7, width]), scale = try b.tensor([1, 7])
            return [try b.append(.scaleRows, [x, scale])]
        }
    }
    static func rowDot(_ width: Int) -> OperationCase {
        OperationCase("rowDot 19×\(width)", ulps: 8 + Double(width) / 8) { b in
            let x = try b.tensor([19, width]), y = try b.tensor([19, width])
            return [try b.append(.rowDot, [x, y])]
        }
    }
}
