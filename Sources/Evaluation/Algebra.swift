import CurricleCAlgebra
import Dispatch

/// Dense linear algebra in Double by OpenBLAS, on one thread; matrices are row-major and packed. Having one means that the library is open.
package struct Algebra: Sendable {
    private static let problem = curricle_algebra_open().map { String(cString: $0) }

    /// - Throws: `EvaluationError.noAlgebra` where OpenBLAS cannot be opened.
    package init() throws(EvaluationError) {
        if let problem = Algebra.problem { throw .noAlgebra(problem) }
    }

    /// All dot products [rows, columns] of rows of a [rows, depth] with rows of b [columns, depth].
    func dotProducts(_ a: [Double], _ b: [Double], rows: Int, columns: Int, depth: Int) -> [Double] {
        var products = [Double](repeating: 0, count: rows * columns)
        curricle_algebra_dot_products(Int32(rows), Int32(columns), Int32(depth), a, b, &products)
        return products
    }

    /// gram [width, width] += rowsᵀ · rows, with rows [count, width]. Only entries (i, j) with j >= i are touched.
    func addGram(of rows: [Double], count: Int, width: Int, to gram: inout [Double]) {
        curricle_algebra_add_gram(Int32(count), Int32(width), rows, &gram)
    }

    /// Solves gram · x = b for each of `count` rows b of `rightSides` [count, width], which becomes its x.
    /// - Parameter gram: [width, width], symmetric and positive definite; entries (i, j) with j >= i are read.
    /// - Throws: `EvaluationError.unsolvable` where it is not positive definite.
    func solve(_ gram: [Double], _ rightSides: [Double], count: Int, width: Int) throws(EvaluationError) -> [Double] {
        var gram = gram, solutions = rightSides
        guard curricle_algebra_solve_positive_definite(Int32(width), Int32(count), &gram, &solutions) == 0 else { throw .unsolvable }
        return solutions
    }

    /// The `count` largest eigenvalues of a symmetric matrix [width, width], of which entries (i, j) with j >= i are read, and their unit
    /// vectors [count, width], the largest first.
    /// - Throws: `EvaluationError.unsolvable` where the search fails.
    func largestEigenvectors(_ matrix: [Double], count: Int, width: Int) throws(EvaluationError) -> (values: [Double], vectors: [[Double]])
    {
        var matrix = matrix
        var values = [Double](repeating: 0, count: width), vectors = [Double](repeating: 0, count: count * width)
        var workspace = [Double](repeating: 0, count: 8 * width), integers = [Int32](repeating: 0, count: 6 * width)
        let status = curricle_algebra_largest_eigenvectors(Int32(width), Int32(count), &matrix, &values, &vectors, &workspace, &integers)
        guard status == 0 else { throw .unsolvable }
        // They come from the smallest on.
        let order = (0..<count).reversed()
        return (order.map { values[$0] }, order.map { Array(vectors[($0 * width)..<(($0 + 1) * width)]) })
    }

    /// y [rows, columns] = x [rows, depth] · weightᵀ or, where `isWeightGradient`, weight [columns, depth] = yᵀ · x, in Float: equal parts
    /// of the output, a thread each. What `bench kernels` compares with.
    package func product(
        rows: Int, columns: Int, depth: Int, y: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, weight: UnsafeMutablePointer<Float>,
        isWeightGradient: Bool,
        threads: Int
    ) {
        // Each part writes its own part of the output.
        nonisolated(unsafe) let (y, x, weight) = (y, x, weight)
        DispatchQueue.concurrentPerform(iterations: threads) { part in
            curricle_algebra_product_part(
                Int32(rows), Int32(columns), Int32(depth), y, x, weight, isWeightGradient ? 1 : 0, Int32(part), Int32(threads))
        }
    }
}
