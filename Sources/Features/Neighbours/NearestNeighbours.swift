import CSupport

/// k nearest neighbours, as CL-MAE's `main_zeroshot.py` judges features: Euclidean distance, no normalisation.
public struct NearestNeighbours: Sendable {
    /// How well the neighbours predict the test set's classes.
    public struct Accuracy: Sendable, Equatable {
        /// Share of test rows whose neighbours' most frequent class is right; among equally frequent ones the smallest
        /// label counts.
        public let top1: Double
        /// Share of test rows with any neighbour of the right class.
        public let anyNeighbour: Double
    }

    private static let trainingBlock = 1024
    private static let testBlock = 256

    private let training: LabelledFeatures
    private let k: Int

    /// - Parameter k: how many neighbours decide.
    /// - Throws: `.neighbourCount` unless 1 <= k <= the number of training rows.
    public init(training: LabelledFeatures, k: Int) throws(EvaluationError) {
        guard (1...training.count).contains(k) else { throw .neighbourCount(k, training: training.count) }
        self.training = training
        self.k = k
    }

    /// - Throws: `.differentWidths`.
    public func accuracy(on test: LabelledFeatures) throws(EvaluationError) -> Accuracy {
        let neighbours = try neighbours(of: test)
        var majorityRight = 0
        var anyRight = 0
        for (row, label) in zip(neighbours, test.labels) {
            let labels = row.map { training.labels[$0] }
            if NearestNeighbours.mostFrequent(labels) == label { majorityRight += 1 }
            if labels.contains(label) { anyRight += 1 }
        }
        return Accuracy(top1: Double(majorityRight) / Double(test.count), anyNeighbour: Double(anyRight) / Double(test.count))
    }

    /// For each test row the k nearest training rows, nearest first; of equally near ones the first.
    ///
    /// Matrix products give distances to within rounding and sort out nearly all pairs; what is left is measured
    /// difference by difference in Double, so that equal rows are equally far.
    /// - Throws: `.differentWidths`.
    public func neighbours(of test: LabelledFeatures) throws(EvaluationError) -> [[Int]] {
        guard test.width == training.width else {
            throw .differentWidths(training: training.width, test: test.width)
        }
        var nearest = [NearestList](repeating: NearestList(capacity: k), count: test.count)
        for trainingRows in blocks(of: training.count, size: NearestNeighbours.trainingBlock) {
            let trainingBlock = Block(training, rows: trainingRows)
            for testRows in blocks(of: test.count, size: NearestNeighbours.testBlock) {
                compare(Block(test, rows: testRows), with: trainingBlock, into: &nearest)
            }
        }
        return nearest.map { list in list.entries.map(\.index) }
    }

    private func compare(_ test: Block, with training: Block, into nearest: inout [NearestList]) {
        let columns = training.rows.count
        var products = [Double](repeating: 0, count: test.rows.count * columns)
        curricle_blas_dot_products(
            Int32(test.rows.count), Int32(columns), Int32(test.width), test.values, training.values, &products)
        // |a|² + |b|² - 2ab, each sum of `width` terms off by at most width roundings of its largest partial sum.
        let relativeError = Double(4 * test.width + 16) * Double.ulpOfOne
        for i in 0..<test.rows.count {
            var list = nearest[test.rows.lowerBound + i]
            for j in 0..<columns {
                let squares = test.squares[i] + training.squares[j]
                let atLeast = squares - 2 * products[i * columns + j] - relativeError * squares
                if let worst = list.worst, atLeast > worst { continue }
                list.offer(test.distance(i, to: training, j), index: training.rows.lowerBound + j)
            }
            nearest[test.rows.lowerBound + i] = list
        }
    }

    /// The most frequent label; of equally frequent ones the smallest.
    static func mostFrequent(_ labels: [Int]) -> Int? {
        let counts = Dictionary(labels.map { ($0, 1) }, uniquingKeysWith: +)
        return counts.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
    }

    /// Some rows, widened, with their squared lengths.
    private struct Block {
        let rows: Range<Int>
        let width: Int
        let values: [Double]
        let squares: [Double]

        init(_ set: LabelledFeatures, rows: Range<Int>) {
            let values = widened(set, rows: rows)
            let width = set.width
            squares = (0..<rows.count).map { row in
                (0..<width).reduce(0.0) { $0 + values[row * width + $1] * values[row * width + $1] }
            }
            self.rows = rows
            self.width = width
            self.values = values
        }

        /// Squared distance of two rows.
        func distance(_ row: Int, to other: Block, _ otherRow: Int) -> Double {
            var sum = 0.0
            for column in 0..<width {
                let difference = values[row * width + column] - other.values[otherRow * width + column]
                sum += difference * difference
            }
            return sum
        }
    }
}

/// The nearest rows found so far, nearest first. Rows must be offered by rising index.
struct NearestList {
    private(set) var entries: [(distance: Double, index: Int)] = []
    private let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    /// The distance beyond which nothing is taken any more; nil while there is room.
    var worst: Double? { entries.count == capacity ? entries.last?.distance : nil }

    mutating func offer(_ distance: Double, index: Int) {
        if let worst, distance >= worst { return }
        let place = entries.firstIndex { $0.distance > distance } ?? entries.count
        entries.insert((distance, index), at: place)
        if entries.count > capacity { entries.removeLast() }
    }
}
