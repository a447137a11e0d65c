import CurricleGraph

extension OperationCase {
    /// Selections of rows by position or by an order of 16 patches, and how many rows they choose from.
    static let rowSelections: [OperationCase] = [
        (RowSelection(first: 0, count: 1), 9), (RowSelection(first: 3, count: 5, offset: 1), 9),
        (RowSelection(first: 1, count: 4, lead: true), 17),
        (RowSelection(first: 2, count: 7, indexed: true), 16), (RowSelection(first: 0, count: 5, offset: 1, indexed: true, lead: true), 17),
        (RowSelection(first: 5, count: 11, offset: 1, indexed: true), 17)
    ].flatMap { selection, rows in [select(selection, of: rows), place(selection, in: rows)] }

    static func select(_ selection: RowSelection, of rows: Int) -> OperationCase {
        OperationCase(Operation.selectRows(selection).text, ulps: 0, gradientULPs: 128) { b in
            let x = try b.tensor([3, rows, 19]), order = selection.indexed ? [try b.order(3, 16)] : []
            return [try b.append(.selectRows(selection), [x] + order)]
        }
    }
    static func place(_ selection: RowSelection, in rows: Int) -> OperationCase {
        OperationCase(Operation.placeRows(selection, rows: rows).text, ulps: 0, gradientULPs: 128) { b in
            let x = try b.tensor([3, selection.total, 19]), order = selection.indexed ? [try b.order(3, 16)] : []
            return [try b.append(.placeRows(selection, rows: rows), [x] + order)]
        }
    }

    static let keptRows: [OperationCase] = [(1, 9), (5, 16), (49, 49), (20, 37)].map { count, rows in
        OperationCase("keepRows \(count) of \(rows)", ulps: 0, carriesNaN: false) { b in
            [try b.append(.keepRows(count: count), [try b.tensor([3, rows, 19]), try b.tensor([3, rows])])]
        }
    }
    static let variances: [OperationCase] = [1, 15, 16, 17, 108].map { width in
        OperationCase("rowVariance \(width)", ulps: 32) { b in [try b.append(.rowVariance, [try b.tensor([2, 5, width])])] }
    }

    static let tokenRows: [OperationCase] = [1, 15, 16, 17, 37].flatMap { width in
        [prependRow(width), restoreTokens(width), columnSum(width), columnSum(width, rows: 4), meanRows(width), meanRowsGradient(width)]
    }

    static func prependRow(_ width: Int) -> OperationCase {
        OperationCase("prependRow \(width)", ulps: 0, gradientULPs: 128) { b in
            let x = try b.tensor([3, 5, width]), token = try b.parameter([width])
            return [try b.append(.prependRow, [x, token])]
        }
    }
    static func restoreTokens(_ width: Int) -> OperationCase {
        OperationCase("restoreTokens \(width)", ulps: 1, gradientULPs: 128) { b in
            let kept = try b.tensor([2, 5, width]), token = try b.parameter([width]), position = try b.constant([12, width])
            return [try b.append(.restoreTokens, [kept, token, try b.order(2, 11), position])]
        }
    }
    /// Its sums lie in panels, so they are seen as a bias.
    static func columnSum(_ width: Int, rows: Int = 1) -> OperationCase {
        OperationCase("columnSum 53×\(rows)×\(width)", ulps: 16) { b in
            let sum = try b.append(.columnSum(rows: rows), [try b.tensor([53, rows, width])])
            let x = try b.tensor([2, 3]), w = try b.parameter([rows * width, 3])
            return [try b.append(.linear(LinearForm(bias: true)), [x, w, sum])]
        }
    }
    static func meanRows(_ width: Int) -> OperationCase {
        OperationCase("meanRows 2..<6 of \(width)", ulps: 4, gradientULPs: 128) { b in
            [try b.append(.meanRows(first: 2, count: 4), [try b.tensor([3, 7, width])])]
        }
    }

    static func meanRowsGradient(_ width: Int) -> OperationCase {
        OperationCase("meanRowsGradient 2..<6 of \(width)", ulps: 1) { b in
            [try b.append(.meanRowsGradient(first: 2, count: 4, rows: 7), [try b.tensor([3, width])])]
        }
    }

    static let patchifies: [OperationCase] = [(6, 3), (7, 3), (14, 3), (16, 1), (5, 4)].map { patch, channels in
        OperationCase("patchify \(patch)×\(patch)×\(channels)", ulps: 2) { b in
            [try b.append(.patchify(patch: patch), try b.pixels([2, 2 * patch, 3 * patch, channels]))]
        }
    }

    /// Read through a table as well: row j is that of patch order[j].
    static let orders: [OperationCase] = [2, 15, 16, 17, 196].map { patches in
        OperationCase("orderDescending \(patches)", ulps: 0, carriesNaN: false) { b in
            let order = try b.append(.orderDescending, [try b.constant([3, patches], in: 0...1)])
            let table = try b.constant([3, patches, 2]), all = RowSelection(first: 0, count: patches, indexed: true)
            return [try b.append(.selectRows(all), [table, order]), order]
        }
    }

    /// No patch, some and all that are removed by score, and a share that falls between two numbers of patches.
    static let hardestOrders: [OperationCase] = [(2, 1, 0), (16, 12, 0.3), (17, 12, 1), (49, 37, 0.5), (196, 147, 0.25)].map {
        (patches: Int, removed: Int, share: Double) in
        OperationCase("orderHardest \(share) of \(removed) of \(patches)", ulps: 0, carriesNaN: false) { b in
            let scores = try b.constant([3, 1, patches], in: -4...4), noise = try b.constant([3, 1, patches], in: 0...1)
            return [try b.append(.orderHardest(removed: removed), [scores, noise, try b.constant([1], in: share...share)])]
        }
    }
}
