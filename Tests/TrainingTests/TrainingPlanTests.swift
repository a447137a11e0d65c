@testable import Engine
import Foundation
import Graph
import Models
@testable import Proofs
import Runtime
import Testing
@testable import Training

/// What a plan promises, held against counts by hand.
struct TrainingPlanTests {
    private func settings(_ preset: String, batch: Int) throws -> PretrainSettings {
        PretrainSettings(
            model: try #require(ModelConfiguration.preset(preset)), step: StepOptions(normalizedTargets: true), adamw: AdamW(),
            schedule: Schedule(epochs: 1, warmupEpochs: 0, learningRate: 1e-3), batchSize: batch)
    }

    @Test func itsPartsAddUp() throws {
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
    @Test func limitsAreKept() throws {
        let settings = try settings("tiny-p16", batch: 8), plain = try TrainingPlan(settings, threads: 2, isa: .best)
        var work = plain.flops
        for share in [0.9, 0.7, 0.5, 0.3] {
            let limit = plain.residentBytes - Int(Double(plain.arenaBytes) * (1 - share))
            let plan = try TrainingPlan(settings, threads: 2, isa: .best, memoryLimit: limit)
            #expect(plan.residentBytes <= limit)
            #expect(plan.flops >= work && plan.flops < 1.6 * plain.flops)
            work = plan.flops
        }
        let error = #expect(throws: LearningError.self) { try TrainingPlan(settings, threads: 2, isa: .best, memoryLimit: 1_000_000) }
        guard case .memory(_, let least)? = error else {
            Issue.record("not a limit's error: \(String(describing: error))")
            return
        }
        #expect(try TrainingPlan(settings, threads: 2, isa: .best, memoryLimit: least + 100_000).residentBytes <= least + 100_000)
    }
}
