import CurricleDatasets
import CurricleEngine
import Foundation
import CurricleSettings
import CurricleStorage
import Synchronization
import CurricleTerminal
import CurricleTrainer
import CurricleVision
import CurricleWeights

/// `--max-minutes`: how many epochs there is time for, found out before the first step by some steps of the run itself.
enum FittedEpochs {
    static func option(section: String) -> Option {
        .value(
            "max-minutes", "M", .number(0.05...1e6),
            "instead of --epochs: as many as there is time for, by some steps of the run itself before it begins. They are fixed then, stand in "
                + "config.json, and --resume keeps them", section: section)
    }

    /// What some steps took.
    struct Trial: Codable {
        let stepsPerEpoch: Int
        /// At an epoch's end, beside what is kept then: judging test images.
        var epochSeconds = 0.0
        private let marks: [Double]
        private let end: Double

        /// - Parameter run: runs steps, telling of each, until they are enough; at its end the state is kept, as it is after an epoch.
        init(stepsPerEpoch: Int, _ run: (_ isEnough: () -> Bool, _ stepEnded: @escaping () -> Void) throws -> Void) rethrows {
            self.stepsPerEpoch = stepsPerEpoch
            let seen = Mutex<[Double]>([])
            try run(
                { seen.withLock { Trial.areEnough($0) } },
                { seen.withLock { $0.append(Date().timeIntervalSince1970) } })
            (marks, end) = (seen.withLock { $0 }, Date().timeIntervalSince1970)
        }

        /// Some steps, and for small nets some seconds of them.
        private static func areEnough(_ marks: [Double]) -> Bool {
            marks.count > 5 && marks[marks.count - 1] - marks[0] > 3 || marks.count >= 400
        }

        /// The median; of the first step, in which memory is met for the first time, nothing counts.
        var step: Double {
            let times = zip(marks, marks.dropFirst()).map { $1 - $0 }.sorted()
            return times.isEmpty ? 0 : times[times.count / 2]
        }
        var epoch: Double { step * Double(stepsPerEpoch) + end - (marks.last ?? end) + epochSeconds }
    }

    /// Of the time that there is, what is planned with: the rest is for what varies.
    private static let share = 0.95

    /// Puts the epochs in the place of `--epochs`, where minutes are given and the run has not begun.
    /// - Parameters:
    ///   - hasBegun: whether the run's configuration was read: its epochs stay.
    ///   - trial: runs steps until they are enough, and keeps their state in a folder.
    static func settle(
        _ a: inout Arguments, given: Arguments, hasBegun: Bool, trial: (_ folder: String) throws -> Trial
    ) throws {
        guard let minutes = try a.doubleIfGiven("max-minutes"), !hasBegun else { return }
        if given.isGiven("epochs") { throw LearningError.configuration("--epochs and --max-minutes both say how long: give one of them") }
        let start = Date(), folder = "\(NSTemporaryDirectory())/curricle-trial-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let trial = try trial(folder), epoch = trial.epoch
        let left = minutes * 60 * share - Date().timeIntervalSince(start)
        let epochs = Int(left / epoch)
        guard epochs >= 1 else {
            throw LearningError.configuration(
                Message(
                    String(
                        format: "an epoch takes %.3g minutes here, and there are %.3g: give more, or a smaller --model", epoch / 60,
                        left / 60)))
        }
        if a.isGiven("warmup-epochs"), a.isGiven("epochs") {  // of a configuration for another length
            let warmup = try a.double("warmup-epochs") * Double(epochs) / Double(max(1, a.int("epochs")))
            a.replace(.warmupEpochs, "\((warmup * 10).rounded() / 10)", because: "max-minutes")
        }
        a.replace(.epochs, "\(epochs)", because: "max-minutes")
        tell(
            String(format: "%.3g s a step, %.3g minutes an epoch: %@ in %g min", trial.step, epoch / 60, count(epochs, "epoch"), minutes))
    }
}
