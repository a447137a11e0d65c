import CSupport
import Foundation

/// k nearest neighbours as DINOv2 judges features (`dinov2/eval/knn.py`): features of length 1, cosine similarity s, each
/// neighbour votes for its class with e^(s/T).
public struct CosineNeighbours: Sendable {
    private static let block = 256

    private let classes: [Int]
    private let places: [Int]
    /// Rows of length 1, [count, width].
    private let rows: [Double]
    private let width: Int
    private let temperature: Double

    /// - Parameter temperature: T, above 0.
    public init(training: LabelledFeatures, temperature: Double = 0.07) {
        classes = Set(training.labels).sorted()
        let place = Dictionary(uniqueKeysWithValues: classes.enumerated().map { ($1, $0) })
        places = training.labels.map { place[$0] ?? 0 }
        rows = CosineNeighbours.normalised(training, rows: 0..<training.count)
        width = training.width
        self.temperature = temperature
    }

    /// Share of test rows whose heaviest class is right, for each k; of equally heavy classes the smallest label counts.
    /// - Throws: `.neighbourCount` unless every k is in 1…training rows; `.differentWidths`.
    public func accuracy(on test: LabelledFeatures, ks: [Int]) throws(EvaluationError) -> [Double] {
        guard test.width == width else { throw .differentWidths(training: width, test: test.width) }
        for k in ks { guard (1...places.count).contains(k) else { throw .neighbourCount(k, training: places.count) } }
        let most = ks.max() ?? 0
        var right = ks.map { _ in 0 }
        var products = [Double](repeating: 0, count: CosineNeighbours.block * places.count)
        for range in blocks(of: test.count, size: CosineNeighbours.block) {
            let values = CosineNeighbours.normalised(test, rows: range)
            curricle_blas_dot_products(Int32(range.count), Int32(places.count), Int32(width), values, rows, &products)
            for (i, row) in range.enumerated() {
                var nearest = NearestList(capacity: most) // by rising distance: falling similarity
                for index in places.indices { nearest.offer(-products[i * places.count + index], index: index) }
                for (which, k) in ks.enumerated() where vote(nearest.entries.prefix(k)) == test.labels[row] { right[which] += 1 }
            }
        }
        return right.map { Double($0) / Double(test.count) }
    }

    private func vote(_ nearest: ArraySlice<(distance: Double, index: Int)>) -> Int? {
        var votes = [Double](repeating: 0, count: classes.count)
        for neighbour in nearest { votes[places[neighbour.index]] += exp(-neighbour.distance / temperature) }
        return votes.indices.max { (votes[$0], $1) < (votes[$1], $0) }.map { classes[$0] }
    }

    /// Rows divided by their length; a row of zeros stays.
    private static func normalised(_ set: LabelledFeatures, rows: Range<Int>) -> [Double] {
        var values = widened(set, rows: rows)
        for row in 0..<rows.count {
            let range = (row * set.width)..<((row + 1) * set.width)
            let length = values[range].reduce(0) { $0 + $1 * $1 }.squareRoot()
            if length > 0 { for i in range { values[i] /= length } }
        }
        return values
    }
}
