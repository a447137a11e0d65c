import CurricleEngine
import CurricleFeatures
import Foundation
import CurricleRandomness

/// The linear probe of MAE (`main_linprobe.py`): a batch norm without parameters and a linear layer on frozen features,
/// trained with LARS on cross-entropy.
///
/// LARS (`util/lars.py`): for weights q = trust·‖w‖/‖g‖, for biases 1;  v = μ·v + q·g;  w −= lr·v. No weight decay.
/// The rate warms up linearly, then falls by half a cosine to 0, set per step at fractional epochs. Computed in Double.
package struct LinearProbe: Sendable {
    package struct Recipe: Sendable {
        /// Images a step; a training set that is smaller is one batch.
        package var batchSize: Int
        package var epochs: Int
        package var warmupEpochs: Double
        /// The peak learning rate. LARS divides gradients by their norm, so it does not follow from the batch.
        package var rate: Double
        package var seed: UInt64
        package init(batchSize: Int, epochs: Int, warmupEpochs: Double, rate: Double, seed: UInt64 = 0) {
            self.batchSize = batchSize
            self.epochs = epochs
            self.warmupEpochs = warmupEpochs
            self.rate = rate
            self.seed = seed
        }
        /// MAE's for ImageNet: batches of 16,384, so a rate of 0.1·16384/256 = 6.4.
        package static let reference = Recipe(batchSize: 16384, epochs: 90, warmupEpochs: 10, rate: 6.4)
        /// For thousands of images instead of a million: enough steps to get as far.
        package static let smallBatch = Recipe(batchSize: 64, epochs: 90, warmupEpochs: 10, rate: 6.4)
    }

    private static let momentum = 0.9, trust = 0.001, epsilon = 1e-6, statisticsMomentum = 0.1

    package let classes: [Int]
    private let algebra: Algebra
    private let width: Int
    /// [classes, width] and [classes].
    package private(set) var weights: [Double]
    package private(set) var bias: [Double]
    package private(set) var mean: [Double]
    package private(set) var variance: [Double]

    /// Trains the probe.
    /// - Parameters:
    ///   - training: features to learn from, the classes among them.
    ///   - again: features of the same images for an epoch, where they are augmented anew in each; nil for those before.
    ///   - progress: told epochs done of all, and the last step's loss.
    /// - Throws: `EvaluationError.noAlgebra`, or what `again` throws.
    package init(
        training: LabelledFeatures, recipe: Recipe, again: (_ epoch: Int) throws -> LabelledFeatures? = { _ in nil },
        progress: (Int, Int, Double) -> Void = { _, _, _ in }
    ) throws {
        var random = Philox(seed: recipe.seed, stream: (LinearProbe.randomUse, 0, 0))
        let count = Set(training.labels).count * training.width
        try self.init(
            training: training, recipe: recipe, initialWeights: (0..<count).map { _ in 0.01 * random.normal() },
            order: { epoch in
                var random = Philox(seed: recipe.seed, stream: (LinearProbe.randomUse, 1, UInt32(truncatingIfNeeded: epoch)))
                return random.permutation(training.count)
            }, again: again, progress: progress)
    }

    private static let randomUse: UInt32 = 0x6C69_6E70  // "linp"

    /// - Parameters:
    ///   - initialWeights: [classes, width].
    ///   - order: of the training rows in each epoch.
    package init(
        training: LabelledFeatures, recipe: Recipe, initialWeights: [Double], order: (Int) -> [Int],
        again: (_ epoch: Int) throws -> LabelledFeatures? = { _ in nil },
        progress: (Int, Int, Double) -> Void = { _, _, _ in }
    ) throws {
        algebra = try Algebra()
        classes = Set(training.labels).sorted()
        width = training.width
        weights = initialWeights
        bias = Array(repeating: 0, count: classes.count)
        mean = Array(repeating: 0, count: width)
        variance = Array(repeating: 1, count: width)
        try train(training, recipe, order, again, progress)
    }

    private mutating func train(
        _ first: LabelledFeatures, _ recipe: Recipe, _ order: (Int) -> [Int], _ again: (Int) throws -> LabelledFeatures?,
        _ progress: (Int, Int, Double) -> Void
    ) rethrows {
        var training = first
        let place = Dictionary(uniqueKeysWithValues: classes.enumerated().map { ($1, $0) })
        let targets = training.labels.map { place[$0] ?? 0 }
        let batch = min(recipe.batchSize, training.count), steps = training.count / batch
        let schedule = Schedule(
            epochs: recipe.epochs, warmupEpochs: recipe.warmupEpochs, learningRate: recipe.rate, minimumLearningRate: 0)
        var weightVelocity = weights.map { _ in 0.0 }, biasVelocity = bias.map { _ in 0.0 }
        for epoch in 0..<recipe.epochs {
            let order = order(epoch)
            training = try again(epoch) ?? training
            var loss = 0.0
            for step in 0..<steps {
                let rows = Array(order[(step * batch)..<((step + 1) * batch)])
                let x = normalisedBatch(training, rows)
                let gradient = self.gradient(x, rows.map { targets[$0] }, &loss)
                let rate = schedule.learningRate(at: Double(epoch) + Double(step) / Double(steps))
                let q = LinearProbe.trustRatio(weights, gradient.weights)
                for i in weights.indices {
                    weightVelocity[i] = LinearProbe.momentum * weightVelocity[i] + q * gradient.weights[i]
                    weights[i] -= rate * weightVelocity[i]
                }
                for i in bias.indices {
                    biasVelocity[i] = LinearProbe.momentum * biasVelocity[i] + gradient.bias[i]
                    bias[i] -= rate * biasVelocity[i]
                }
            }
            progress(epoch + 1, recipe.epochs, loss)
        }
    }

    static func trustRatio(_ weights: [Double], _ gradient: [Double]) -> Double {
        func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        let (w, g) = (norm(weights), norm(gradient))
        return w > 0 && g > 0 ? trust * w / g : 1
    }

    /// Rows by the batch's own mean and variance, [batch, width]; the running ones follow (with the unbiased variance, as PyTorch does).
    private mutating func normalisedBatch(_ set: LabelledFeatures, _ rows: [Int]) -> [Double] {
        let n = Double(rows.count)
        var x = rows.flatMap { row in set.features[(row * width)..<((row + 1) * width)].map(Double.init) }
        for column in 0..<width {
            var sum = 0.0, squares = 0.0
            for row in rows.indices { sum += x[row * width + column] }
            let batchMean = sum / n
            for row in rows.indices { squares += (x[row * width + column] - batchMean) * (x[row * width + column] - batchMean) }
            let inverse = 1 / (squares / n + LinearProbe.epsilon).squareRoot()
            for row in rows.indices { x[row * width + column] = (x[row * width + column] - batchMean) * inverse }
            let m = LinearProbe.statisticsMomentum
            mean[column] += m * (batchMean - mean[column])
            variance[column] += m * ((rows.count > 1 ? squares / (n - 1) : 0) - variance[column])
        }
        return x
    }

    /// Gradient of the mean cross-entropy of a batch.
    private func gradient(_ x: [Double], _ targets: [Int], _ loss: inout Double) -> (weights: [Double], bias: [Double]) {
        let n = targets.count, c = classes.count
        var d = scores(x, rows: n)
        loss = 0
        for row in 0..<n {
            let range = (row * c)..<((row + 1) * c), most = d[range].max() ?? 0
            var sum = 0.0
            for i in range { d[i] = exp(d[i] - most); sum += d[i] }
            for i in range { d[i] /= sum * Double(n) }
            loss -= log(d[row * c + targets[row]] * Double(n)) / Double(n)
            d[row * c + targets[row]] -= 1 / Double(n)
        }
        // dW = dᵀ·x: dot products of columns.
        let gradient = algebra.dotProducts(transposed(d, n, c), transposed(x, n, width), rows: c, columns: width, depth: n)
        return (gradient, (0..<c).map { i in (0..<n).reduce(0) { $0 + d[$1 * c + i] } })
    }

    private func scores(_ x: [Double], rows: Int) -> [Double] {
        var scores = algebra.dotProducts(x, weights, rows: rows, columns: classes.count, depth: width)
        for i in scores.indices { scores[i] += bias[i % classes.count] }
        return scores
    }

    /// Batch norm, by the running statistics, and linear layer as one layer on features as they are.
    package var head: LinearHead {
        LinearHead(
            classes: classes, weights: weights, bias: bias, mean: mean,
            factor: variance.map { 1 / ($0 + LinearProbe.epsilon).squareRoot() })
    }

    /// Share of rows whose largest score is right, with the running statistics.
    /// - Throws: `.differentWidths`.
    package func accuracy(on test: LabelledFeatures) throws(FeaturesError) -> Double {
        guard test.width == width else { throw .differentWidths(training: width, test: test.width) }
        var right = 0
        for rows in blocks(of: test.count, size: 1024) {
            var x = widened(test, rows: rows)
            for i in x.indices { x[i] = (x[i] - mean[i % width]) / (variance[i % width] + LinearProbe.epsilon).squareRoot() }
            let scores = scores(x, rows: rows.count)
            for (i, row) in rows.enumerated() {
                let own = scores[(i * classes.count)..<((i + 1) * classes.count)]
                let best = own.indices.max { (own[$0], $1) < (own[$1], $0) } ?? 0
                if classes[best - i * classes.count] == test.labels[row] { right += 1 }
            }
        }
        return Double(right) / Double(test.count)
    }
}

/// [columns, rows] of [rows, columns].
private func transposed(_ values: [Double], _ rows: Int, _ columns: Int) -> [Double] {
    [Double](unsafeUninitializedCapacity: values.count) { out, count in
        for row in 0..<rows { for column in 0..<columns { out[column * rows + row] = values[row * columns + column] } }
        count = values.count
    }
}
