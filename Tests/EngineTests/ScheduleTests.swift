import Foundation
import Testing
@testable import CurricleEngine

struct ScheduleTests {
    /// REFERENCE: 1 − 2e/E while e < E/2, then 1 − 2(e+1)/E; 0 is passed over.
    @Test("curriculum goes from partner to adversary") func curriculumGoesFromPartnerToAdversary() {
        let schedule = Schedule(epochs: 10, warmupEpochs: 2, learningRate: 1)
        let expected = [1, 0.8, 0.6, 0.4, 0.2, -0.2, -0.4, -0.6, -0.8, -1]
        for (epoch, factor) in expected.enumerated() {
            #expect(abs(Curriculum.linear.factor(epoch: epoch, of: schedule.epochs) - factor) < 1e-12)
        }
    }

    @Test("an odd count of epochs passes zero over") func anOddCountOfEpochsPassesZeroOver() {
        let schedule = Schedule(epochs: 5, warmupEpochs: 0, learningRate: 1)
        #expect((0..<5).allSatisfy { Curriculum.linear.factor(epoch: $0, of: schedule.epochs) != 0 })
        #expect(Curriculum.linear.factor(epoch: 4, of: schedule.epochs) == -1)
    }

    @Test("rate warms up and falls by half a cosine") func rateWarmsUpAndFallsByHalfACosine() {
        let schedule = Schedule(epochs: 100, warmupEpochs: 40, learningRate: 2e-3, minimumLearningRate: 1e-4)
        #expect(schedule.learningRate(at: 0) == 0)
        #expect(abs(schedule.learningRate(at: 10) - 5e-4) < 1e-15)
        #expect(abs(schedule.learningRate(at: 40) - 2e-3) < 1e-15)
        #expect(abs(schedule.learningRate(at: 70) - (1e-4 + 1.9e-3 / 2)) < 1e-15)
        #expect(abs(schedule.learningRate(at: 100) - 1e-4) < 1e-15)
    }
}
