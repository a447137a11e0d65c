import CurricleModels
import CurricleRuntime
import CurricleTestSupport
import Testing
@testable import CurricleCompiler
@testable import CurricleEngine
@testable import CurricleGraph
@testable import CurricleProgram

/// Rows of a single image that go through an MLP by blocks.
@Suite struct RowChainTests {
    private static let small = ModelConfiguration(
        imageHeight: 30, imageWidth: 42, patchSize: 6, channels: 3, embedWidth: 36, depth: 2, heads: 3, maskerHeads: 4)

    private func runtime(_ precision: Precision, _ threads: Int, _ isa: ISA) throws -> ModelRuntime {
        try .drawn(Self.small, precision, threads: threads, isa)
    }

    @Test(
        "one image by blocks has the bits of the same image among others, whose rows go through whole",
        arguments: [Precision.float32, .int8])
    func bits(precision: Precision) throws {
        for isa in ISA.available {
            for threads in [1, 2, 3] {
                let model = try runtime(precision, threads, isa)
                let each = Self.small.patches * Self.small.patchWidth
                var given = GivenTensors(), one = GivenTensors()
                given.drawPatches(2 * each, seed: 5)
                one.drawPatches(each, seed: 5)  // the first of the two
                let both = try model.features(images: 2, [.tokens])
                #expect(try given.run(both, in: model.session) == .done)
                let expected = try model.result("tokens", of: both)
                let alone = try model.features(images: 1, [.tokens])
                #expect(alone.program.instructions.count > both.program.instructions.count, "nothing goes by blocks")
                #expect(try one.run(alone, in: model.session) == .done)
                let first = try model.result("tokens", of: alone)
                #expect(first.map(\.bitPattern) == expected.prefix(first.count).map(\.bitPattern), "\(isa), \(threads) threads")
            }
        }
    }

    @Test("tiny-p16 takes less than a million bytes for an image, and plans hold", arguments: [Precision.float32, .int8])
    func arena(precision: Precision) throws {
        let tiny = try #require(ModelConfiguration.preset("tiny-p16"))
        let model = try ModelRuntime(tiny, parts: .encoder, precision: precision, trains: false, threads: 1, isa: .best)
        let executable = try model.features(images: 1, [.mean], fromPixels: true), program = executable.program
        #expect(PlanChecker.problems(program).isEmpty)
        #expect(program.arenaBytes + (try executable.workspaceBytes(threads: 1, isa: .best)) <= 1_000_000)
        let large = try ModelRuntime(
            try #require(ModelConfiguration.preset("base-p16")), parts: .encoder, precision: precision, trains: false, threads: 1,
            isa: .best)
        // Weights that no second cache holds are read once.
        #expect(
            try large.features(images: 1, [.mean]).program.instructions.count { $0.kernel == .linear || $0.kernel == .linear_int8 } == 49)
    }
}
