import Foundation

package func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }

/// Learning rate and curriculum over a run (REFERENCE: lr_sched.py; CL-MAE's curriculum factor).
public struct Schedule: Sendable, Hashable, Codable {
    public var epochs: Int
    public var warmupEpochs: Double
    /// Peak learning rate.
    public var learningRate: Double
    public var minimumLearningRate: Double

    public init(epochs: Int, warmupEpochs: Double, learningRate: Double, minimumLearningRate: Double = 0) {
        self.epochs = epochs
        self.warmupEpochs = warmupEpochs
        self.learningRate = learningRate
        self.minimumLearningRate = minimumLearningRate
    }

    /// Linear warm-up, then half a cosine to the minimum.
    /// - Parameter epoch: fractional: epoch + step / steps an epoch.
    public func learningRate(at epoch: Double) -> Double {
        if epoch < warmupEpochs { return learningRate * epoch / warmupEpochs }
        let progress = (epoch - warmupEpochs) / (Double(epochs) - warmupEpochs)
        return minimumLearningRate + (learningRate - minimumLearningRate) * 0.5 * (1 + cos(.pi * progress))
    }

    /// λ_cl of a whole epoch e of E: 1 − 2e/E while e < E/2, then 1 − 2(e+1)/E: from partner (+1) to adversary (−1), never 0.
    public func curriculum(epoch: Int) -> Double {
        let e = Double(epoch), total = Double(epochs)
        return e < total / 2 ? 1 - 2 * e / total : 1 - 2 * (e + 1) / total
    }
}
