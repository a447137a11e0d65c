@testable import Features
import Testing
import TestSupport

@Suite("Nearest neighbours") struct NearestNeighboursTests {
    /// All distances, sorted by (distance, index), in plain Double.
    private func neighbours(_ training: LabelledFeatures, _ test: LabelledFeatures, k: Int) -> [[Int]] {
        (0..<test.count).map { row in
            let distances = (0..<training.count).map { other in
                var sum = 0.0
                for column in 0..<test.width {
                    let a = Double(test.features[row * test.width + column])
                    let b = Double(training.features[other * test.width + column])
                    sum += (a - b) * (a - b)
                }
                return (sum, other)
            }
            return distances.sorted { $0 < $1 }.prefix(k).map(\.1)
        }
    }

    @Test("the nearest are those of Double loops over all pairs", arguments: [(1, 1, 1, 1), (7, 5, 3, 3), (50, 20, 1, 5), (1100, 300, 17, 5), (30, 10, 33, 30)])
    func sameAsPlainLoops(trainingCount: Int, testCount: Int, width: Int, k: Int) throws {
        var numbers = TestNumbers(seed: UInt64(trainingCount))
        // An offset far larger than the spread: products cancel, and neighbours must be right all the same.
        for offset: Float in [0, 1000] {
            let training = try LabelledFeatures(
                features: numbers.next(trainingCount * width).map { $0 + offset }, width: width,
                labels: numbers.labels(trainingCount, classes: 4))
            let test = try LabelledFeatures(
                features: numbers.next(testCount * width).map { $0 + offset }, width: width,
                labels: numbers.labels(testCount, classes: 4))
            let found = try NearestNeighbours(training: training, k: k).neighbours(of: test)
            #expect(found == neighbours(training, test, k: k))
        }
    }

    @Test("products that overflow sort nothing out") func enormousFeatures() throws {
        var numbers = TestNumbers(seed: 8)
        func set(_ count: Int) throws -> LabelledFeatures {
            try LabelledFeatures(features: numbers.next(count * 4).map { $0 * 3e38 }, width: 4, labels: Array(repeating: 0, count: count))
        }
        let training = try set(60), test = try set(20)
        #expect(try NearestNeighbours(training: training, k: 3).neighbours(of: test) == neighbours(training, test, k: 3))
    }

    @Test("rows as wide as images are searched in smaller blocks") func wideRows() throws {
        let width = 200_000
        #expect(NeighbourSearch.bytes(training: 100_000, test: 100_000, width: width) < 1 << 27)
        var numbers = TestNumbers(seed: 9)
        func set(_ count: Int) throws -> LabelledFeatures {
            try LabelledFeatures(features: numbers.next(count * width), width: width, labels: Array(repeating: 0, count: count))
        }
        let training = try set(40), test = try set(3)
        #expect(try NearestNeighbours(training: training, k: 4, threads: 2).neighbours(of: test) == neighbours(training, test, k: 4))
    }

    @Test("of equally near rows the first comes first") func equalDistancesGoToTheSmallerIndex() throws {
        // A grid of few values: most distances are equal to others.
        var numbers = TestNumbers(seed: 3)
        let grid = { (count: Int) in numbers.next(count).map { ($0 * 1.5).rounded() } }
        let training = try LabelledFeatures(features: grid(1500 * 2), width: 2, labels: Array(repeating: 0, count: 1500))
        let test = try LabelledFeatures(features: grid(40 * 2), width: 2, labels: Array(repeating: 0, count: 40))
        let found = try NearestNeighbours(training: training, k: 7).neighbours(of: test)
        #expect(found == neighbours(training, test, k: 7))
    }

    @Test("the most frequent label wins, of equally frequent ones the smallest", arguments: [
        ([1], 1), ([3, 3, 1], 3), ([2, 1, 2, 1, 9], 1), ([5, 4, 3, 2, 1], 1), ([7, 0, 7, 0, 7], 7), ([-1, 4], -1),
    ])
    func mostFrequentLabel(labels: [Int], expected: Int) {
        #expect(NearestNeighbours.mostFrequent(labels) == expected)
    }

    @Test("accuracies are those counted by hand") func accuraciesByHand() throws {
        // On a line: training at 0, 1, 2 | 10, 11, 12.
        let training = try LabelledFeatures(features: [0, 1, 2, 10, 11, 12], width: 1, labels: [0, 0, 1, 1, 1, 0])
        let test = try LabelledFeatures(features: [0.4, 11.2, 0.9, 2.1], width: 1, labels: [0, 0, 1, 5])
        // Neighbours: {0,0,1} -> 0 right; {1,0,1} -> 1 wrong, any right; {0,0,1} -> 0 wrong, any right; wrong, none.
        let accuracy = try NearestNeighbours(training: training, k: 3).accuracy(on: test)
        #expect(accuracy == .init(top1: 0.25, anyNeighbour: 0.75))
    }

    @Test("impossible inputs are named") func impossibleInputsAreNamed() throws {
        let training = try LabelledFeatures(features: [0, 1], width: 1, labels: [0, 0])
        let wide = try LabelledFeatures(features: [0, 1], width: 2, labels: [0])
        for k in [0, -1, 3] {
            #expect(throws: FeaturesError.neighbourCount(k, training: 2)) { try NearestNeighbours(training: training, k: k) }
        }
        #expect(throws: FeaturesError.differentWidths(training: 1, test: 2)) {
            try NearestNeighbours(training: training, k: 1).accuracy(on: wide)
        }
        #expect(throws: FeaturesError.empty) { try LabelledFeatures(features: [], width: 1, labels: []) }
        #expect(throws: FeaturesError.sizes(features: 3, width: 2, labels: 2)) {
            try LabelledFeatures(features: [1, 2, 3], width: 2, labels: [0, 1])
        }
        #expect(throws: FeaturesError.notFinite(row: 1)) {
            try LabelledFeatures(features: [1, 2, 3, .nan], width: 2, labels: [0, 1])
        }
    }
}
