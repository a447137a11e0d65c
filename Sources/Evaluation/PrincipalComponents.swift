import CSupport
import Features

/// Directions of the largest variance of some rows.
///
/// A direction's sign is arbitrary; here its entry of the largest magnitude is positive, so that pictures are the same each time.
package struct PrincipalComponents {
    /// Unit vectors [count][width], the largest variance first.
    let directions: [[Double]]
    /// Share of the whole variance along each.
    package let shares: [Double]
    private let mean: [Double]
    private var width: Int { mean.count }
    private static let block = 1024

    /// - Parameters:
    ///   - rows: [n, width], at least one row.
    ///   - count: directions wanted, at most `width`.
    /// - Throws: `EvaluationError`.
    package init(rows: [Float], width: Int, count: Int) throws(EvaluationError) {
        guard width > 0, !rows.isEmpty, rows.count % width == 0, count <= width, width < 1 << 15 else { throw .sizes(features: rows.count, width: width, labels: count) }
        if let bad = rows.firstIndex(where: { !$0.isFinite }) { throw .notFinite(row: bad / width) }
        let n = rows.count / width
        var mean = [Double](repeating: 0, count: width)
        for row in 0..<n { for column in 0..<width { mean[column] += Double(rows[row * width + column]) / Double(n) } }
        var covariance = [Double](repeating: 0, count: width * width)
        for range in blocks(of: n, size: PrincipalComponents.block) {
            let centred = PrincipalComponents.centred(rows, range, mean)
            curricle_blas_add_gram(Int32(range.count), Int32(width), centred, &covariance)
        }
        let total = (0..<width).reduce(0) { $0 + covariance[$1 * width + $1] }
        var values = [Double](repeating: 0, count: width), vectors = [Double](repeating: 0, count: count * width)
        var workspace = [Double](repeating: 0, count: 8 * width), integers = [Int32](repeating: 0, count: 6 * width)
        let status = curricle_blas_largest_eigenvectors(Int32(width), Int32(count), &covariance, &values, &vectors, &workspace, &integers)
        guard status == 0 else { throw .unsolvable }
        // They come from the smallest on.
        directions = (0..<count).reversed().map { i in
            let vector = vectors[(i * width)..<((i + 1) * width)]
            let largest = vector.max { abs($0) < abs($1) } ?? 1
            return vector.map { largest < 0 ? -$0 : $0 }
        }
        shares = (0..<count).reversed().map { total > 0 ? max(0, values[$0]) / total : 0 }
        self.mean = mean
    }

    /// Rows along each direction: [count][n].
    package func projected(_ rows: [Float]) -> [[Double]] {
        var out = [[Double]](repeating: [], count: directions.count)
        for range in blocks(of: rows.count / width, size: PrincipalComponents.block) {
            let centred = PrincipalComponents.centred(rows, range, mean)
            var products = [Double](repeating: 0, count: directions.count * range.count)
            curricle_blas_dot_products(Int32(directions.count), Int32(range.count), Int32(width), directions.flatMap { $0 }, centred, &products)
            for i in directions.indices { out[i] += products[(i * range.count)..<((i + 1) * range.count)] }
        }
        return out
    }

    private static func centred(_ rows: [Float], _ range: Range<Int>, _ mean: [Double]) -> [Double] {
        let width = mean.count
        return ((range.lowerBound * width)..<(range.upperBound * width)).map { Double(rows[$0]) - mean[$0 % width] }
    }
}
