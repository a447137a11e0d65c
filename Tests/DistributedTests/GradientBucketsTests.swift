import CurricleCompiler
import CurricleEngine
import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleRandomness
import CurricleRuntime
import CurricleTensors
import Foundation
import Testing
@testable import CurricleDistributed

@Suite("Buckets of gradients, and who owns them")
struct GradientBucketsTests {
    @Test("2,000 groups of parameters: every float is in one bucket and has one owner; cuts lie between whole sums of squares")
    func buckets() {
        var random = Philox(seed: 6)
        for _ in 0..<2000 {
            let floats = 16 * (1 + random.integer(below: 1 << (4 + random.integer(below: 15)))), ranks = 1 + random.integer(below: 70)
            let buckets = GradientBuckets(floats: floats, ranks: ranks), chunk = KernelConstants.squareChunk
            // From the end to the beginning, without a gap.
            var end = floats
            for bucket in buckets.all {
                #expect(bucket.upperBound == end && !bucket.isEmpty && bucket.lowerBound % chunk == 0)
                end = bucket.lowerBound
            }
            #expect(end == 0)
            let slices = buckets.all.indices.flatMap { bucket in (0..<ranks).map { buckets.slice(of: $0, in: bucket) } }
            #expect(
                slices.allSatisfy { $0.isEmpty || $0.lowerBound % chunk == 0 && ($0.upperBound % chunk == 0 || $0.upperBound == floats) })
            let owned = (0..<ranks).flatMap { buckets.owned(by: $0) }.sorted { $0.lowerBound < $1.lowerBound }
            #expect(zip(owned, owned.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
            #expect(owned.first?.lowerBound == 0 && owned.last?.upperBound == floats)
            // No rank has more than its share and a chunk of each bucket.
            let most = (0..<ranks).map { buckets.owned(by: $0).reduce(0) { $0 + $1.count } }.max() ?? 0
            #expect(most <= floats / ranks + (buckets.all.count + 1) * chunk)
        }
    }

    /// Updates of what each rank owns, one after another, are the update of all; a norm that is put together from their sums is the norm of all.
    @Test("the updates of all owners are the update", arguments: [ElementType.float32, .bfloat16], [nil, 0.3] as [Float?])
    func owners(moments: ElementType, clip: Float?) throws {
        let adamw = AdamW(), ranks = 3
        let configuration = ModelConfiguration(
            imageHeight: 16, imageWidth: 16, patchSize: 4, embedWidth: 48, depth: 2, heads: 3, decoderWidth: 32, decoderDepth: 1,
            decoderHeads: 2)
        func model() throws -> ModelRuntime {
            let model = try ModelRuntime(
                configuration, moments: moments, trains: true, sharesMoments: true, storesGradients: true, threads: 2, isa: .best)
            model.initialize(seed: 3)
            var random = Philox(seed: 8)
            let stored = try #require(model.session.gradients)
            for i in stored.floats.indices { stored.floats[i] = Float(random.uniform(-1, 1)) }
            return model
        }
        let whole = try model(), shared = try model(), group = ParameterGroup.autoencoder
        var inputs: RunInputs = [.step: .numbers(adamw.scalars(update: 3, learningRate: 1e-2, batches: 2))]
        if moments == .bfloat16 { inputs[.updateNumber] = .numbers([3]) }
        let all = try whole.executable(.update(group, adamw, clip: clip))
        _ = try whole.session.run(all, inputs)

        let buckets = GradientBuckets(group, shared.layout, ranks: ranks)
        #expect(buckets.all.count > 2)
        var squares: [Float] = []
        for rank in 0..<ranks where clip != nil {
            let owned = buckets.owned(by: rank), executable = try shared.executable(.squares(group, owned: owned))
            _ = try shared.session.run(executable)
            let found = try shared.result("squares", of: executable), chunk = KernelConstants.squareChunk
            if squares.isEmpty { squares = Array(repeating: .nan, count: found.count) }
            for range in owned {
                for place in (range.lowerBound / chunk)..<((range.upperBound + chunk - 1) / chunk) { squares[place] = found[place] }
            }
        }
        try squares.withUnsafeBytes { squares in
            if clip != nil { inputs[.squares] = .memory(squares) }
            for rank in 0..<ranks {
                let executable = try shared.executable(.update(group, adamw, clip: clip, owned: buckets.owned(by: rank)))
                _ = try shared.session.run(executable, inputs)
                if clip != nil {
                    #expect(try shared.result("gradient norm", of: executable) == whole.result("gradient norm", of: all))
                }
            }
        }
        for (name, a, b) in [
            ("parameters", whole.session.parameters, shared.session.parameters),
            ("first moments", try #require(whole.session.firstMoments), try #require(shared.session.firstMoments)),
            ("second moments", try #require(whole.session.secondMoments), try #require(shared.session.secondMoments))
        ] { #expect(a.contents.elementsEqual(b.contents), "\(name)") }
        if clip != nil {
            let stored = try #require(whole.session.gradients).floats[whole.layout.floats(of: group)]
            let norm = stored.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() / 2
            #expect(abs(Double(try whole.result("gradient norm", of: all)[0]) - norm) < 1e-5 * norm)
        }
    }

    /// From 0 to the number of stages, each once at most and in order; to the guard and no further where the loss is not finite.
    @Test("a program says how far it is", arguments: [1, 2, 3])
    func progress(threads: Int) throws {
        final class Told { var stages: [Int] = [] }
        let images = 4,
            configuration = ModelConfiguration(
                imageHeight: 20, imageWidth: 15, patchSize: 5, channels: 2, embedWidth: 24, depth: 2, heads: 3, decoderWidth: 20,
                decoderDepth: 1,
                decoderHeads: 2)
        let patches = (0..<(images * configuration.patches * configuration.patchWidth)).map { Float(sin(Double($0) * 7)) }
        let model = try ModelRuntime(configuration, trains: true, storesGradients: true, threads: threads, isa: .best)
        model.initialize(seed: 5)
        let executable = try model.autoencoderStep(images: images, StepOptions(), update: .store(adding: false))
        func run(_ patches: [Float]) throws -> (status: RunStatus, told: [Int]) {
            let told = Told()
            let callback = StageCallback(
                { context, next in context.map { Unmanaged<Told>.fromOpaque($0).takeUnretainedValue().stages.append(Int(next)) } },
                context: Unmanaged.passUnretained(told).toOpaque())
            let status = try patches.withUnsafeBytes {
                try model.session.run(executable, [.patches: .memory($0)], reached: callback)
            }
            return withExtendedLifetime(told) { (status, told.stages) }
        }
        let order = executable.order, good = try run(patches)
        #expect(good.status == .done && good.told.first == 0 && good.told.last == order.count)
        #expect(zip(good.told, good.told.dropFirst()).allSatisfy { $0 < $1 })
        #expect(order.sharesDone.count == order.count + 1 && order.sharesDone.first == 0)
        #expect(abs(try #require(order.sharesDone.last) - 1) < 1e-9)
        // Gradients are finished one after another, from the last parameters on, and all behind the guard.
        let buckets = GradientBuckets(.autoencoder, model.layout, ranks: 2)
        let stages = BucketStages(buckets, of: .autoencoder, model.layout, in: order)
        let finished = try #require(stages.finished), guarded = zip(order.stages, order.instructions).first { $0.1.kernel == .guard_finite }
        #expect(finished.allSatisfy { $0 > guarded?.0 ?? .max && $0 <= order.count })
        #expect(BucketStages(GradientBuckets(.masker, model.layout, ranks: 2), of: .masker, model.layout, in: order).finished == nil)

        let bad = try run(patches.map { _ in .nan })
        #expect(bad.status == .nonfinite && bad.told.allSatisfy { $0 <= guarded?.0 ?? 0 })
    }
}
