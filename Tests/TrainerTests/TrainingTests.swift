import CurricleCompiler
import Foundation
import CurricleGraph
import CurricleModels
import CurricleRuntime
import CurricleTensors
import Testing
import CurricleVision
@testable import CurricleEngine
@testable import CurricleProofs
@testable import CurricleTrainer

/// A small model and batch for tests of training.
struct SmallTraining {
    static let configuration = ModelConfiguration(
        imageHeight: 20, imageWidth: 15, patchSize: 5, channels: 2, embedWidth: 24, depth: 2, heads: 3, decoderWidth: 20, decoderDepth: 1,
        decoderHeads: 2)
    let patches: [Float]

    init(images: Int, seed: Int = 3) {
        let count = images * Self.configuration.patches * Self.configuration.patchWidth
        patches = (0..<count).map { Float(sin(Double($0 * 7 + seed * 131)) * 1.5) }
    }

    static func trainer(
        _ options: StepOptions = StepOptions(), clip: Float? = nil, accumulates: Bool = false, pieceImages: Int? = nil, threads: Int = 2,
        isa: ISA = .best
    ) throws -> JointTrainer {
        let model = try ModelRuntime(
            configuration, trains: true, storesGradients: clip != nil || accumulates || pieceImages != nil, threads: threads, isa: isa)
        model.initialize(seed: 5)
        return JointTrainer(model: model, options: options, adamw: AdamW(), clip: clip, accumulates: accumulates, pieceImages: pieceImages)
    }

    /// Runs a joint iteration on the whole batch, or on it cut in equal pieces.
    func iterate(
        _ trainer: JointTrainer, images: Int, pieces: Int = 1, curriculum: Double = 0.5, rate: Double = 1e-3, policy: Bool = false
    ) throws -> IterationLosses {
        let each = images / pieces, floats = patches.count / pieces
        return try patches.withUnsafeBufferPointer { all in
            let batches = (0..<pieces).map { piece in
                TrainingBatch(
                    images: each,
                    patches: UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: all[(piece * floats)..<((piece + 1) * floats)])))
            }
            return try trainer.iterate(batches, IterationSettings(learningRate: rate, curriculum: curriculum), mayContinue: { _ in policy })
        }
    }
}

extension JointTrainer {
    /// All parameters, one after another.
    var allParameters: [Float] { model.parameters.all.flatMap { model.values(of: $0, in: model.session.parameters) } }
    func parameters(_ group: ParameterGroup) -> [Float] {
        model.parameters.all.filter { $0.parameter.group == group }.flatMap { model.values(of: $0, in: model.session.parameters) }
    }
}

struct TrainingTests {
    @Test("same bits for any number of threads", arguments: ISA.available)
    func sameBitsForAnyNumberOfThreads(isa: ISA) throws {
        var results: [[Float]] = []
        for threads in [1, 2, 3, 5, 8] {
            let trainer = try SmallTraining.trainer(threads: threads, isa: isa)
            var losses: [Float] = []
            for i in 0..<3 {
                let step = try SmallTraining(images: 4, seed: i).iterate(trainer, images: 4)
                losses += [step.autoencoder ?? .nan] + (step.masker ?? [])
            }
            results.append(trainer.allParameters + losses)
        }
        for other in results.dropFirst() { #expect(other.map(\.bitPattern) == results[0].map(\.bitPattern)) }
    }

    @Test("same bits on AVX 2 and AVX 512", .enabled(if: ISA.avx2.isAvailable && ISA.avx512.isAvailable))
    func sameBitsOnAVX2AndAVX512() throws {
        let all = try [ISA.avx2, .avx512].map { isa in
            let trainer = try SmallTraining.trainer(isa: isa)
            for i in 0..<3 { _ = try SmallTraining(images: 4, seed: i).iterate(trainer, images: 4) }
            return trainer.allParameters.map(\.bitPattern)
        }
        #expect(all[0] == all[1])
    }

    /// Step A's loss is a mean over images: the averaged gradient of two halves is that of the whole, and so is the update.
    @Test("accumulation is the whole batchs gradient") func accumulationIsTheWholeBatchsGradient() throws {
        let options = StepOptions(masking: .learned)
        let whole = try SmallTraining.trainer(options), halves = try SmallTraining.trainer(options, accumulates: true)
        let data = SmallTraining(images: 6)
        let a = try data.iterate(whole, images: 6), b = try data.iterate(halves, images: 6, pieces: 2)
        #expect(abs((a.autoencoder ?? .nan) - (b.autoencoder ?? .nan)) < 1e-5)
        let start = try SmallTraining.trainer(options).parameters(.autoencoder)
        // AdamW's first step is nearly the gradient's sign: where gradients are tiny, rounding decides. So the share that agrees counts.
        let moved = zip(whole.parameters(.autoencoder), halves.parameters(.autoencoder))
        let agreeing = moved.filter { abs($0 - $1) <= 0.02 * 1e-3 }.count
        #expect(zip(whole.parameters(.autoencoder), start).contains { $0 != $1 })
        #expect(Double(agreeing) > 0.99 * Double(start.count))
    }

    /// Pieces of a batch give the whole batch's losses and gradients, to rounding, though step B's losses couple its images.
    @Test("pieces are the whole batch", arguments: [1, 2, 4, 6], [Masking.learned, .random])
    func piecesAreTheWholeBatch(pieceImages: Int, masking: Masking) throws {
        let options = StepOptions(normalizedTargets: true, masking: masking), data = SmallTraining(images: 6)
        let orders = try Memory(bytes: 6 * SmallTraining.configuration.patches * 4, purpose: "masks")
        let order = MaskDraws(SmallTraining.configuration, maskRatio: options.maskRatio, seed: 1).orders(
            .random, in: orders, row: 0, samples: Array(0..<6), epoch: 0)
        func gradients(_ trainer: JointTrainer) throws -> (losses: IterationLosses, gradients: [(name: String, values: [Float])]) {
            let losses = try data.patches.withUnsafeBytes {
                try trainer.iterate(
                    [TrainingBatch(images: 6, patches: $0, decision: masking == .random ? .order(order) : nil)],
                    IterationSettings(learningRate: 0, curriculum: -0.7))
            }
            let model = trainer.model, memory = try #require(model.session.gradients)
            return (losses, model.parameters.all.map { ($0.parameter.name, model.values(of: $0, in: memory)) })
        }
        let whole = try gradients(SmallTraining.trainer(options, accumulates: true))
        let pieces = try gradients(SmallTraining.trainer(options, pieceImages: pieceImages))
        #expect(abs((whole.losses.autoencoder ?? .nan) - (pieces.losses.autoencoder ?? .nan)) < 1e-5)
        #expect(zip(whole.losses.masker ?? [], pieces.losses.masker ?? []).allSatisfy { abs($0 - $1) <= 1e-5 * max(1, abs($0)) })
        #expect(whole.losses.masker?.count == pieces.losses.masker?.count && whole.losses.masker != nil || masking == .random)
        for (one, other) in zip(whole.gradients, pieces.gradients) {
            let largest = one.values.reduce(0) { max($0, abs($1)) }
            #expect(largest > 0 || one.name.hasPrefix("masking_net") && masking == .random, "\(one.name)")
            let worst = zip(one.values, other.values).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(worst <= 2e-5 * largest + 1e-9, "\(one.name): \(worst) of \(largest)")
        }
    }

    /// A group of one through stored gradients does what the immediate update does, bit for bit.
    @Test("stored and immediate updates agree") func storedAndImmediateUpdatesAgree() throws {
        let immediate = try SmallTraining.trainer(), stored = try SmallTraining.trainer(accumulates: true)
        for i in 0..<2 {
            _ = try SmallTraining(images: 4, seed: i).iterate(immediate, images: 4)
            _ = try SmallTraining(images: 4, seed: i).iterate(stored, images: 4)
        }
        #expect(immediate.allParameters.map(\.bitPattern) == stored.allParameters.map(\.bitPattern))
    }

    @Test("reported norm is the gradients") func reportedNormIsTheGradients() throws {
        let trainer = try SmallTraining.trainer(clip: 1e-2)
        let data = SmallTraining(images: 4)
        let norms = try data.iterate(trainer, images: 4, curriculum: 0.5).gradientNorms

        let fresh = try SmallTraining.trainer()
        let exposed = try fresh.model.autoencoderStep(images: 4, StepOptions(), update: .expose)
        _ = try data.patches.withUnsafeBytes { try fresh.model.session.run(exposed, [.patches: .memory($0)]) }
        let squares = try fresh.model.parameters.all.filter { $0.parameter.group == .autoencoder }
            .flatMap { try exposedGradient($0, fresh.model, exposed) }.reduce(0.0) { $0 + Double($1) * Double($1) }
        let norm = try #require(norms[.autoencoder])
        #expect(abs(Double(norm) / squares.squareRoot() - 1) < 1e-5)
    }

    /// Each half moves only its own parameters.
    @Test("frozen halves do not move") func frozenHalvesDoNotMove() throws {
        let trainer = try SmallTraining.trainer(StepOptions(masking: .learned))
        let before = trainer.parameters(.masker)
        let data = SmallTraining(images: 4)
        let model = trainer.model
        let a = try model.autoencoderStep(images: 4, StepOptions(), update: .immediate(AdamW()))
        let step: RunInputs.Tensor = [1e-3, 1e-3, 1, 1]
        _ = try data.patches.withUnsafeBytes { try model.session.run(a, [.patches: .memory($0), .step: step]) }
        #expect(trainer.parameters(.masker) == before)
        let encoder = trainer.parameters(.autoencoder)
        let b = try model.maskerStep(images: 4, StepOptions(), update: .immediate(AdamW()))
        _ = try data.patches.withUnsafeBytes { try model.session.run(b, [.patches: .memory($0), .step: step, .curriculum: [0.5]]) }
        #expect(trainer.parameters(.autoencoder) == encoder)
        #expect(trainer.parameters(.masker) != before)
    }

    @Test("nothing moves where a loss is not finite") func nothingMovesWhereALossIsNotFinite() throws {
        let trainer = try SmallTraining.trainer()
        let before = trainer.allParameters
        var data = SmallTraining(images: 4)
        data = SmallTraining(images: 4, poisoned: data)
        let losses = try data.iterate(trainer, images: 4, policy: true)
        #expect(losses.skipped == [.autoencoder, .masker])
        #expect(losses.autoencoder == nil && losses.masker == nil)
        #expect(trainer.allParameters == before)
        #expect(trainer.updates.counts == [.autoencoder: 0, .masker: 0])
    }
}

extension TrainingTests {
    /// A batch that fails in its last piece has left gradients of its first ones behind: no update may use them.
    @Test("a batch that fails in a piece is no part of an update") func aBatchThatFailsInAPieceIsNoPartOfAnUpdate() throws {
        let trainer = try SmallTraining.trainer(accumulates: true, pieceImages: 1)
        let before = trainer.allParameters, good = SmallTraining(images: 3).patches
        var bad = good
        bad[bad.count - 1] = .nan
        let losses = try good.withUnsafeBytes { good in
            try bad.withUnsafeBytes { bad in
                try trainer.iterate(
                    [TrainingBatch(images: 3, patches: good), TrainingBatch(images: 3, patches: bad)],
                    IterationSettings(learningRate: 1e-3, curriculum: 0.5),
                    mayContinue: { _ in true })
            }
        }
        #expect(losses.skipped.contains(.autoencoder) && losses.autoencoder == nil)
        #expect(trainer.updates.counts[.autoencoder] == 0)
        let autoencoder = trainer.parameters(.autoencoder).count
        #expect(trainer.allParameters.prefix(autoencoder).map(\.bitPattern) == before.prefix(autoencoder).map(\.bitPattern))
    }
}

extension SmallTraining {
    /// The same with one value that is not a number.
    init(images: Int, poisoned other: SmallTraining) {
        var values = other.patches
        values[values.count / 2] = .nan
        patches = values
    }
}
