import Graph

extension OperationCase {
    /// Every operation with a kernel, at sizes that end inside vectors, tiles, panels, blocks and chunks.
    public static let all: [OperationCase] = dense + attention + elementwise + rows + losses + composed

    static let dense: [OperationCase] =
        [(1, 1, 1), (15, 16, 17), (3, 1, 37), (50, 40, 36), (97, 33, 7), (13, 48, 300), (5, 22, 521)].map { rows, columns, depth in
            OperationCase("linear \(rows)×\(columns)×\(depth)", ulps: 8 + Double(depth) / 8, gradientULPs: 256) { b in
                let x = try b.tensor([rows, depth]), w = try b.parameter([columns, depth]), bias = try b.parameter([columns])
                return [try b.append(.linear(LinearForm(bias: true)), [x, w, bias])]
            }
        }
        + [(2, 10, 30, 20), (3, 17, 66, 22), (1, 4, 45, 19)].map { images, rows, columns, depth in
            OperationCase("linear, 3 sections of \(columns / 3)", ulps: 16, gradientULPs: 256) { b in
                let x = try b.tensor([images, rows, depth]), w = try b.parameter([columns, depth], sections: 3)
                return [try b.append(.linear(LinearForm(bias: true)), [x, w, b.parameter([columns], sections: 3)])]
            }
        }
        + [(19, 21, 40), (7, 48, 260), (30, 15, 600)].flatMap { rows, columns, depth in
            [LinearForm(bias: true, residual: true), LinearForm(multiplier: true), LinearForm(bias: true, gelu: true),
             LinearForm(bias: true, residual: true, multiplier: true, gelu: true)].map { form in
                OperationCase("\(Operation.linear(form).text) \(rows)×\(columns)×\(depth)", ulps: 16 + Double(depth) / 4) { b in
                    var operands = [try b.tensor([rows, depth]), try b.parameter([columns, depth])]
                    if form.bias { operands.append(try b.parameter([columns])) }
                    if form.residual { operands.append(try b.tensor([rows, columns])) }
                    if form.multiplier { operands.append(try b.tensor([rows, columns])) }
                    return try b.graph.append(.linear(form), operands)
                }
            }
        }
        + [
            OperationCase("linear, repeating residual", ulps: 16) { b in
                let x = try b.tensor([4, 6, 11]), w = try b.parameter([18, 11]), position = try b.constant([6, 18])
                return [try b.append(.linear(LinearForm(residual: true)), [x, w, position])]
            }
        ]
        + [(1, 1), (15, 16), (17, 15), (40, 33), (97, 160)].map { rows, width in
            OperationCase("layerNorm \(rows)×\(width)", ulps: 24, gradientULPs: width > 1 ? 1024 : nil, carriesNaN: width > 1) { b in
                let x = try b.tensor([rows, width], in: -3...3)
                return try b.graph.append(.layerNorm(epsilon: 1e-5), [x, b.parameter([width]), b.parameter([width])])
            }
        }

    static let attention: [OperationCase] =
        [(1, 1, 1, 1), (2, 15, 2, 10), (1, 16, 3, 15), (2, 17, 1, 22), (1, 33, 2, 16), (1, 67, 1, 7), (3, 5, 5, 3)].map { images, tokens, heads, width in
            OperationCase("attention \(tokens) tokens, \(heads) heads of \(width)", ulps: 32, gradientULPs: 512) { b in
                try b.graph.append(.attention(heads: heads), [b.tensor([images, tokens, 3 * heads * width])])
            }
        }
        + [(2, 1, 17, 2, 10), (1, 5, 33, 3, 15), (3, 37, 4, 1, 22)].map { images, queries, tokens, heads, width in
            OperationCase("attention \(queries) queries of \(tokens), \(heads) heads of \(width)", ulps: 32, gradientULPs: 512) { b in
                let query = try b.tensor([images, queries, heads * width]), keyValue = try b.tensor([images, tokens, 2 * heads * width])
                return try b.graph.append(.attention(heads: heads), [query, keyValue])
            }
        }

    static let elementwise: [OperationCase] =
        [1, 15, 16, 17, 331].flatMap { count in
            [
                OperationCase("gelu \(count)", ulps: 4, gradientULPs: 128) { try $0.graph.append(.gelu, [$0.tensor([1, count], in: -3...3)]) },
                OperationCase("sigmoid \(count)", ulps: 4, gradientULPs: 128) { [try $0.append(.sigmoid, [$0.tensor([1, count], in: -6...6)])] },
                OperationCase("multiply \(count)", ulps: 1, gradientULPs: 128) {
                    [try $0.append(.multiply, [$0.tensor([1, count]), $0.tensor([1, count])])]
                },
                OperationCase("add \(count)", ulps: 1, gradientULPs: 128) { [try $0.append(.add, [$0.tensor([3, count]), $0.tensor([3, count])])] },
                OperationCase("sigmoidGradient \(count)", ulps: 4) {
                    [try $0.append(.sigmoidGradient, [$0.tensor([1, count]), $0.tensor([1, count], in: 0...1)])]
                },
                OperationCase("scaleRows 7×\(count)", ulps: 1, gradientULPs: 256) { b in
                    [try b.append(.scaleRows, [b.tensor([1, 7, count]), b.tensor([1, 7])])]
                },
                OperationCase("rowDot 19×\(count)", ulps: 8 + Double(count) / 8) { b in [try b.append(.rowDot, [b.tensor([19, count]), b.tensor([19, count])])] },
            ]
        }
        + [
            OperationCase("add, b repeats", ulps: 1) { b in [try b.append(.add, [b.tensor([5, 7, 19]), b.constant([7, 19])])] },
            OperationCase("transposePanels", ulps: 1) { b in
                // Seen through a product: transposed panels are not row-major.
                let turned = try b.append(.transposePanels, [b.parameter([33, 22], sections: 3)])
                return [try b.append(.linear(LinearForm()), [b.tensor([5, 33]), turned])]
            },
        ]
}
