import CurricleRuntime

/// k nearest neighbours, as CL-MAE's `main_zeroshot.py` judges features: Euclidean distance, no normalisation.
package struct NearestNeighbours: Sendable {
    /// How well the neighbours predict the test set's classes.
    package struct Accuracy: Sendable, Equatable {
        /// Share of test rows whose neighbours' most frequent class is right; among equally frequent ones the smallest
        /// label counts.
        package let top1: Double
        /// Share of test rows with any neighbour of the right class.
        package let anyNeighbour: Double
    }

    private let training: LabelledFeatures
    private let k: Int
    private let threads: Int
    private let isa: ISA

    /// - Parameters:
    ///   - k: how many neighbours decide.
    ///   - threads: of the products; they change no result.
    /// - Throws: `.neighbourCount` unless 1 <= k <= the number of training rows.
    package init(training: LabelledFeatures, k: Int, threads: Int = 1, isa: ISA = .best) throws(FeaturesError) {
        guard (1...training.count).contains(k) else { throw .neighbourCount(k, training: training.count) }
        self.training = training
        self.k = k
        self.threads = threads
        self.isa = isa
    }

    /// - Parameter leftOut: of each test row, the training rows of the same image, which are no neighbours of it; empty for none at all.
    /// - Throws: `FeaturesError.differentWidths`, `.neighbourCount` where fewer than k are left, `RuntimeError` where memory is lacking.
    package func accuracy(on test: LabelledFeatures, leavingOut leftOut: [[Int]] = []) throws -> Accuracy {
        let neighbours = try neighbours(of: test, leavingOut: leftOut)
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
    /// - Throws: as ``accuracy(on:leavingOut:)``.
    package func neighbours(of test: LabelledFeatures, leavingOut leftOut: [[Int]] = []) throws -> [[Int]] {
        try NeighbourSearch(training, .squaredEuclidean, threads: threads, isa: isa).nearest(k, to: test, leavingOut: leftOut).map {
            $0.entries.map(\.index)
        }
    }

    /// The most frequent label; of equally frequent ones the smallest.
    static func mostFrequent(_ labels: [Int]) -> Int? {
        let counts = Dictionary(labels.map { ($0, 1) }, uniquingKeysWith: +)
        return counts.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
    }
}
