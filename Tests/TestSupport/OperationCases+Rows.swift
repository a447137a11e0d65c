import Graph

extension OperationCase {
    private static let selections: [(RowSelection, rows: Int)] = [
        (RowSelection(first: 0, count: 1), 9), (RowSelection(first: 3, count: 5, offset: 1), 9), (RowSelection(first: 1, count: 4, lead: true), 17),
        (RowSelection(first: 2, count: 7, indexed: true), 16), (RowSelection(first: 0, count: 5, offset: 1, indexed: true, lead: true), 17),
        (RowSelection(first: 5, count: 11, offset: 1, indexed: true), 17),
    ]

    static let rows: [OperationCase] =
        selections.flatMap { selection, rows in
            [
                OperationCase(Operation.selectRows(selection).text, ulps: 0, gradientULPs: 128) { b in
                    let x = try b.tensor([3, rows, 19])
                    return [try b.append(.selectRows(selection), [x] + (selection.indexed ? [b.order(3, 16)] : []))]
                },
                OperationCase(Operation.placeRows(selection, rows: rows).text, ulps: 0, gradientULPs: 128) { b in
                    let x = try b.tensor([3, selection.total, 19])
                    return [try b.append(.placeRows(selection, rows: rows), [x] + (selection.indexed ? [b.order(3, 16)] : []))]
                },
            ]
        }
        + [1, 15, 16, 17, 37].flatMap { width in
            [
                OperationCase("prependRow \(width)", ulps: 0, gradientULPs: 128) { b in
                    [try b.append(.prependRow, [b.tensor([3, 5, width]), b.parameter([width])])]
                },
                OperationCase("restoreTokens \(width)", ulps: 1, gradientULPs: 128) { b in
                    [try b.append(.restoreTokens, [b.tensor([2, 5, width]), b.parameter([width]), b.order(2, 11), b.constant([12, width])])]
                },
                // In panels, so seen as a bias.
                OperationCase("columnSum 53×\(width)", ulps: 16) { b in
                    let sum = try b.append(.columnSum, [b.tensor([53, width])])
                    return [try b.append(.linear(LinearForm(bias: true)), [b.tensor([2, 3]), b.parameter([width, 3]), sum])]
                },
                OperationCase("meanRows 2..<6 of \(width)", ulps: 4) { [try $0.append(.meanRows(first: 2, count: 4), [$0.tensor([3, 7, width])])] },
            ]
        }
        + [(6, 3), (7, 3), (14, 3), (16, 1), (5, 4)].map { patch, channels in
            OperationCase("patchify \(patch)×\(patch)×\(channels)", ulps: 2) { b in
                [try b.append(.patchify(patch: patch), b.pixels([2, 2 * patch, 3 * patch, channels]))]
            }
        }
        + [2, 15, 16, 17, 196].map { patches in
            OperationCase("orderDescending \(patches)", ulps: 0, carriesNaN: false) { b in
                // Read through an identity: row order[j] of a table of numbers is j's patch.
                let order = try b.append(.orderDescending, [b.constant([3, patches], in: 0...1)])
                let table = try b.constant([3, patches, 2])
                return [try b.append(.selectRows(RowSelection(first: 0, count: patches, indexed: true)), [table, order]), order]
            }
        }

    static let losses: [OperationCase] =
        [6, 7, 14].flatMap { patch in
            [false, true].flatMap { normalized in
                [false, true].map { indexed in
                    let width = patch * patch * 3, form = PatchErrorForm(normalized: normalized, first: 2, indexed: indexed)
                    return OperationCase("\(Operation.patchError(form).text) \(patch)×\(patch)", ulps: 16, gradientULPs: 256) { b in
                        let prediction = try b.tensor([2, 5, width]), patches = try b.patches([2, 9, width])
                        return [try b.append(.patchError(form), [prediction, patches] + (indexed ? [b.order(2, 9)] : []))]
                    }
                }
            }
        }
        + [1, 15, 16, 17, 1009].map { count in
            OperationCase("mean \(count)", ulps: 16, gradientULPs: 128) { [try $0.append(.mean, [$0.tensor([1, count], in: 0...1)])] }
        }
        + [(1, 9), (2, 15), (3, 16), (4, 17), (5, 49)].map { images, patches in
            OperationCase("maskerLoss \(images) images of \(patches)", ulps: 64, gradientULPs: 1024) { b in
                let scores = try b.append(.sigmoid, [b.tensor([images, 1, patches])])
                let prediction = try b.tensor([images, patches, 12])
                let error = try b.append(.patchError(PatchErrorForm(normalized: false)), [prediction, b.patches([images, patches, 12])])
                let terms = try b.append(.maskerTerms, [error, scores])
                let losses = try b.append(.maskerLoss(MaskerWeights(gauss: 0.7, kl: 0.3, diversity: 1.5)), [terms, error, scores, b.curriculum(-0.4)])
                return [losses, terms]
            }
        }

    /// Small nets in which passes meet: what each does must not undo another.
    static let composed: [OperationCase] = [
        OperationCase("layerNorm beside linear of the same x", ulps: 64, gradientULPs: 1024) { b in
            let x = try b.tensor([9, 20]), normal = try b.append(.layerNorm(epsilon: 1e-6), [x, b.parameter([20]), b.parameter([20])])
            let product = try b.append(.linear(LinearForm(bias: true)), [x, b.parameter([20, 20]), b.parameter([20])])
            return [try b.append(.add, [normal, product])]
        },
        OperationCase("linear beside layerNorm of the same x", ulps: 64, gradientULPs: 1024) { b in
            let x = try b.tensor([9, 20]), product = try b.append(.linear(LinearForm(bias: true)), [x, b.parameter([20, 20]), b.parameter([20])])
            let normal = try b.append(.layerNorm(epsilon: 1e-6), [x, b.parameter([20]), b.parameter([20])])
            return [try b.append(.add, [product, normal])]
        },
        OperationCase("two layerNorms of the same x", ulps: 64, gradientULPs: 1024) { b in
            let x = try b.tensor([9, 20])
            let first = try b.append(.layerNorm(epsilon: 1e-6), [x, b.parameter([20]), b.parameter([20])])
            let second = try b.append(.layerNorm(epsilon: 1e-5), [x, b.parameter([20]), b.parameter([20])])
            return [try b.append(.add, [first, second])]
        },
        OperationCase("one parameter in two products", ulps: 64, gradientULPs: 256) { b in
            let w = try b.parameter([22, 10]), bias = try b.parameter([22])
            let first = try b.append(.linear(LinearForm(bias: true)), [b.tensor([5, 10]), w, bias])
            let second = try b.append(.linear(LinearForm(bias: true)), [b.tensor([5, 10]), w, bias])
            return [try b.append(.multiply, [first, second])]
        },
        OperationCase("x + x", ulps: 2, gradientULPs: 128) { b in
            let x = try b.tensor([5, 17])
            return [try b.append(.add, [x, x])]
        },
        OperationCase("x∘x, then gelu∘linear", ulps: 64, gradientULPs: 512) { b in
            let x = try b.tensor([5, 17]), square = try b.append(.multiply, [x, x])
            let y = try b.append(.linear(LinearForm(bias: true)), [square, b.parameter([15, 17]), b.parameter([15])])
            return [try b.append(.gelu, [y])]
        },
        OperationCase("pre-norm block, class row", ulps: 128, gradientULPs: 2048) { b in
            let x = try b.tensor([2, 7, 20]), normal = try b.append(.layerNorm(epsilon: 1e-6), [x, b.parameter([20]), b.parameter([20])])
            let qkv = try b.append(.linear(LinearForm(bias: true)), [normal, b.parameter([60, 20], sections: 3), b.parameter([60], sections: 3)])
            let attended = try b.append(.attention(heads: 2), [qkv])
            let y = try b.append(.add, [x, b.append(.linear(LinearForm(bias: true)), [attended, b.parameter([20, 20]), b.parameter([20])])])
            return [try b.append(.selectRows(RowSelection(first: 0, count: 1)), [y])]
        },
    ]
}
