import CurricleTestSupport
import Testing
@testable import CurricleFeatures

@Suite("Cosine neighbours") struct CosineNeighboursTests {
    @Test("votes give the accuracies of DINOv2's own protocol in PyTorch") func votesAsDINOv2Does() throws {
        let f = try EvaluationFixture().dino
        let neighbours = CosineNeighbours(training: try LabelledFeatures(features: f.train, width: f.width, labels: f.train_labels))
        let test = try LabelledFeatures(features: f.test, width: f.width, labels: f.test_labels)
        #expect(try neighbours.accuracy(on: test, ks: f.ks) == f.accuracy)
        #expect(Set(f.accuracy).count > 1)
        #expect(throws: FeaturesError.neighbourCount(111, training: 110)) { try neighbours.accuracy(on: test, ks: [111]) }
    }

    /// Similarities of all pairs in plain Double loops, sorted by (falling similarity, index).
    private func nearest(_ training: LabelledFeatures, _ test: LabelledFeatures, k: Int) -> [[Int]] {
        func row(_ set: LabelledFeatures, _ row: Int) -> [Double] {
            set.features[(row * set.width)..<((row + 1) * set.width)].map(Double.init)
        }
        func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
        return (0..<test.count).map { i in
            let a = row(test, i)
            let similarities = (0..<training.count).map { j -> (Double, Int) in
                let b = row(training, j), lengths = dot(a, a).squareRoot() * dot(b, b).squareRoot()
                return (lengths > 0 ? -dot(a, b) / lengths : 0, j)
            }
            return similarities.sorted { $0 < $1 }.prefix(k).map(\.1)
        }
    }

    @Test(
        "the nearest are those of Double loops over all pairs, whatever the rows' lengths, a row of zeros among them", arguments: [1, 3, 64]
    )
    func sameAsPlainLoops(width: Int) throws {
        var numbers = TestNumbers(seed: UInt64(width))
        func set(_ count: Int) throws -> LabelledFeatures {
            let rows = (0..<count).flatMap { row in numbers.next(width).map { $0 * Float(row % 5) * 1e3 } }
            return try LabelledFeatures(features: rows, width: width, labels: Array(repeating: 0, count: count))
        }
        let training = try set(1100), test = try set(290)
        let found = try NeighbourSearch(training, .negatedCosine, threads: 2, isa: .best).nearest(7, to: test).map {
            $0.entries.map(\.index)
        }
        #expect(found == nearest(training, test, k: 7))
    }
}
