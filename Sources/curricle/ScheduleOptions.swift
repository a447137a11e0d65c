import Engine
import Terminal

/// Options of batches and of the learning rate over a run, shared by the commands that train.
enum ScheduleOptions {
    static func batches(of what: String, size: String, epochs: String) -> [Option] {
        [
            .value("batch-size", "N", "images a batch", fallback: size, section: "Training"),
            .value("epochs", "N", "passes over the \(what)", fallback: epochs, section: "Training"),
            .value("accum-iter", "N", "batches whose gradients are averaged for one update", fallback: "1", section: "Training"),
        ]
    }

    static func rates(blr: String, minimum: String, warmup: String) -> [Option] {
        [
            .value("blr", "LR", "learning rate per 256 images", fallback: blr, section: "Training"),
            .value("lr", "LR", "learning rate itself (instead of --blr)", section: "Training"),
            .value("min-lr", "LR", "learning rate at the end", fallback: minimum, section: "Training"),
            .value("warmup-epochs", "N", "epochs of linear warm-up (of \(warmup) epochs or fewer: a fifth)", fallback: warmup, section: "Training"),
            .value("weight-decay", "W", "AdamW's decay of weights", fallback: "0.05", section: "Training"),
        ]
    }

    static let clip = Option.value("clip-grad", "NORM", "largest gradient norm of a step; 0 for none", fallback: "0", section: "Training")

    struct Values {
        let batchSize: Int
        let accumulation: Int
        let schedule: Schedule
        let weightDecay: Double
        /// Nil for none.
        let clip: Float?
    }

    static func values(_ a: Arguments) throws -> Values {
        let batch = try a.int("batch-size", in: 1...1_000_000), accumulation = try a.int("accum-iter", in: 1...100_000)
        let rate = try a.doubleIfGiven("lr", in: 0...1e12) ?? a.double("blr", in: 0...1e12) * Double(batch * accumulation) / 256
        let epochs = try a.int("epochs", in: 1...10_000_000), clip = try a.double("clip-grad", in: 0...1e30)
        // The default warm-up is for long runs; a run shorter than that warms up for a fifth of it.
        let warmup = try a.double("warmup-epochs", in: 0...1e7), isShort = !a.isGiven("warmup-epochs") && Double(epochs) <= warmup
        return Values(
            batchSize: batch, accumulation: accumulation,
            schedule: Schedule(
                epochs: epochs, warmupEpochs: isShort ? Double(epochs) / 5 : warmup, learningRate: rate, minimumLearningRate: try a.double("min-lr", in: 0...1000)),
            weightDecay: try a.double("weight-decay", in: 0...1000), clip: clip > 0 ? Float(clip) : nil)
    }
}
