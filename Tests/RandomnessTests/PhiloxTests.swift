import CurricleRandomness
import Testing

@Suite("Philox4x32-10")
struct PhiloxTests {
    /// Known answers of Random123 (kat_vectors, "philox4x32 10").
    @Test(
        "known answers",
        arguments: [
            (
                counter: SIMD4<UInt32>(repeating: 0), key: SIMD2<UInt32>(repeating: 0),
                SIMD4<UInt32>(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8)
            ),
            (
                SIMD4<UInt32>(repeating: .max), SIMD2<UInt32>(repeating: .max),
                SIMD4<UInt32>(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd)
            ),
            (
                SIMD4<UInt32>(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), SIMD2<UInt32>(0xa409_3822, 0x299f_31d0),
                SIMD4<UInt32>(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1)
            )
        ])
    func knownAnswers(counter: SIMD4<UInt32>, key: SIMD2<UInt32>, expected: SIMD4<UInt32>) {
        #expect(Philox.block(counter: counter, key: key) == expected)
    }

    @Test("the generator counts blocks in the first word, the stream in the others")
    func streams() {
        var random = Philox(seed: 0x299f_31d0_a409_3822, stream: (3, 5, 7))
        for index in 0..<3 as Range<UInt32> {
            let block = Philox.block(counter: [index, 3, 5, 7], key: [0xa409_3822, 0x299f_31d0])
            #expect(random.next() == UInt64(block[0]) | UInt64(block[1]) << 32)
            #expect(random.next() == UInt64(block[2]) | UInt64(block[3]) << 32)
        }
    }

    @Test("uniform numbers lie in [0, 1) with mean ½ and variance 1/12; normal ones have mean 0 and variance 1")
    func moments() {
        var random = Philox(seed: 1)
        let uniform = (0..<20_000).map { _ in random.uniform() }, normal = (0..<20_000).map { _ in random.normal() }
        #expect(uniform.allSatisfy { $0 >= 0 && $0 < 1 })
        // Five deviations of the estimates.
        #expect(abs(mean(uniform) - 0.5) < 5 * (1.0 / 12 / 20_000).squareRoot())
        #expect(abs(variance(uniform) - 1.0 / 12) < 0.003)
        #expect(abs(mean(normal)) < 5 / 20_000.0.squareRoot())
        #expect(abs(variance(normal) - 1) < 0.05)
    }

    private func mean(_ x: [Double]) -> Double { x.reduce(0, +) / Double(x.count) }
    private func variance(_ x: [Double]) -> Double {
        let m = mean(x)
        return x.reduce(0) { $0 + ($1 - m) * ($1 - m) } / Double(x.count)
    }

    @Test("every permutation of four comes up as often as another")
    func permutations() {
        var random = Philox(seed: 2), counts: [[Int]: Int] = [:]
        let draws = 24_000
        for _ in 0..<draws { counts[random.permutation(4), default: 0] += 1 }
        #expect(counts.count == 24)
        #expect(counts.keys.allSatisfy { $0.sorted() == [0, 1, 2, 3] })
        // χ² of 23 degrees of freedom exceeds 60 with probability 4e-5.
        let chiSquare = counts.values.reduce(0.0) { $0 + Double(($1 - draws / 24) * ($1 - draws / 24)) / Double(draws / 24) }
        #expect(chiSquare < 60)
    }

    @Test("integers below a bound reach every value and no other")
    func integers() {
        var random = Philox(seed: 3)
        let drawn = (0..<2000).map { _ in random.integer(below: 7) }
        #expect(Set(drawn) == Set(0..<7))
        #expect(random.integer(below: 1) == 0)
    }
}
