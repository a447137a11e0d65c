import Foundation
import CurricleGraph
import CurricleModels
import CurricleRuntime
import CurricleTestSupport
import Testing
@testable import CurricleEngine
@testable import CurricleTrainer

/// A way to choose masks, or to train what chooses them, other than the paper's.
struct MaskVariant: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let change: @Sendable (inout PretrainSettings) -> Void
    static let all: [MaskVariant] = [
        MaskVariant(testDescription: "rank") { $0.step.objective = .rank },
        MaskVariant(testDescription: "rank in pieces, each other step") {
            $0.step.objective = .rank
            $0.pieceImages = 3
            $0.maskerEvery = 2
        },
        MaskVariant(testDescription: "noise, reversed") {
            $0.step.maskNoise = 0.5
            $0.curriculum = .reverse
        },
        MaskVariant(testDescription: "uniformity, the masker each third step") {
            $0.step.uniformity = 0.1
            $0.maskerEvery = 3
        },
        MaskVariant(testDescription: "noise in two groups") {
            $0.step.maskNoise = 0.5
            ($0.accumulation, $0.gradientGroups) = (3, 2)
        },
        MaskVariant(testDescription: "products and moments of bf16") { ($0.precision, $0.moments) = (.bfloat16, .bfloat16) },
        MaskVariant(testDescription: "bf16 in pieces, in two groups") {
            ($0.precision, $0.moments, $0.pieceImages) = (.bfloat16, .bfloat16, 3)
            ($0.accumulation, $0.gradientGroups) = (3, 2)
        },
        MaskVariant(testDescription: "blocks") { $0.step.masking = .block },
        MaskVariant(testDescription: "colour") { $0.step.masking = .color }
    ]
}

@Suite("Options of masks and maskers")
struct MaskOptionsTests {
    private static let model = SmallTraining.configuration

    @Test("the factor of each curriculum, at the start, before and after the middle, and at the end")
    func curricula() {
        let expected: [Curriculum: [Double]] = [
            .linear: [1, 0.2, -0.2, -1], .partner: [1, 1, 1, 1], .neutral: [0, 0, 0, 0], .adversary: [-1, -1, -1, -1],
            .reverse: [-1, -0.2, 0.2, 1]
        ]
        for kind in Curriculum.allCases {
            for (epoch, factor) in zip([0, 4, 5, 9], expected[kind] ?? []) {
                #expect(abs(kind.factor(epoch: epoch, of: 10) - factor) < 1e-12, "\(kind) in epoch \(epoch)")
            }
            #expect(expected[kind]?.count == 4)
        }
    }

    private func orders(_ masking: Masking, rows: Int = 8, columns: Int = 12, images: Int = 40, epoch: Int = 3) throws -> [[Int]] {
        var model = Self.model
        (model.imageHeight, model.imageWidth, model.patchSize) = (rows * 5, columns * 5, 5)
        let memory = try Memory(integers: images * model.patches, purpose: "masks")
        _ = MaskDraws(model, maskRatio: 0.75, seed: 11).orders(masking, in: memory, row: 0, samples: Array(0..<images), epoch: epoch)
        return (0..<images).map { image in
            memory.integers[(image * model.patches)..<((image + 1) * model.patches)].map { Int($0) }
        }
    }

    @Test("given masks are permutations, another for each image and epoch, and the same again", arguments: [Masking.random, .block, .color])
    func permutations(masking: Masking) throws {
        let drawn = try orders(masking)
        #expect(drawn.allSatisfy { $0.sorted() == Array(0..<96) })
        #expect(Set(drawn.map { Set($0.prefix(24)) }).count == 40)
        #expect(try orders(masking) == drawn)
        #expect(try orders(masking, epoch: 4) != drawn)
    }

    /// Removed patches beside removed ones, of all pairs of neighbours with one removed: 0.75 where masks are drawn patch by patch.
    private func clumping(_ orders: [[Int]], columns: Int) -> Double {
        var pairs = 0, both = 0
        for order in orders {
            let kept = Set(order.prefix(order.count / 4))
            for patch in order where !kept.contains(patch) {
                for other in [patch + 1, patch + columns] where other < order.count && (other != patch + 1 || other % columns != 0) {
                    pairs += 1
                    both += kept.contains(other) ? 0 : 1
                }
            }
        }
        return Double(both) / Double(pairs)
    }

    @Test("blocks hang together most, band-passed masks less, random ones by chance")
    func neighbours() throws {
        let random = clumping(try orders(.random), columns: 12), color = clumping(try orders(.color), columns: 12)
        let block = clumping(try orders(.block), columns: 12)
        #expect(abs(random - 71.0 / 95) < 0.01, "\(random)")
        #expect(color > random + 0.03 && block > color + 0.03, "\(random) \(color) \(block)")
    }

    @Test(
        "each patch goes as often as its place allows: random and band-passed masks have no favourite", arguments: [Masking.random, .color])
    func places(masking: Masking) throws {
        var removed = [Int](repeating: 0, count: 96)
        for order in try orders(masking, images: 2000) { for patch in order.suffix(72) { removed[patch] += 1 } }
        // 0.75 of 2,000 with a deviation of 19.
        #expect(removed.allSatisfy { abs($0 - 1500) < 100 }, "\(removed.min() ?? 0) \(removed.max() ?? 0)")
    }

    @Test("Gumbel noise has its mean and deviation, uniform noise its own")
    func noise() throws {
        let images = 500, patches = Self.model.patches, memory = try Memory(floats: images * patches, purpose: "noise")
        let draws = MaskDraws(Self.model, maskRatio: 0.75, seed: 2)
        for (scale, mean, deviation) in [(Float?(2), 2 * 0.5772, 2 * 1.2825), (nil, 0.5, 0.2887)] {
            _ = draws.noise(scale: scale, in: memory, row: 0, samples: Array(0..<images), epoch: 1)
            let values = memory.floats.prefix(images * patches).map(Double.init), found = values.reduce(0, +) / Double(values.count)
            let spread = (values.reduce(0) { $0 + ($1 - found) * ($1 - found) } / Double(values.count)).squareRoot()
            #expect(abs(found - mean) < 0.05 * deviation && abs(spread - deviation) < 0.05 * deviation, "\(found) \(spread)")
        }
    }

    /// Step A's order against scores and noise sorted here.
    @Test("noise is added to logits; a masker that ranks keeps the hardest and draws the rest", arguments: [0, 0.5, 1])
    func chosen(share: Double) throws {
        let images = 4, patches = Self.model.patches, data = SmallTraining(images: images)
        let memory = try Memory(floats: images * patches, purpose: "noise")
        let noise = MaskDraws(Self.model, maskRatio: 0.75, seed: 8).noise(
            scale: 0.7, in: memory, row: 0, samples: Array(0..<images), epoch: 0)
        let trainer = try SmallTraining.trainer(), model = trainer.model, removed = patches - Self.model.kept(maskRatio: 0.75)
        let plain = try model.autoencoderStep(images: images, StepOptions(), update: nil, examined: true)
        _ = try data.patches.withUnsafeBytes { try model.session.run(plain, [.patches: .memory($0)]) }
        let logits = try model.result("scores", of: plain).map { log(Double($0)) - log1p(-Double($0)) }
        var noisy = StepOptions(), ranking = StepOptions()
        noisy.maskNoise = 0.7
        ranking.objective = .rank
        for options in [noisy, ranking] {
            let step = try model.autoencoderStep(images: images, options, update: nil)
            _ = try data.patches.withUnsafeBytes {
                var inputs: RunInputs = [.patches: .memory($0), .maskNoise: .memory(noise)]
                if options.ranks { inputs[.hardShare] = .numbers([Float(share)]) }
                return try model.session.run(step, inputs)
            }
            let order = try model.session.integerResult(step.program.result("order"))
            for image in 0..<images {
                let own = Array(order[(image * patches)..<((image + 1) * patches)]), at = image * patches
                #expect(own.sorted() == Array(0..<patches))
                func falls(_ ids: [Int], _ key: (Int) -> Double) -> Bool {
                    zip(ids, ids.dropFirst()).allSatisfy { key($0) >= key($1) - 1e-5 }
                }
                let hard = options.ranks ? Int((share * Double(removed)).rounded()) : 0
                if options.ranks {
                    #expect(falls(Array(own.prefix(patches - hard))) { Double(memory.floats[at + $0]) })
                    #expect(falls(Array(own.suffix(hard))) { logits[at + $0] })
                    let least = own.prefix(patches - hard).map { logits[at + $0] }.min() ?? 0
                    #expect(own.suffix(hard).allSatisfy { logits[at + $0] <= least + 1e-5 })
                } else {
                    #expect(falls(own) { logits[at + $0] + Double(memory.floats[at + $0]) })
                }
            }
        }
    }

    private func rankingTrainer(_ pieceImages: Int? = nil, threads: Int = 2, isa: ISA = .best) throws -> JointTrainer {
        var options = StepOptions()
        options.objective = .rank
        let trainer = try SmallTraining.trainer(
            options, accumulates: pieceImages == nil, pieceImages: pieceImages, threads: threads, isa: isa)
        try trainer.prepare(images: 6, batches: 1)
        return trainer
    }

    private func iterate(_ trainer: JointTrainer, seed: Int = 3, step: Int = 0, rate: Double = 1e-3) throws -> IterationLosses {
        let memory = try Memory(floats: 6 * Self.model.patches, purpose: "noise"), data = SmallTraining(images: 6, seed: seed)
        let noise = MaskDraws(Self.model, maskRatio: 0.75, seed: 8).noise(
            scale: nil, in: memory, row: 0, samples: Array(0..<6), epoch: step)
        return try data.patches.withUnsafeBytes {
            try trainer.iterate(
                [TrainingBatch(images: 6, patches: $0, decision: .noise(noise))],
                IterationSettings(learningRate: rate, curriculum: 1, hardShare: 0.4))
        }
    }

    @Test("a masker that ranks: pieces are the whole batch", arguments: [1, 2, 4])
    func rankingPieces(pieceImages: Int) throws {
        func gradients(_ trainer: JointTrainer) throws -> (IterationLosses, [(name: String, values: [Float])]) {
            let losses = try iterate(trainer, rate: 0), memory = try #require(trainer.model.session.gradients)
            return (losses, trainer.model.parameters.all.map { ($0.parameter.name, trainer.model.values(of: $0, in: memory)) })
        }
        let (whole, wanted) = try gradients(rankingTrainer()), (pieces, found) = try gradients(rankingTrainer(pieceImages))
        let loss = try #require(whole.masker?.first)
        #expect(whole.masker?.count == 1 && loss > 0)
        #expect(abs((pieces.masker?.first ?? .nan) - loss) < 1e-5)
        for (one, other) in zip(wanted, found) {
            let largest = one.values.reduce(0) { max($0, abs($1)) }
            #expect(largest > 0, "\(one.name)")
            let worst = zip(one.values, other.values).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(worst <= 2e-5 * largest + 1e-9, "\(one.name): \(worst) of \(largest)")
        }
    }

    @Test("a masker that ranks: the same bits for any number of threads", arguments: ISA.available)
    func rankingThreads(isa: ISA) throws {
        let results = try [1, 2, 5].map { threads in
            let trainer = try rankingTrainer(threads: threads, isa: isa)
            for step in 0..<3 { _ = try iterate(trainer, seed: step, step: step) }
            return trainer.allParameters.map(\.bitPattern)
        }
        #expect(results.allSatisfy { $0 == results[0] })
    }

    /// Each second patch is faint, so that its error is small whatever the autoencoder makes of it.
    @Test("a masker that ranks learns which patches are hard")
    func rankingLearns() throws {
        let trainer = try rankingTrainer(), width = Self.model.patchWidth
        let patches = SmallTraining(images: 6).patches.enumerated().map { $1 * ($0 / width % 2 == 0 ? 1 : 0.02) }
        let memory = try Memory(floats: 6 * Self.model.patches, purpose: "noise")
        var losses: [Float] = []
        for step in 0..<100 {
            let noise = MaskDraws(Self.model, maskRatio: 0.75, seed: 8).noise(
                scale: nil, in: memory, row: 0, samples: Array(0..<6), epoch: step)
            let done = try patches.withUnsafeBytes {
                try trainer.iterate(
                    [TrainingBatch(images: 6, patches: $0, decision: .noise(noise))],
                    IterationSettings(learningRate: 2e-3, curriculum: 1, hardShare: 0.4))
            }
            losses.append(done.masker?.first ?? .nan)
        }
        let after = losses.suffix(20).reduce(0, +) / 20
        #expect(after < 0.75 * Float(log(2.0)), "a masker that says nothing has ln 2, this one \(after)")
    }

    @Test("what step A's loss leaves out is no part of the ranking") func failedBatch() throws {
        let trainer = try rankingTrainer(), before = trainer.parameters(.masker)
        let data = SmallTraining(images: 6, poisoned: SmallTraining(images: 6))
        let memory = try Memory(floats: 6 * Self.model.patches, purpose: "noise")
        let losses = try data.patches.withUnsafeBytes {
            try trainer.iterate(
                [TrainingBatch(images: 6, patches: $0, decision: .noise(memory.contents(numbers: 0..<(6 * Self.model.patches))))],
                IterationSettings(learningRate: 1e-3, curriculum: 1, hardShare: 0.4), mayContinue: { _ in true })
        }
        #expect(losses.skipped == [.autoencoder, .masker] && trainer.parameters(.masker) == before)
    }

    @Test("the masker stands still but for its own steps") func maskerEvery() throws {
        let trainer = try SmallTraining.trainer(), data = SmallTraining(images: 4)
        for trains in [true, false, false, true] {
            let before = (trainer.parameters(.autoencoder), trainer.parameters(.masker))
            let losses = try data.patches.withUnsafeBytes {
                try trainer.iterate(
                    [TrainingBatch(images: 4, patches: $0)], IterationSettings(learningRate: 1e-3, curriculum: 1, trainsMasker: trains))
            }
            #expect(trainer.parameters(.autoencoder) != before.0)
            #expect((trainer.parameters(.masker) != before.1) == trains && (losses.masker != nil) == trains)
        }
        #expect(trainer.updates.counts == [.autoencoder: 4, .masker: 2])
    }

    @Test("features are driven apart by their weight") func uniformity() throws {
        let data = SmallTraining(images: 6)
        let found = try [1e-9, 5].map { (weight: Float) -> Float in
            var options = StepOptions(), last: Float = .nan
            options.uniformity = weight
            let trainer = try SmallTraining.trainer(options)
            for _ in 0..<25 { last = try #require(try data.iterate(trainer, images: 6).uniformity) }
            return last
        }
        #expect(found[1] < 0.7 * found[0] && found.allSatisfy { $0 >= 0 && $0 <= 1 }, "\(found)")
    }

    @Test("settings that contradict each other are refused by name") func contradictions() {
        func problem(_ change: (inout PretrainSettings) -> Void) -> String? {
            var settings = PretrainSettings()
            change(&settings)
            return settings.problem.map { "\($0)" }
        }
        #expect(
            problem {
                $0.step.masking = .block; $0.curriculum = .reverse
            }?.contains("curriculum") == true)
        #expect(
            problem {
                $0.step.masking = .random; $0.maskerEvery = 2
            }?.contains("masker-every") == true)
        #expect(
            problem {
                $0.step.masking = .color; $0.step.objective = .rank
            }?.contains("masker") == true)
        #expect(
            problem {
                $0.step.masking = .random; $0.step.maskNoise = 1
            }?.contains("mask-noise") == true)
        #expect(
            problem {
                $0.step.objective = .rank; $0.step.maskNoise = 1
            }?.contains("mask-noise") == true)
        #expect(
            problem {
                $0.step.objective = .rank; $0.curriculum = .partner
            }?.contains("curriculum") == true)
        #expect(
            problem {
                $0.step.uniformity = 1; $0.pieceImages = 2
            }?.contains("micro-batch") == true)
        for variant in MaskVariant.all { #expect(problem { variant.change(&$0) } == nil, "\(variant.testDescription)") }
    }

    /// FLOPs of an iteration: a masker that ranks makes no pass through encoder and decoder.
    @Test("the plan counts what ranking saves") func plan() throws {
        var settings = PretrainSettings()
        settings.model = try #require(ModelConfiguration.preset("tiny-p16"))
        settings.batchSize = 4
        let usual = try TrainingPlan(settings, threads: 1, isa: .best)
        settings.step.objective = .rank
        let ranking = try TrainingPlan(settings, threads: 1, isa: .best)
        #expect(ranking.flopsA == usual.flopsA && ranking.flopsB < 0.5 * usual.flopsB)
    }
}
