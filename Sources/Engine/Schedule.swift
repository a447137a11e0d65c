import Foundation

package func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }

/// Learning rate and curriculum over a run (REFERENCE: lr_sched.py; CL-MAE's curriculum factor).
package struct Schedule: Sendable, Hashable, Codable {
    package var epochs: Int
    package var warmupEpochs: Double
    /// Peak learning rate.
    package var learningRate: Double
    package var minimumLearningRate: Double

    package init(epochs: Int, warmupEpochs: Double, learningRate: Double, minimumLearningRate: Double = 0) {
        self.epochs = epochs
        self.warmupEpochs = warmupEpochs
        self.learningRate = learningRate
        self.minimumLearningRate = minimumLearningRate
    }

    /// Linear warm-up, then half a cosine to the minimum.
    /// - Parameter epoch: fractional: epoch + step / steps an epoch.
    package func learningRate(at epoch: Double) -> Double {
        if epoch < warmupEpochs { return learningRate * epoch / warmupEpochs }
        let progress = (epoch - warmupEpochs) / (Double(epochs) - warmupEpochs)
        return minimumLearningRate + (learningRate - minimumLearningRate) * 0.5 * (1 + cos(.pi * progress))
    }

    /// Share of the run that is over as an epoch begins, 0 ..< 1.
    package func progress(epoch: Int) -> Double { Double(epoch) / Double(epochs) }
}

/// How the curriculum factor λ_cl, which the masker's loss has the autoencoder's multiplied by, goes over a run.
package enum Curriculum: String, Sendable, Hashable, CaseIterable, Codable {
    /// The paper's (section 3): from partner (+1) through neutral to adversary (−1).
    case linear
    /// +1 throughout: the masker helps.
    case partner
    /// 0 throughout: the masker's own losses alone, whatever the autoencoder makes of its masks.
    case neutral
    /// −1 throughout: the masker hinders from the first step on, as in adversarial masking (ADIOS).
    case adversary
    /// The paper's with its sign turned: from adversary to partner.
    case reverse

    /// λ_cl of a whole epoch e of E, −1 ... 1. Linear: 1 − 2e/E while e < E/2, then 1 − 2(e+1)/E, never 0.
    package func factor(epoch: Int, of epochs: Int) -> Double {
        let e = Double(epoch), total = Double(epochs)
        let linear = e < total / 2 ? 1 - 2 * e / total : 1 - 2 * (e + 1) / total
        return switch self {
        case .linear: linear
        case .partner: 1
        case .neutral: 0
        case .adversary: -1
        case .reverse: -linear
        }
    }
}
