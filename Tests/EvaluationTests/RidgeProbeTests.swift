import Foundation
import CurricleTestSupport
import Testing
@testable import CurricleEvaluation
@testable import CurricleFeatures

@Suite struct RidgeProbeTests {
    /// Scores [test rows, classes] by the definition: standardise, add ones, solve by Gauss and Jordan with pivots, in Double.
    private func scores(_ training: LabelledFeatures, _ test: LabelledFeatures, penalty: Double) -> [[Double]] {
        let width = training.width
        let count = training.count
        let rows = { (set: LabelledFeatures) in
            (0..<set.count).map { row in (0..<width).map { Double(set.features[row * width + $0]) } }
        }
        let raw = rows(training)
        let means = (0..<width).map { column -> Double in raw.map { $0[column] }.reduce(0, +) / Double(count) }
        let deviations = (0..<width).map { column -> Double in
            var sum = 0.0
            for row in raw { sum += (row[column] - means[column]) * (row[column] - means[column]) }
            return (sum / Double(count)).squareRoot()
        }
        let standardise = { (row: [Double]) -> [Double] in
            let scaled: [Double] = (0..<width).map { deviations[$0] == 0 ? 0 : (row[$0] - means[$0]) / deviations[$0] }
            return scaled + [1]
        }
        let z = raw.map(standardise)
        let classes = Set(training.labels).sorted()
        let n = width + 1
        var system = [[Double]](repeating: [Double](repeating: 0, count: n + classes.count), count: n)
        for i in 0..<n {
            system[i][i] = penalty * Double(count)
            for (row, label) in zip(z, training.labels) {
                for j in 0..<n { system[i][j] += row[i] * row[j] }
                for (place, known) in classes.enumerated() where known == label { system[i][n + place] += row[i] }
            }
        }
        for pivot in 0..<n {
            let best = (pivot..<n).max { abs(system[$0][pivot]) < abs(system[$1][pivot]) } ?? pivot
            system.swapAt(pivot, best)
            let scale = system[pivot][pivot]
            system[pivot] = system[pivot].map { $0 / scale }
            for row in 0..<n where row != pivot {
                let factor = system[row][pivot]
                for column in pivot..<system[row].count { system[row][column] -= factor * system[pivot][column] }
            }
        }
        return rows(test).map(standardise).map { row -> [Double] in
            classes.indices.map { place -> Double in
                var score = 0.0
                for column in 0..<n { score += row[column] * system[column][n + place] }
                return score
            }
        }
    }

    @Test("same scores as the definition", arguments: [(12, 5, 3, 2), (40, 9, 6, 4), (1100, 30, 7, 3), (5, 4, 9, 2)])
    func sameScoresAsTheDefinition(trainingCount: Int, testCount: Int, width: Int, classCount: Int) throws {
        var numbers = TestNumbers(seed: UInt64(width))
        let labels = (0..<trainingCount).map { [4, 2, 9, 30][$0 % classCount] }
        var features = numbers.next(trainingCount * width).map { $0 * 3 + 20 }
        for row in 0..<trainingCount { features[row * width] += Float(labels[row]) / 4 }
        let training = try LabelledFeatures(features: features, width: width, labels: labels)
        let test = try LabelledFeatures(
            features: numbers.next(testCount * width).map { $0 * 3 + 21 }, width: width,
            labels: numbers.labels(testCount, classes: 10))
        let probe = try RidgeProbe(training: training, penalty: 0.01)
        let expected = scores(training, test, penalty: 0.01)
        let found = try probe.scores(test)
        #expect(probe.classes == Set(labels).sorted())
        for (a, b) in zip(found, expected.joined()) { #expect(abs(a - b) < 1e-10) }
        #expect(found.count == testCount * classCount)
        let predicted = try probe.predict(test)
        for (row, label) in predicted.enumerated() {
            let best = expected[row].indices.max { expected[row][$0] < expected[row][$1] }
            #expect(label == probe.classes[best ?? 0])
        }
        let right = zip(predicted, test.labels).filter { $0 == $1 }.count
        #expect(try probe.accuracy(on: test) == Double(right) / Double(testCount))
    }

    @Test("constant columns say nothing") func constantColumnsSayNothing() throws {
        var numbers = TestNumbers(seed: 8)
        let plain = numbers.next(60)
        let labels = plain.map { $0 > 0 ? 1 : 0 }
        let withConstant = { (constant: Float) in plain.flatMap { [$0, constant] } }
        let probe = try RidgeProbe(training: LabelledFeatures(features: withConstant(0.1), width: 2, labels: labels))
        let single = try RidgeProbe(training: LabelledFeatures(features: plain, width: 1, labels: labels))
        // The test set's column differs by less than it takes to see, and by a lot.
        for constant: Float in [0.1, 0.2, 1e6] {
            let scores = try probe.scores(LabelledFeatures(features: withConstant(constant), width: 2, labels: labels))
            let expected = try single.scores(LabelledFeatures(features: plain, width: 1, labels: labels))
            for (a, b) in zip(scores, expected) { #expect(abs(a - b) < 1e-10) }
        }
    }

    @Test("one class and equal scores") func oneClassAndEqualScores() throws {
        let one = try LabelledFeatures(features: [1, 2, 3], width: 1, labels: [7, 7, 7])
        #expect(try RidgeProbe(training: one).predict(one) == [7, 7, 7])
        // Both classes look the same: equal scores, the smaller label.
        let same = try LabelledFeatures(features: [1, 1, 1, 1], width: 1, labels: [5, 3, 5, 3])
        #expect(try RidgeProbe(training: same).predict(same) == [3, 3, 3, 3])
    }

    @Test("impossible inputs are named") func impossibleInputsAreNamed() throws {
        let set = try LabelledFeatures(features: [1, 2, 3], width: 1, labels: [0, 1, 0])
        for penalty in [0, -1, Double.infinity] {
            #expect(throws: EvaluationError.penalty(penalty)) { try RidgeProbe(training: set, penalty: penalty) }
        }
        let wide = try LabelledFeatures(features: [1, 2], width: 2, labels: [0])
        #expect(throws: FeaturesError.differentWidths(training: 1, test: 2)) { try RidgeProbe(training: set).predict(wide) }
    }

    private struct Chosen: Decodable {
        let features: [Float], labels: [Int], width: Int, errors: [Double], chosen: Double
    }

    @Test("the penalty of least leave-one-out error is scikit-learn's, and so are the errors")
    func penaltiesAreChosen() throws {
        let cases = try JSONDecoder().decode([Chosen].self, from: Data(contentsOf: URL(fileURLWithPath: fixture("ridge.json"))))
        #expect(cases.count == 3)
        for expected in cases {
            let probe = try RidgeProbe(
                training: LabelledFeatures(features: expected.features, width: expected.width, labels: expected.labels))
            #expect(abs(probe.penalty / expected.chosen - 1) < 1e-12)
            #expect(probe.errors.count == expected.errors.count)
            for (a, b) in zip(probe.errors, expected.errors) { #expect(abs(a / b - 1) < 1e-7) }
        }
    }
}
