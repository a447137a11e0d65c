import CurricleGraph

extension OperationCase {
    /// Small nets in which passes meet: what each does must not undo another.
    static let composed: [OperationCase] = [
        OperationCase("layerNorm beside linear of the same x", ulps: 64, gradientULPs: 1024) { b in
            let x = try b.tensor([9, 20]), normal = try b.norm(x), product = try b.linear(x, to: 20)
            return [try b.append(.add, [normal, product])]
        },
        OperationCase("linear beside layerNorm of the same x", ulps: 64, gradientULPs: 1024) { b in
            let x = try b.tensor([9, 20]), product = try b.linear(x, to: 20), normal = try b.norm(x)
            return [try b.append(.add, [product, normal])]
        },
        OperationCase("two layerNorms of the same x", ulps: 64, gradientULPs: 1024) { b in
            let x = try b.tensor([9, 20]), first = try b.norm(x), second = try b.norm(x)
            return [try b.append(.add, [first, second])]
        },
        OperationCase("one parameter in two products", ulps: 64, gradientULPs: 256) { b in
            let w = try b.parameter([22, 10]), bias = try b.parameter([22]), x = try b.tensor([5, 10]), z = try b.tensor([5, 10])
            let first = try b.append(.linear(LinearForm(bias: true)), [x, w, bias])
            let second = try b.append(.linear(LinearForm(bias: true)), [z, w, bias])
            return [try b.append(.multiply, [first, second])]
        },
        OperationCase("x + x", ulps: 2, gradientULPs: 128) { b in
            let x = try b.tensor([5, 17])
            return [try b.append(.add, [x, x])]
        },
        OperationCase("gelu of a product of x∘x", ulps: 64, gradientULPs: 512) { b in
            let x = try b.tensor([5, 17]), square = try b.append(.multiply, [x, x])
            return [try b.append(.gelu, [try b.linear(square, to: 15)])]
        },
        OperationCase("pre-norm block, class row", ulps: 128, gradientULPs: 2048) { b in
            let x = try b.tensor([2, 7, 20]), normal = try b.norm(x), w = try b.parameter([60, 20], sections: 3)
            let qkv = try b.append(.linear(LinearForm(bias: true)), [normal, w, try b.parameter([60], sections: 3)])
            let attended = try b.append(.attention(heads: 2), [qkv]), y = try b.append(.add, [x, try b.linear(attended, to: 20)])
            return [try b.append(.selectRows(RowSelection(first: 0, count: 1)), [y])]
        },
        OperationCase("indexed rows of a product, scored", ulps: 64, gradientULPs: 512) { b in
            let x = try b.tensor([2, 10, 20]), order = try b.order(2, 9),
                removed = RowSelection(first: 4, count: 5, offset: 1, indexed: true)
            let rows = try b.append(.selectRows(removed), [try b.norm(x), order]), prediction = try b.linear(rows, to: 27)
            let error = PatchErrorForm(normalized: true, first: 4, indexed: true)
            return [try b.append(.patchError(error), [prediction, try b.patches([2, 9, 27]), order])]
        }
    ]
}

extension CaseBuilder {
    mutating func linear(_ x: ValueID, to columns: Int) throws -> ValueID {
        let w = try parameter([columns, graph.type(x).width]), bias = try parameter([columns])
        return try append(.linear(LinearForm(bias: true)), [x, w, bias])
    }

    mutating func norm(_ x: ValueID) throws -> ValueID {
        let width = graph.type(x).width, gamma = try parameter([width]), beta = try parameter([width])
        return try append(.layerNorm(epsilon: 1e-6), [x, gamma, beta])
    }
}
