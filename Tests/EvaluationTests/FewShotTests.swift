import CurricleFeatures
import Foundation
import Testing
@testable import CurricleEvaluation

@Suite("Few-shot episodes") struct FewShotTests {
    /// Classes far apart are told apart from one example; labels that say nothing are guessed.
    @Test("classes far apart are known from one example, and labels that say nothing are guessed") func knowsAndGuesses() throws {
        func set(_ count: Int, phase: Double, informative: Bool) throws -> LabelledFeatures {
            let labels = (0..<count).map { $0 % 8 }
            var features: [Float] = []
            for i in 0..<count {
                for column in 0..<8 {
                    let noise = Float(sin(Double(i * 13 + column * 5) + phase)) * 0.1
                    features.append(informative && column == labels[i] ? noise + 4 : noise)
                }
            }
            return try LabelledFeatures(features: features, width: 8, labels: labels)
        }
        let sure = try FewShot(ways: 5, shots: 1, episodes: 50).run(
            training: set(160, phase: 0, informative: true), test: set(80, phase: 1, informative: true))
        #expect(sure.mean == 1 && sure.interval == 0 && sure.episodes == 50 && FewShot.Result([sure, sure]).episodes == 100)
        let blind = try FewShot(ways: 5, shots: 5, episodes: 200).run(
            training: set(160, phase: 0, informative: false), test: set(80, phase: 1, informative: false))
        #expect(blind.mean < 0.5 && blind.interval > 0)
        #expect(throws: EvaluationError.fewClasses(ways: 9, shots: 1, found: 8)) {
            try FewShot(ways: 9, shots: 1, episodes: 1).run(
                training: set(160, phase: 0, informative: true), test: set(80, phase: 1, informative: true))
        }
        #expect(throws: EvaluationError.fewClasses(ways: 5, shots: 21, found: 0)) {
            try FewShot(ways: 5, shots: 21, episodes: 1).run(
                training: set(160, phase: 0, informative: true), test: set(80, phase: 1, informative: true))
        }
    }
}
