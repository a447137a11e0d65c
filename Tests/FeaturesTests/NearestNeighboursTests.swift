import CurricleDatasets
import CurricleTestSupport
import Testing
@testable import CurricleFeatures

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

    @Test(
        "the nearest are those of Double loops over all pairs",
        arguments: [(1, 1, 1, 1), (7, 5, 3, 3), (50, 20, 1, 5), (1100, 300, 17, 5), (30, 10, 33, 30)])
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

    @Test(
        "the most frequent label wins, of equally frequent ones the smallest",
        arguments: [
            ([1], 1), ([3, 3, 1], 3), ([2, 1, 2, 1, 9], 1), ([5, 4, 3, 2, 1], 1), ([7, 0, 7, 0, 7], 7), ([-1, 4], -1)
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

    @Test("rows that are left out are no neighbours, whatever their distance", arguments: [RowDistance.squaredEuclidean, .negatedCosine])
    func leftOut(distance: RowDistance) throws {
        var numbers = TestNumbers(seed: 5)
        let training = try LabelledFeatures(features: numbers.next(1200 * 3), width: 3, labels: numbers.labels(1200, classes: 3))
        // Each test row is training row 7·i, and 7·i + 1 is left out besides.
        let test = try LabelledFeatures(
            features: (0..<60).flatMap { training.features[(21 * $0)..<(21 * $0 + 3)] }, width: 3, labels: Array(repeating: 0, count: 60))
        let same = (0..<60).map { [7 * $0, 7 * $0 + 1] }
        let found = try NeighbourSearch(training, distance, threads: 2, isa: .best).nearest(4, to: test, leavingOut: same).map {
            $0.entries.map(\.index)
        }
        for row in 0..<60 {
            func measured(_ other: Int) -> Double {
                let a = (0..<3).map { Double(test.features[row * 3 + $0]) }, b = (0..<3).map { Double(training.features[other * 3 + $0]) }
                let product = zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
                func square(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 } }
                return distance == .negatedCosine
                    ? -product / (square(a) * square(b)).squareRoot() : zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            }
            let expected = (0..<1200).filter { !same[row].contains($0) }.map { (measured($0), $0) }.sorted { $0 < $1 }.prefix(4).map(\.1)
            #expect(found[row] == expected)
        }
        #expect(throws: FeaturesError.neighbourCount(1199, training: 1198)) {
            try NearestNeighbours(training: training, k: 1199).accuracy(on: test, leavingOut: same)
        }
    }
}

@Suite("Images that are judged") struct JudgedImagesTests {
    @Test("an accuracy is printed with one standard error, images, classes and the largest class")
    func text() {
        // 66 of 286 images are of one class: 0.231; √(0.626·0.374/286) = 0.029.
        let labels = Array(repeating: 0, count: 66) + (0..<220).map { 1 + $0 % 7 }
        let judged = JudgedImages(labels: labels, classes: 8)
        #expect(judged.text(0.6258741258741258) == "0.626 ± 0.029 (286 images, 8 classes, largest 0.231)")
        #expect(abs(judged.standardError(of: 0.5) - (0.25 / 286).squareRoot()) < 1e-15)
    }

    @Test("a share of every class is held out, and folds are equal in every class, as the seed says", arguments: [UInt64(0), 9])
    func splits(seed: UInt64) {
        let labels = (0..<103).map { $0 % 10 == 0 ? 7 : $0 % 3 } + [42]
        let held = ImageSplit.heldOut(labels, share: 0.2, seed: seed)
        for label in Set(labels) {
            let all = labels.count { $0 == label }, out = zip(labels, held).count { $0 == label && $1 }
            #expect(out == (all == 1 ? 0 : max(1, Int((Double(all) * 0.2).rounded()))))
        }
        let folds = ImageSplit.folds(labels, count: 5, seed: seed)
        for label in Set(labels) {
            let sizes = (0..<5).map { fold in zip(labels, folds).count { $0 == label && $1 == fold } }
            #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1)
        }
        let sizes = (0..<5).map { fold in folds.count { $0 == fold } }
        #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= 1)
        #expect(ImageSplit.folds(labels, count: 5, seed: seed) == folds && ImageSplit.folds(labels, count: 5, seed: seed + 1) != folds)
        #expect(
            ImageSplit.heldOut(labels, share: 0.2, seed: seed) == held && ImageSplit.heldOut(labels, share: 0.2, seed: seed + 1) != held)
    }
}
