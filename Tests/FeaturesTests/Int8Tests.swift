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
    private static let small = ModelConfiguration(
        imageHeight: 30, imageWidth: 24, patchSize: 6, channels: 3, embedWidth: 36, depth: 3, heads: 3, maskerHeads: 4)

    /// Weights that are nearly a trained net's: wider than the initial ones, and no zeros among the biases.
    private func runtime(_ precision: Precision, threads: Int = 1, isa: ISA = .best) throws -> ModelRuntime {
        try .drawn(Self.small, precision, threads: threads, isa)
    }

    private func features(_ model: ModelRuntime, images: Int) throws -> [Float] {
        var given = GivenTensors()
        given.drawPatches(images * Self.small.patches * Self.small.patchWidth, seed: 5)
        let executable = try model.features(images: images, [.cls, .mean])
        #expect(try given.run(executable, in: model.session) == .done)
        return try model.result("cls", of: executable) + model.result("mean", of: executable)
    }

    @Test("the same bits with every number of threads, on every ISA with FMA, and with and without an instruction for products of bytes")
    func sameBits() throws {
        var all: [[UInt32]] = []
        for isa in ISA.available where isa != .baseline {
            for threads in [1, 2, 3, 5, 8] {
                for allowed in [true, false] {
                    Machine.allowDot(allowed)
                    defer { Machine.allowDot(true) }
                    all.append(try features(runtime(.int8, threads: threads, isa: isa), images: 5).map(\.bitPattern))
                }
            }
        }
        #expect(Set(all).count == 1)
    }

    @Test("features stay near float32's", arguments: ISA.available)
    func near(isa: ISA) throws {
        let exact = try features(runtime(.float32, isa: isa), images: 40), bytes = try features(runtime(.int8, isa: isa), images: 40)
        let likeness = try FeatureLikeness(bytes, to: exact, width: Self.small.embedWidth)
        #expect(likeness.worstCosine > 0.995 && likeness.meanCosine > 0.999 && likeness.relativeError < 0.05)
        #expect(likeness.meanCosine < 1, "nothing was quantised")
    }

    @Test("the blocks' products are of bytes, and the patch embedding's is not")
    func kernels() throws {
        let kernels = try runtime(.int8).features(images: 2).program.instructions.compactMap(\.kernel)
        #expect(kernels.count { $0 == .linear_int8 } == 4 * Self.small.depth && kernels.count { $0 == .linear } == 1)
        #expect(!(try runtime(.float32).features(images: 2).program.instructions).contains { $0.kernel == .quantize_rows })
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
