import CurricleRuntime
import CurricleTestSupport
import Testing
@testable import CurricleEngine

@Suite("Products of rows") struct RowProductsTests {
    /// Products of the first rows, as many as there are.
    private func products(_ x: [Float], _ block: [Float], rows: Int, columns: Int, depth: Int, threads: Int, isa: ISA) throws -> [Float] {
        let products = try RowProducts(rows: rows, columns: columns, depth: depth, threads: threads, isa: isa)
        products.hold(block)
        return Array(try products(x).prefix(x.count / depth * columns))
    }

    @Test("they are within the promised roundings of Double loops, on every ISA", arguments: [(1, 1, 1), (5, 17, 3), (37, 100, 300)])
    func products(rows: Int, columns: Int, depth: Int) throws {
        var numbers = TestNumbers(seed: UInt64(depth))
        let x = numbers.next(rows * depth), block = numbers.next(columns * depth)
        for isa in ISA.available {
            let found = try products(x, block, rows: rows, columns: columns, depth: depth, threads: 2, isa: isa)
            for i in 0..<rows {
                for j in 0..<columns {
                    let terms = (0..<depth).map { Double(x[i * depth + $0]) * Double(block[j * depth + $0]) }
                    let allowed = Double(depth + 8) * 0x1p-24 * terms.reduce(0) { $0 + abs($1) }
                    #expect(abs(Double(found[i * columns + j]) - terms.reduce(0, +)) <= allowed)
                }
            }
        }
    }

    @Test("they have the same bits for any number of threads") func threads() throws {
        var numbers = TestNumbers(seed: 2)
        let x = numbers.next(50 * 70), block = numbers.next(33 * 70)
        let one = try products(x, block, rows: 50, columns: 33, depth: 70, threads: 1, isa: .best)
        for threads in [2, 3, 8] { #expect(try products(x, block, rows: 50, columns: 33, depth: 70, threads: threads, isa: .best) == one) }
    }

    @Test("a block and rows may be fewer than there is room for") func fewer() throws {
        let products = try RowProducts(rows: 4, columns: 20, depth: 2, threads: 1, isa: .best)
        products.hold([1, 2, 3, 4])
        #expect(Array(try products([5, 6]).prefix(3)) == [17, 39, 0])
        products.hold([7, 8])
        #expect(Array(try products([1, 1, 2, 0])[20..<22]) == [14, 0])
    }
}
