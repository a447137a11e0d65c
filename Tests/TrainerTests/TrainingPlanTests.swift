import CurricleCInstructions
import CurricleProgram
import Foundation
import CurricleGraph
import CurricleModels
import CurricleRuntime
import Testing
@testable import CurricleEngine
@testable import CurricleProofs
@testable import CurricleTrainer

/// What a plan promises, held against counts by hand.
struct TrainingPlanTests {
    private func settings(_ preset: String, batch: Int) throws -> PretrainSettings {
        PretrainSettings(
            model: try #require(ModelConfiguration.preset(preset)), step: StepOptions(normalizedTargets: true), adamw: AdamW(),
            schedule: Schedule(epochs: 1, warmupEpochs: 0, learningRate: 1e-3), batchSize: batch)
    }

    @Test("its parts add up") func itsPartsAddUp() throws {
        let settings = try settings("tiny-p16", batch: 4), plan = try TrainingPlan(settings, threads: 2, isa: .best)
        // Panels pad nothing here: every width is a multiple of 16 but the 196 scores, which take 208.
        let parameters = ModelParameters(settings.model).parameters.reduce(0) { $0 + $1.shape.reduce(1, *) } + 12 * 192 + 12
        #expect(plan.parameterBytes == 4 * parameters)
        #expect(plan.persistentBytes == 3 * plan.parameterBytes)
        #expect(plan.arenaBytes == plan.lowerBoundBytes)
        #expect(plan.flops >= 0.99 * LeastWork(settings.model, maskRatio: 0.75).flops * 4)
        #expect(plan.pieceImages == nil && plan.recomputedFlops == 0)
    }

    /// Ever smaller limits: each is kept, costs no less work than the one before, and the last is refused with the least there is.
    @Test("limits are kept") func limitsAreKept() throws {
        let settings = try settings("tiny-p16", batch: 8), plain = try TrainingPlan(settings, threads: 2, isa: .best)
        var work = plain.flops
        for share in [0.9, 0.7, 0.5, 0.3] {
            let limit = plain.residentBytes - Int(Double(plain.arenaBytes) * (1 - share))
            let plan = try TrainingPlan(settings, threads: 2, isa: .best, memoryLimit: limit)
            #expect(plan.residentBytes <= limit)
            #expect(plan.flops >= work && plan.flops < 1.6 * plain.flops)
            work = plan.flops
        }
        let error = #expect(throws: LearningError.self) {
            try TrainingPlan(settings, threads: 2, isa: .best, memoryLimit: plain.residentBytes - plain.arenaBytes)
        }
        guard case .memory(_, let least)? = error else {
            Issue.record("not a limit's error: \(String(describing: error))")
            return
        }
        #expect(try TrainingPlan(settings, threads: 2, isa: .best, memoryLimit: least + 100_000).residentBytes <= least + 100_000)
    }

    @Test("the pieces that meet a limit are the same for any number of threads and every ISA")
    func piecesFollowFromTheLimit() throws {
        let settings = try settings("tiny-p16", batch: 16), plain = try TrainingPlan(settings, threads: 1, isa: .best)
        for share in [0.8, 0.4, 0.25] {
            let limit = plain.residentBytes - Int(Double(plain.arenaBytes) * (1 - share))
            let pieces = try Set(
                [1, 2, 4].flatMap { threads in
                    try ISA.available.map { try TrainingPlan(settings, threads: threads, isa: $0, memoryLimit: limit).pieceImages }
                })
            #expect(pieces.count == 1, "\(pieces)")
        }
    }

    @Test("a limit below what nothing can do without is refused before anything is compiled")
    func hopelessLimit() throws {
        var settings = try settings("huge-p14", batch: 4096)
        settings.model.depth = 1024
        for limit in [7, 1 << 30] {
            let error = #expect(throws: LearningError.self) { try TrainingPlan(settings, threads: 2, isa: .best, memoryLimit: limit) }
            guard case .memory(limit, let least)? = error else {
                Issue.record("not a limit's error: \(String(describing: error))")
                return
            }
            #expect(least > 1 << 30)
        }
    }

    @Test("where the machine has less, parts are computed twice; where that is not enough, the largest pieces that fit are named")
    func fourFifths() throws {
        let settings = try settings("tiny-p16", batch: 16), data = DataMemory()
        func choice(_ bytes: Int, recorded: MemoryChoice? = nil) throws -> MemoryChoice? {
            try TrainingPlan.choice(settings, threads: 2, isa: .best, recorded: recorded, data: data, machineBytes: bytes)
        }
        let plain = try TrainingPlan(settings, threads: 2, isa: .best)
        #expect(try choice(2 * plain.residentBytes) == nil)
        let tight = try #require(try choice((plain.residentBytes - plain.arenaBytes / 8) * 5 / 4))
        #expect(tight.pieceImages == nil && tight.arenaBytes < plain.arenaBytes)
        // From some limit on no way to compute twice is enough.
        var error: LearningError?, limit = plain.residentBytes
        while error == nil, limit > plain.residentBytes - plain.arenaBytes {
            limit -= plain.arenaBytes / 64
            do { _ = try choice(limit * 5 / 4) } catch let caught as LearningError { error = caught }
        }
        guard case .configuration(let message)? = error else {
            Issue.record("not about settings: \(String(describing: error))")
            return
        }
        #expect(message.settings == [.pieceImages], "\(message)")
        let words = message.description.split(separator: " ").map { $0.filter(\.isNumber) }
        let named = try #require(words.compactMap { Int($0) }.last)
        var pieces = settings
        pieces.pieceImages = named
        #expect(throws: Never.self) {
            try TrainingPlan(pieces, threads: 2, isa: .best, memoryLimit: limit)
        }
        // A run keeps its pieces, and what it computes twice where that still fits.
        let recorded = MemoryChoice(pieceImages: 3, arenaBytes: plain.arenaBytes)
        #expect(try choice(2 * plain.residentBytes, recorded: recorded) == recorded)
    }

    @Test(
        "the batch is the largest power of two that gives 20 updates an epoch, between 8 and 256, or all images",
        arguments: [(1, 1), (7, 7), (100, 8), (320, 16), (319, 8), (5000, 128), (5120, 256), (1_281_167, 256)])
    func defaultBatch(images: Int, batch: Int) {
        #expect(PretrainSettings.batchSize(images: images, accumulation: 1) == batch)
        #expect(PretrainSettings.batchSize(images: 2 * images, accumulation: 2) == (images < 8 ? min(2 * images, 8) : batch))
    }
}

@Suite("What a team can use at best") struct TeamEfficiencyTests {
    /// y = x·W of a panel's columns on so many rows.
    private func linear(_ rows: Int32, from: Int, to: Int) -> Instruction {
        .linear(
            linear_places(
                flags: 0, rows: rows, columns: 16, depth: 64, section: 16, period: rows, y: Operand(.arena, to).encoded, derivative: .max,
                x: Operand(.arena, from).encoded, weight: Operand(.parameters, 0).encoded, bias: .max, residual: .max, multiplier: .max))
    }

    @Test("one thread works all the time, and a task that cannot be divided leaves the others idle") func shares() {
        let one = linear(1, from: 0, to: 1 << 20)
        #expect(one.tasks(threads: 4, isa: .best) == 1)
        #expect(TeamEfficiency([([one], 1)], threads: [1, 4], isa: .best).teams.map(\.share) == [1, 0.25])
        // Two that need not wait for one another share a stage, two in a chain do not.
        let beside = linear(1, from: 0, to: 2 << 20), behind = linear(1, from: 1 << 20, to: 2 << 20)
        #expect(TeamEfficiency([([one, beside], 3)], threads: [2], isa: .best).teams.map(\.share) == [1])
        #expect(TeamEfficiency([([one, behind], 0.5)], threads: [2], isa: .best).teams.map(\.share) == [0.5])
    }

    @Test("work in many tasks keeps a team busy, but for the last") func many() {
        let large = linear(1 << 14, from: 0, to: 1 << 24)
        for (threads, share) in TeamEfficiency([([large], 1)], threads: [2, 4, 8], isa: .best).teams {
            let tasks = large.tasks(threads: threads, isa: .best), rounds = (tasks + threads - 1) / threads
            #expect(abs(share - Double(tasks) / Double(threads * rounds)) < 1e-12 && share > 0.8)
        }
    }
}
