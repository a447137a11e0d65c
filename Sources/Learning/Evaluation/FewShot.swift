import Foundation
import Randomness

/// n-way k-shot classification: in each episode n classes are drawn, k images of each to learn from and some others to judge
/// on, and a ridge probe in closed form is fitted to those few.
public struct FewShot: Sendable {
    public struct Result: Sendable, Equatable {
        /// Mean accuracy over the episodes, and half the width of its 95 % interval, 1.96·σ/√episodes.
        public let mean, interval: Double
        public let episodes: Int
    }

    public var ways: Int
    public var shots: Int
    public var episodes: Int
    /// Images of each class that an episode is judged on, at most.
    public var queries: Int
    public var seed: UInt64

    public init(ways: Int, shots: Int, episodes: Int, queries: Int = 15, seed: UInt64 = 0) {
        self.ways = ways
        self.shots = shots
        self.episodes = episodes
        self.queries = queries
        self.seed = seed
    }

    /// - Parameters:
    ///   - training: what shots are drawn from.
    ///   - test: what queries are drawn from.
    /// - Throws: `.fewClasses` where fewer than n classes have k training images and a test image.
    public func run(training: LabelledFeatures, test: LabelledFeatures, progress: (Int, Int) -> Void = { _, _ in }) throws(EvaluationError) -> Result {
        let shotRows = Dictionary(grouping: training.labels.indices) { training.labels[$0] }
        let queryRows = Dictionary(grouping: test.labels.indices) { test.labels[$0] }
        let classes = shotRows.filter { $0.value.count >= shots && queryRows[$0.key] != nil }.keys.sorted()
        guard classes.count >= ways, ways >= 2 else { throw .fewClasses(ways: ways, shots: shots, found: classes.count) }
        var accuracies: [Double] = []
        for episode in 0..<episodes {
            var random = Philox(seed: seed, stream: (0x6665_7773, UInt32(truncatingIfNeeded: episode), 0))
            let chosen = random.permutation(classes.count).prefix(ways).map { classes[$0] }
            func draw(_ rows: [Int], _ count: Int) -> [Int] { random.permutation(rows.count).prefix(count).map { rows[$0] } }
            let support = chosen.flatMap { draw(shotRows[$0] ?? [], shots) }, judged = chosen.flatMap { draw(queryRows[$0] ?? [], queries) }
            let probe = try RidgeProbe(training: training.rows(support), penalty: 0.1)
            accuracies.append(try probe.accuracy(on: test.rows(judged)))
            progress(episode + 1, episodes)
        }
        let n = Double(accuracies.count), mean = accuracies.reduce(0, +) / n
        let variance = accuracies.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, n - 1)
        return Result(mean: mean, interval: 1.96 * (variance / n).squareRoot(), episodes: accuracies.count)
    }
}

extension LabelledFeatures {
    /// Some of the rows, in the order given.
    func rows(_ rows: [Int]) throws(EvaluationError) -> LabelledFeatures {
        let values = rows.flatMap { features[($0 * width)..<(($0 + 1) * width)] }
        return try LabelledFeatures(features: values, width: width, labels: rows.map { labels[$0] })
    }
}
