import CurricleFeatures
import Foundation
import CurricleRandomness

/// n-way k-shot classification: in each episode n classes are drawn, k images of each to learn from and some others to judge
/// on. A query belongs to the class whose examples' mean is nearest, on features with the training set's mean taken away and
/// of length 1 (SimpleShot, Wang et al., arXiv 1911.04623, "CL2N").
package struct FewShot: Sendable {
    package struct Result: Sendable, Equatable {
        /// Mean accuracy over the episodes, and half the width of its 95 % interval, 1.96·σ/√episodes.
        package let mean, interval: Double
        package let episodes: Int
        /// Of each episode.
        fileprivate let accuracies: [Double]

        fileprivate init(_ accuracies: [Double]) {
            let n = Double(accuracies.count), mean = accuracies.reduce(0, +) / n
            let variance = accuracies.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(1, n - 1)
            self.mean = mean
            interval = 1.96 * (variance / n).squareRoot()
            episodes = accuracies.count
            self.accuracies = accuracies
        }

        /// All episodes of several runs, at least one.
        package init(_ runs: [Result]) { self.init(runs.flatMap(\.accuracies)) }
    }

    package var ways: Int
    package var shots: Int
    package var episodes: Int
    /// Images of each class that an episode is judged on, at most.
    package var queries: Int
    package var seed: UInt64

    package init(ways: Int, shots: Int, episodes: Int, queries: Int = 15, seed: UInt64 = 0) {
        self.ways = ways
        self.shots = shots
        self.episodes = episodes
        self.queries = queries
        self.seed = seed
    }

    /// - Parameters:
    ///   - training: what shots are drawn from.
    ///   - test: what queries are drawn from.
    /// - Throws: `FeaturesError.differentWidths`; `EvaluationError.fewClasses` where fewer than n classes have k training images and a test
    ///   image.
    package func run(training: LabelledFeatures, test: LabelledFeatures, progress: (Int, Int) -> Void = { _, _ in }) throws -> Result {
        guard test.width == training.width else { throw FeaturesError.differentWidths(training: training.width, test: test.width) }
        let shotRows = Dictionary(grouping: training.labels.indices) { training.labels[$0] }
        let queryRows = Dictionary(grouping: test.labels.indices) { test.labels[$0] }
        let classes = shotRows.filter { $0.value.count >= shots && queryRows[$0.key] != nil }.keys.sorted()
        guard classes.count >= ways, ways >= 2 else { throw EvaluationError.fewClasses(ways: ways, shots: shots, found: classes.count) }
        let centre = training.mean, shotsNormal = training.centredAndNormalised(centre), queriesNormal = test.centredAndNormalised(centre)
        let width = training.width
        var accuracies: [Double] = []
        for episode in 0..<episodes {
            var random = Philox(seed: seed, stream: (0x6665_7773, UInt32(truncatingIfNeeded: episode), 0))
            let chosen = random.permutation(classes.count).prefix(ways).map { classes[$0] }
            func draw(_ rows: [Int], _ count: Int) -> [Int] { random.permutation(rows.count).prefix(count).map { rows[$0] } }
            let means = chosen.map { label in
                var mean = [Double](repeating: 0, count: width)
                for row in draw(shotRows[label] ?? [], shots) {
                    for i in 0..<width { mean[i] += shotsNormal[row * width + i] / Double(shots) }
                }
                return mean
            }
            var right = 0, judged = 0
            for label in chosen {
                for row in draw(queryRows[label] ?? [], queries) {
                    let distances = means.map { mean in
                        (0..<width).reduce(0.0) {
                            $0 + (mean[$1] - queriesNormal[row * width + $1]) * (mean[$1] - queriesNormal[row * width + $1])
                        }
                    }
                    if let best = distances.indices.min(by: { (distances[$0], $0) < (distances[$1], $1) }), chosen[best] == label {
                        right += 1
                    }
                    judged += 1
                }
            }
            accuracies.append(Double(right) / Double(judged))
            progress(episode + 1, episodes)
        }
        return Result(accuracies)
    }
}

extension LabelledFeatures {
    /// Mean of each column.
    fileprivate var mean: [Double] {
        var sums = [Double](repeating: 0, count: width)
        for row in 0..<count { for i in 0..<width { sums[i] += Double(features[row * width + i]) } }
        return sums.map { $0 / Double(count) }
    }

    /// Rows with a centre taken away, of length 1; a row at the centre is zero.
    fileprivate func centredAndNormalised(_ centre: [Double]) -> [Double] {
        var values = widened(self, rows: 0..<count)
        for row in 0..<count {
            let range = (row * width)..<((row + 1) * width)
            for i in range { values[i] -= centre[i - range.lowerBound] }
            let length = values[range].reduce(0) { $0 + $1 * $1 }.squareRoot()
            if length > 0 { for i in range { values[i] /= length } }
        }
        return values
    }
}
