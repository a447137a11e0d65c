import CurricleGraph
import CurricleTensors

/// Products of bf16. Tensors are fixed: one that was computed in float32 might round to either of two neighbours.
extension OperationCase {
    static let bfloat16: [OperationCase] = bfloat16Linears + bfloat16WeightGradients + bfloat16Chains + bfloat16Attentions

    /// Half a step of bf16, of what is rounded on the way: a number half way between two may become either.
    private static let flips = 0x1p15

    /// Operands are rounded, sums are not: the oracle's of rounded operands.
    static let bfloat16Linears: [OperationCase] = [
        (2, 5, 3, 1), (15, 16, 17, 1), (50, 40, 36, 1), (13, 33, 1037, 1), (20, 30, 20, 3), (51, 66, 22, 3), (5, 20, 1538, 1)
    ].flatMap { rows, columns, depth, sections in
        [
            LinearForm(bias: true), LinearForm(multiplier: true), LinearForm(bias: true, gelu: true), LinearForm(bias: true, residual: true)
        ].flatMap { form in
            [ElementType.float32, .bfloat16].map { element in
                let name =
                    "bf16 \(Operation.linear(form).text) \(rows)×\(columns)×\(depth), \(sections) sections, weight \(element.rawValue)"
                return OperationCase(name, ulps: 16 + Double(depth) / 4) { b in
                    var form = form
                    form.operands = .bfloat16
                    let x = try b.constant([rows, depth]), w = try b.parameter([columns, depth], sections: sections, element: element)
                    var operands = [x, w]
                    if form.bias { operands.append(try b.parameter([columns], sections: sections)) }
                    if form.residual { operands.append(try b.constant([rows, columns])) }
                    if form.multiplier { operands.append(try b.constant([rows, columns])) }
                    return try b.graph.append(.linear(form), operands)
                }
            }
        }
    }

    static let bfloat16WeightGradients: [OperationCase] = [(1, 3, 2, 1), (37, 48, 21, 3), (300, 17, 40, 1), (513, 33, 7, 1)].map {
        rows, columns, depth, sections in
        // NaN·0 stands in the padding.
        OperationCase("bf16 linearWeightGradient \(rows)×\(columns)×\(depth)", ulps: 16 + Double(rows) / 4, carriesNaN: false) { b in
            let dy = try b.constant([rows, columns]), x = try b.constant([rows, depth])
            return try b.graph.append(.linearWeightGradient(sections: sections, operands: .bfloat16), [dy, x])
        }
    }

    /// What stands between products: of LayerNorm, of GELU and its derivative, of transposed weights.
    static let bfloat16Chains: [OperationCase] = [(5, 24, 18), (33, 40, 70)].map { rows, width, hidden in
        OperationCase("bf16 between products, \(rows)×\(width)×\(hidden)", ulps: 4 * flips, carriesNaN: false) { b in
            let x = try b.constant([rows, width], in: -3...3), gamma = try b.parameter([width]), beta = try b.parameter([width])
            let norm = try b.graph.append(.layerNorm(epsilon: 1e-5, result: .bfloat16, keepsNormalized: true), [x, gamma, beta])
            var up = LinearForm(bias: true, gelu: true), down = LinearForm(bias: true, residual: true), back = LinearForm(multiplier: true)
            (up.operands, up.result, up.slope) = (.bfloat16, .bfloat16, .bfloat16)
            (down.operands, back.operands, back.result) = (.bfloat16, .bfloat16, .bfloat16)
            let weight = try b.parameter([hidden, width]), downWeight = try b.parameter([width, hidden])
            let made = try b.graph.append(.linear(up), [norm[0], weight, b.parameter([hidden])])
            let y = try b.append(.linear(down), [made[0], downWeight, b.parameter([width]), x])
            let turned = try b.append(.transposePanels(result: .bfloat16), [downWeight])
            let gradient = try b.append(.linear(back), [y, turned, made[1]])
            var plain = LinearForm()
            plain.operands = .bfloat16
            let turnedUp = try b.append(.transposePanels(result: .bfloat16), [weight])
            let dx = try b.append(.linear(plain), [gradient, turnedUp])
            return try [y, dx, b.append(.layerNormGradient(hasAddend: true), [dx, norm[2], norm[1], gamma, x])]
                + b.graph.append(.linearWeightGradient(sections: 1, operands: .bfloat16), [gradient, norm[0]])
        }
    }

    /// Attention and its gradient on what products made, packed and apart, written as float32.
    static let bfloat16Attentions: [OperationCase] = [
        (1, 1, 1, 1, 2, true), (2, 17, 17, 2, 10, true), (1, 33, 33, 3, 15, true), (2, 5, 33, 3, 15, false), (1, 67, 67, 1, 7, true)
    ].map { images, queries, tokens, heads, headWidth, isPacked in
        OperationCase("bf16 attention, \(queries) of \(tokens) tokens, \(heads) heads of \(headWidth)", ulps: 8 * flips) { b in
            let width = heads * headWidth
            var form = LinearForm(bias: true)
            (form.operands, form.result) = (.bfloat16, .bfloat16)
            func project(_ rows: Int, to parts: Int) throws -> ValueID {
                let x = try b.constant([images, rows, 12])
                return try b.append(
                    .linear(form), [x, b.parameter([parts * width, 12], sections: parts), b.parameter([parts * width], sections: parts)])
            }
            let inputs = try isPacked ? [project(tokens, to: 3)] : [project(queries, to: 1), project(tokens, to: 2)]
            let made = try b.graph.append(.attention(heads: heads), inputs)
            let dy = try b.constant([images, queries, width])
            return try made + b.graph.append(.attentionGradient(heads: heads), [dy, made[1]] + inputs)
        }
    }
}
