import CurricleGraph
import CurricleModels
import CurricleRuntime
import Foundation
import Testing
@testable import CurricleEngine
@testable import CurricleTrainer

@Suite("Updates that ranks share")
struct SharedUpdateTests {
    @Test("leaves are batches, or pieces of them that cover each")
    func shapes() {
        let whole = UpdateShape(batches: [12, 12, 4])
        #expect(whole.leaves.map(\.batch) == [0, 1, 2] && whole.leaves.map(\.images) == [0..<12, 0..<12, 0..<4])
        let cut = UpdateShape(batches: [12, 4], pieceImages: 3)
        #expect(cut.leaves.map(\.batch) == [0, 0, 0, 0, 1, 1])
        #expect(cut.leaves.map(\.images) == [0..<3, 3..<6, 6..<9, 9..<12, 0..<3, 3..<4])
    }

    /// Pieces that are leaves by themselves give what the whole batch gives, to rounding, though step B's losses couple its images.
    @Test("pieces as leaves are the whole batch", arguments: [1, 2, 4, 6], [MaskerObjective.curriculum, .rank])
    func cutBatches(groups: Int, objective: MaskerObjective) throws {
        let images = 6, data = SmallTraining(images: images)
        var options = StepOptions(normalizedTargets: true)
        options.objective = objective
        let now = IterationSettings(learningRate: 0, curriculum: -0.7, hardShare: 0.5)
        let patches = try Memory(floats: data.patches.count, purpose: "patches"), count = images * SmallTraining.configuration.patches
        patches.fill(data.patches)
        let noise = try Memory(floats: count, purpose: "noise")
        noise.fill((0..<count).map { Float(sin(Double($0) * 5)) })
        func leaf(_ range: Range<Int>) -> TrainingBatch {
            func part(_ memory: Memory, _ count: Int) -> UnsafeRawBufferPointer {
                memory.contents(numbers: (range.lowerBound * count / images)..<(range.upperBound * count / images))
            }
            return TrainingBatch(
                images: range.count, patches: part(patches, data.patches.count),
                decision: objective == .rank ? .noise(part(noise, count)) : nil)
        }
        func trainer(_ groups: Int, _ piece: Int?) throws -> JointTrainer {
            let model = try ModelRuntime(SmallTraining.configuration, trains: true, storesGradients: true, threads: 2, isa: .best)
            model.initialize(seed: 5)
            return JointTrainer(
                model: model, options: options, adamw: AdamW(), clip: 1e9, accumulates: true, pieceImages: piece, groups: groups, ranks: nil
            )
        }
        let whole = try trainer(1, nil), cut = try trainer(groups, 1)
        try whole.prepare(images: images)
        try cut.prepare(images: images, batches: images, leafImages: 1)
        try withExtendedLifetime((patches, noise)) {
            let a = try whole.iterate([leaf(0..<images)], now)
            let b = try cut.iterate(
                (0..<images).map { leaf($0..<($0 + 1)) }, of: UpdateShape(batches: [images], pieceImages: 1), now)
            #expect(abs(try #require(a.autoencoder) - #require(b.autoencoder)) < 1e-5)
            #expect(abs(try #require(a.meanScore) - #require(b.meanScore)) < 1e-5)
            for (x, y) in zip(try #require(a.masker), try #require(b.masker)) { #expect(abs(x - y) < 1e-4 * max(1, abs(x))) }
            for group in [ParameterGroup.autoencoder, .masker] {
                let (x, y) = (try #require(a.gradientNorms[group]), try #require(b.gradientNorms[group]))
                #expect(abs(x - y) < 1e-3 * x, "\(group)")
            }
        }
    }

    @Test("a rate is a network, and a file that was measured")
    func networks() throws {
        let fast = try #require(Network(rate: "10G"))
        #expect(abs(fast.bytesPerSecond - 1.1769e9) < 1e6)
        #expect(Network(rate: "2.5G")?.bytesPerSecond == fast.bytesPerSecond / 4)
        for wrong in ["", "10", "G", "-1G", "0M", "x"] { #expect(Network(rate: wrong) == nil) }
        #expect(throws: LearningError.self) { try Network.read("nowhere.json") }
    }

    /// Where messages take no time nothing is waited for; where they take all the time, that is what the bytes take: each rank sends
    /// (R − 1)/R of the gradients and as much of the weights, of the autoencoder and of the masker.
    @Test("a forecast's two ends", arguments: [2, 4, 8])
    func forecasts(ranks: Int) throws {
        var settings = PretrainSettings(
            model: try #require(ModelConfiguration.preset("tiny-p16")), step: StepOptions(), adamw: AdamW(),
            schedule: Schedule(epochs: 1, warmupEpochs: 0, learningRate: 1e-3), batchSize: 4)
        (settings.gradientGroups, settings.accumulation) = (ranks, ranks)
        let plan = try TrainingPlan(settings, threads: 1, isa: .best, ranks: ranks)
        func forecast(_ network: Network) -> RankedForecast {
            RankedForecast(plan, settings, ranks: ranks, threads: 1, network: network, batchSeconds: 1, streamBytes: 1e15)
        }
        let free = forecast(Network(bytesPerSecond: 1e15, latency: 0, processorSecondsPerByte: 0))
        #expect(abs(free.seconds - 1) < 1e-3 && free.exposedSeconds < 1e-3 && abs(free.efficiency - 1) < 1e-3)
        let rate = 1e5, slow = forecast(Network(bytesPerSecond: rate, latency: 0, processorSecondsPerByte: 0))
        let bytes = Double(plan.parameterBytes) * 2 * Double(ranks - 1) / Double(ranks)
        #expect(abs(slow.sentBytes - bytes) < 0.03 * bytes)
        #expect(abs(slow.seconds * rate - bytes) < 0.04 * bytes)
        #expect(abs(slow.seconds - slow.exposedSeconds - 1) < 0.3)
    }

    @Test("ranks hold one set of moments between them, and gradients of others")
    func memory() throws {
        var settings = PretrainSettings(
            model: try #require(ModelConfiguration.preset("tiny-p16")), step: StepOptions(), adamw: AdamW(),
            schedule: Schedule(epochs: 1, warmupEpochs: 0, learningRate: 1e-3), batchSize: 4)
        settings.accumulation = 8
        for ranks in [1, 2, 4, 8] {
            settings.gradientGroups = ranks
            let plan = try TrainingPlan(settings, threads: 1, isa: .best, ranks: ranks)
            #expect(Double(plan.momentBytes) >= 2 * Double(plan.parameterBytes) / Double(ranks))
            #expect(Double(plan.momentBytes) < 2.2 * Double(plan.parameterBytes) / Double(ranks))
        }
    }
}
