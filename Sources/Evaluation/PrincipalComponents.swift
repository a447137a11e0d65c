import CurricleFeatures

/// Directions of the largest variance of some rows.
///
/// A direction's sign is arbitrary; here its entry of the largest magnitude is positive, so that pictures are the same each time.
package struct PrincipalComponents {
    /// Unit vectors [count][width], the largest variance first.
    let directions: [[Double]]
    /// Share of the whole variance along each.
    package let shares: [Double]
    private let mean: [Double]
    private let algebra: Algebra
    private var width: Int { mean.count }
    private static let block = 1024

    /// - Parameters:
    ///   - rows: [n, width], at least one row.
    ///   - count: directions wanted, at most `width`.
    /// - Throws: `FeaturesError` for rows that are none; `EvaluationError`.
    package init(rows: [Float], width: Int, count: Int) throws {
        guard width > 0, !rows.isEmpty, rows.count % width == 0, count <= width, width < 1 << 15 else {
            throw FeaturesError.sizes(features: rows.count, width: width, labels: count)
        }
        if let bad = rows.firstIndex(where: { !$0.isFinite }) { throw FeaturesError.notFinite(row: bad / width) }
        algebra = try Algebra()
        let n = rows.count / width
        var mean = [Double](repeating: 0, count: width)
        for row in 0..<n { for column in 0..<width { mean[column] += Double(rows[row * width + column]) / Double(n) } }
        var covariance = [Double](repeating: 0, count: width * width)
        for range in blocks(of: n, size: PrincipalComponents.block) {
            let centred = PrincipalComponents.centred(rows, range, mean)
            algebra.addGram(of: centred, count: range.count, width: width, to: &covariance)
        }
        let total = (0..<width).reduce(0) { $0 + covariance[$1 * width + $1] }
        let found = try algebra.largestEigenvectors(covariance, count: count, width: width)
        directions = found.vectors.map { vector in
            let largest = vector.max { abs($0) < abs($1) } ?? 1
            return vector.map { largest < 0 ? -$0 : $0 }
        }
        shares = found.values.map { total > 0 ? max(0, $0) / total : 0 }
        self.mean = mean
    }

    /// Rows along each direction: [count][n].
    package func projected(_ rows: [Float]) -> [[Double]] {
        var out = [[Double]](repeating: [], count: directions.count)
        for range in blocks(of: rows.count / width, size: PrincipalComponents.block) {
            let centred = PrincipalComponents.centred(rows, range, mean)
            let products = algebra.dotProducts(
                directions.flatMap { $0 }, centred, rows: directions.count, columns: range.count, depth: width)
            for i in directions.indices { out[i] += products[(i * range.count)..<((i + 1) * range.count)] }
        }
        return out
    }

    private static func centred(_ rows: [Float], _ range: Range<Int>, _ mean: [Double]) -> [Double] {
        let width = mean.count
        return ((range.lowerBound * width)..<(range.upperBound * width)).map { Double(rows[$0]) - mean[$0 % width] }
    }
}
