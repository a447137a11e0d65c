import CurricleModels
import CurricleRuntime
import CurricleTestSupport
import Testing
@testable import CurricleCompiler
@testable import CurricleEngine
@testable import CurricleFeatures
@testable import CurricleGraph
@testable import CurricleProgram
@testable import CurricleTensors

/// Encoders and trainings whose products are of bf16.
@Suite struct Bfloat16Tests {
    /// Everything that three iterations of both steps leave: losses, parameters and moments.
    private func trained(_ moments: ElementType = .bfloat16, threads: Int, isa: ISA) throws -> [UInt32] {
        let sizes = ModelConfiguration(
            imageHeight: 42, imageWidth: 42, patchSize: 6, channels: 3, embedWidth: 40, depth: 2, heads: 5, decoderWidth: 36,
            decoderDepth: 2, decoderHeads: 3, maskerDepth: 2, maskerHeads: 4)
        let model = try ModelRuntime(sizes, precision: .bfloat16, moments: moments, trains: true, threads: threads, isa: isa), images = 3
        var given = GivenTensors(drawing: model.parameters.parameters, seed: 21)
        given.drawPatches(images * 49 * 108, seed: 22)
        for (parameter, values) in zip(model.parameters.all, given.parameters.map(\.values)) {
            model.set(parameter, in: model.session.parameters, parameter.toReference(values))
        }
        let options = StepOptions(normalizedTargets: true), update = Update.immediate(AdamW())
        let programs = [
            try model.autoencoderStep(images: images, options, update: update),
            try model.maskerStep(images: images, options, update: update)
        ]
        var bits: [UInt32] = []
        for update in 1...3 {
            for program in programs {
                #expect(
                    try given.run(
                        program, in: model.session, more: [.curriculum: [0.3], .step: [1e-3, 1e-2, 4.5, 1], .updateNumber: [Float(update)]])
                        == .done)
                bits += try model.result("losses", of: program).map(\.bitPattern)
            }
        }
        let memories = [model.session.parameters, try #require(model.session.firstMoments), try #require(model.session.secondMoments)]
        return bits + memories.flatMap { $0.floats.map(\.bitPattern) }
    }

    @Test(
        "a training's bits are the same with every number of threads, on every ISA with FMA, and with and without an instruction for bf16; its moments are bf16 too"
    )
    func trainingBits() throws {
        let all = try differentBits { threads, isa in try trained(threads: threads, isa: isa) }
        #expect(all.count == 1)
        #expect(try trained(.float32, threads: 2, isa: .best) != all.first!, "moments are kept as before")
    }

    @Test("so are features'")
    func sameBits() throws {
        let all = try differentBits { threads, isa in
            try smallRuntime(.bfloat16, threads: threads, isa: isa).features(images: 5).map(\.bitPattern)
        }
        #expect(all.count == 1)
    }

    @Test("features stay near float32's", arguments: ISA.available)
    func near(isa: ISA) throws {
        let exact = try smallRuntime(.float32, isa: isa).features(images: 40)
        let rounded = try smallRuntime(.bfloat16, isa: isa).features(images: 40)
        let likeness = try FeatureLikeness(rounded, to: exact, width: smallEncoder.embedWidth)
        #expect(likeness.worstCosine > 0.9995 && likeness.relativeError < 0.01)
        #expect(likeness.meanCosine < 1, "nothing was rounded")
    }

    @Test("all products are of bf16 but those of one row an image; what lies between them takes half of the room")
    func kernels() throws {
        let kernels = try smallRuntime(.bfloat16).features(images: 2).program.instructions.compactMap(\.kernel)
        #expect(
            kernels.count { $0 == .linear_bf16 } == 4 * smallEncoder.depth + 1
                && kernels.count { $0 == .attention_bf16 } == smallEncoder.depth)
        let training = try ModelRuntime(smallEncoder, precision: .bfloat16, trains: true, threads: 1, isa: .best)
        let float = try ModelRuntime(smallEncoder, trains: true, threads: 1, isa: .best)
        let step = { (model: ModelRuntime) in try model.maskerStep(images: 4, StepOptions(), update: .immediate(AdamW())).program }
        let program = try step(training)
        for kernel in program.instructions.compactMap(\.kernel) {
            #expect(kernel != .attention && kernel != .attention_gradient, "\(kernel)")
        }
        #expect(program.instructions.contains { $0.kernel == .linear }, "the masker's scores")
        #expect(Double(program.arenaBytes) < 0.6 * Double(try step(float).arenaBytes))
    }

    @Test("rounding is to the nearest, ties to even, and to zero below 2⁻⁵⁶: of every kind of number")
    func rounding() {
        var bits: UInt32 = 1
        for _ in 0..<200_000 {
            bits = bits &* 1_664_525 &+ 1_013_904_223
            let x = Float(bitPattern: bits)
            guard x.isFinite else { continue }
            let rounded = BFloat16(x)
            guard x.magnitude >= 0x1p-56 else {
                #expect(rounded.bits == 0)
                continue
            }
            // Among the two neighbours of 16 bits the nearer one, of equally near ones the even one.
            let low = UInt32(bits >> 16), high = low + 1
            let toLow = Double(x) - Double(Float(bitPattern: low << 16)), toHigh = Double(Float(bitPattern: high << 16)) - Double(x)
            let expected = abs(toLow) < abs(toHigh) || (abs(toLow) == abs(toHigh) && low % 2 == 0) ? low : high
            if Float(bitPattern: high << 16).isFinite { #expect(UInt32(rounded.bits) == expected, "\(x)") }
        }
        #expect(
            BFloat16(.nan).value.isNaN && BFloat16(.infinity).value == .infinity && BFloat16(-3e38).value == Float(bitPattern: 0xff62_0000))
    }
}
