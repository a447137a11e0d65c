import Foundation
import CurricleRuntime

/// k nearest neighbours as DINOv2 judges features (`dinov2/eval/knn.py`): features of length 1, cosine similarity s, each
/// neighbour votes for its class with e^(s/T).
package struct CosineNeighbours: Sendable {
    private let training: LabelledFeatures
    private let classes: [Int]
    private let places: [Int]
    private let temperature: Double
    private let threads: Int
    private let isa: ISA

    /// - Parameters:
    ///   - temperature: T, above 0.
    ///   - threads: of the products; they change no result.
    package init(training: LabelledFeatures, temperature: Double = 0.07, threads: Int = 1, isa: ISA = .best) {
        self.training = training
        classes = Set(training.labels).sorted()
        let place = Dictionary(uniqueKeysWithValues: classes.enumerated().map { ($1, $0) })
        places = training.labels.map { place[$0] ?? 0 }
        self.temperature = temperature
        self.threads = threads
        self.isa = isa
    }

    /// Share of test rows whose heaviest class is right, for each k; of equally heavy classes the smallest label counts.
    /// - Parameter leftOut: of each test row, the training rows of the same image, which do not vote; empty for none at all.
    /// - Throws: `FeaturesError.neighbourCount` unless every k is in 1…training rows; `.differentWidths`; `RuntimeError` where memory is
    ///   lacking.
    package func accuracy(on test: LabelledFeatures, ks: [Int], leavingOut leftOut: [[Int]] = []) throws -> [Double] {
        for k in ks { guard (1...places.count).contains(k) else { throw FeaturesError.neighbourCount(k, training: places.count) } }
        let nearest = try NeighbourSearch(training, .negatedCosine, threads: threads, isa: isa).nearest(
            ks.max() ?? 0, to: test, leavingOut: leftOut)
        return ks.map { k in
            let right = zip(nearest, test.labels).count { list, label in vote(list.entries.prefix(k)) == label }
            return Double(right) / Double(test.count)
        }
    }

    private func vote(_ nearest: ArraySlice<(distance: Double, index: Int)>) -> Int? {
        var votes = [Double](repeating: 0, count: classes.count)
        for neighbour in nearest { votes[places[neighbour.index]] += exp(-neighbour.distance / temperature) }
        return votes.indices.max { (votes[$0], $1) < (votes[$1], $0) }.map { classes[$0] }
    }
}
