import CurricleModels
import CurricleRuntime
import CurricleTestSupport
import Testing
@testable import CurricleCompiler
@testable import CurricleEngine
@testable import CurricleFeatures
@testable import CurricleGraph
@testable import CurricleProgram
@testable import CurricleWeights

/// Encoders whose products are of bytes.
@Suite struct Int8Tests {
    @Test("the same bits with every number of threads, on every ISA with FMA, and with and without an instruction for products of bytes")
    func sameBits() throws {
        let all = try differentBits { threads, isa in
            try smallRuntime(.int8, threads: threads, isa: isa).features(images: 5).map(\.bitPattern)
        }
        #expect(all.count == 1)
    }

    @Test("features stay near float32's", arguments: ISA.available)
    func near(isa: ISA) throws {
        let exact = try smallRuntime(.float32, isa: isa).features(images: 40)
        let bytes = try smallRuntime(.int8, isa: isa).features(images: 40)
        let likeness = try FeatureLikeness(bytes, to: exact, width: smallEncoder.embedWidth)
        #expect(likeness.worstCosine > 0.995 && likeness.meanCosine > 0.999 && likeness.relativeError < 0.05)
        #expect(likeness.meanCosine < 1, "nothing was quantised")
    }

    @Test("the blocks' products are of bytes, and the patch embedding's is not")
    func kernels() throws {
        let kernels = try smallRuntime(.int8).features(images: 2).program.instructions.compactMap(\.kernel)
        #expect(kernels.count { $0 == .linear_int8 } == 4 * smallEncoder.depth && kernels.count { $0 == .linear } == 1)
        #expect(!(try smallRuntime(.float32).features(images: 2).program.instructions).contains { $0.kernel == .quantize_rows })
    }

    @Test("likeness is that of plain loops")
    func likeness() throws {
        let a: [Float] = [1, 0, 0, 2, 3, 4], b: [Float] = [1, 1, 0, 1, 4, 3]
        let likeness = try FeatureLikeness(a, to: b, width: 2)
        #expect(abs(likeness.worstCosine - 0.5.squareRoot()) < 1e-7 && likeness.worst == 0)
        #expect(abs(likeness.meanCosine - (0.5.squareRoot() + 1 + 24.0 / 25) / 3) < 1e-7)
        #expect(abs(likeness.relativeError - (4.0 / 28).squareRoot()) < 1e-7)
        // a's nearest: 0→2, 1→2, 2→1; b's: 0→2, 1→0, 2→0.
        #expect(likeness.sameNeighbour.map { abs($0 - 1.0 / 3) < 1e-7 } == true)
    }
}
