import CurricleEngine
import CurricleGraph
import CurricleModels
import CurricleSettings
import CurricleStorage
import CurricleVision

/// Settings whose list says all of them: what options there are, what of them is recorded, and how.
package protocol DeclaredSettings: Sendable {
    /// With every default.
    init()
    /// In the order of `config.json`.
    static var declared: [Setting<Self>] { get }
    /// Puts in what follows from other settings where it was not given itself.
    mutating func settle(isGiven: (SettingName) -> Bool)
}

extension DeclaredSettings {
    /// What decides the bits of what is computed, under the settings' names.
    package var declaredEntries: [(key: String, value: LogValue)] {
        Self.declared.compactMap { setting in setting.recorded(self, defaults: Self()).map { (setting.name, $0) } }
    }
}

/// Settings of a training on batches by a schedule of learning rates: what pretraining and fine-tuning share.
package protocol ScheduledSettings: DeclaredSettings {
    var batchSize: Int { get set }
    /// Batches whose gradients are averaged for one update.
    var accumulation: Int { get set }
    /// Groups that an update's batches are added in, and the groups by a fixed tree.
    var gradientGroups: Int { get set }
    var schedule: Schedule { get set }
    /// Learning rate per 256 images of an update; what the schedule's follows from where that is not given.
    var learningRatePer256: Double { get set }
    /// Largest norm of a group's gradient; nil for any.
    var clip: Float? { get set }
    var adamw: AdamW { get set }
    var normalization: PixelNormalization { get set }
    var seed: UInt64 { get set }
    /// What products are computed with: float32 or bf16.
    var precision: Precision { get set }
    var moments: MomentPrecision { get set }
    var decoding: DecodeOptions { get set }
    var maxSteps: Int? { get set }
    /// Whether to stop at a broken image instead of leaving it out.
    var strict: Bool { get set }
}

extension ScheduledSettings {
    package static var batches: [Setting<Self>] {
        [
            Setting(
                \.batchSize, .batchSize, "N", in: 1...1_000_000,
                "images a batch (default: the largest power of two from 8 to 256 that gives 20 updates an epoch; recorded)",
                section: .training, isDerived: true),
            Setting(\.schedule.epochs, .epochs, "N", in: 1...10_000_000, "passes over the training images", section: .training),
            Setting(
                \.accumulation, "accum-iter", "N", in: 1...100_000, "batches whose gradients are averaged for one update",
                section: .training)
        ]
    }

    package static var rates: [Setting<Self>] {
        [
            Setting(
                \.learningRatePer256, .learningRatePer256, "LR", in: 0...1e12, "learning rate per 256 images of an update",
                section: .training, record: .never),
            Setting(
                \.schedule.learningRate, .learningRate, "LR", in: 0...1e12, "learning rate itself, instead",
                section: .training, isDerived: true),
            Setting(\.schedule.minimumLearningRate, "min-lr", "LR", in: 0...1000, "learning rate at the end", section: .training),
            Setting(
                \.schedule.warmupEpochs, .warmupEpochs, "N", in: 0...1e7,
                "epochs of linear warm-up (if not given, a run that is no longer warms up for a fifth of its own)", section: .training),
            Setting(\.adamw.weightDecay, "weight-decay", "W", in: 0...1000, "AdamW's decay of weights", section: .training)
        ]
    }

    package static var grouping: Setting<Self> {
        Setting(
            \.gradientGroups, .gradientGroups, "W", in: 1...100_000,
            "add an update's batches up in W groups, and the groups by a fixed tree: the bits depend on W and not on how many ranks "
                + "share them (default under mpirun: the smallest power of two that is no less than the ranks)", section: .training,
            record: .whereItDiffers)
    }

    /// What is wrong with the groups, or nil.
    package var groupsProblem: Message? {
        guard gradientGroups > accumulation else { return nil }
        return "\(.gradientGroups) \(gradientGroups) needs as many batches an update: give \(.accumulation, "\(gradientGroups)") or more"
    }

    package static var clipping: Setting<Self> {
        Setting("clip-grad", "NORM", .number(0...1e30), "largest gradient norm of a step; 0 for none", section: .training) {
            .float($0.clip ?? 0)
        } set: {
            guard case .number(let norm) = $1 else { return false }
            $0.clip = norm > 0 ? Float(norm) : nil
            return true
        }
    }

    package static var numbers: [Setting<Self>] {
        [
            products,
            Setting(
                \.moments, .moments, "KIND",
                "f32, or bf16: half of the memory for AdamW's moments, the second of them rounded up or down by a chance that the update's "
                    + "number decides", section: .training, record: .whereItDiffers)
        ]
    }

    private static var products: Setting<Self> {
        Setting(
            .precision, "KIND", .word(of: [Precision.float32, .bfloat16].map(\.rawValue)),
            "f32, or bf16: products of numbers of 16 bits whose sums are float32, and half of the memory for what lies between them; faster "
                + "where the CPU has the instruction, and the same bits everywhere", section: .training, record: .whereItDiffers
        ) {
            .string($0.precision.rawValue)
        } set: {
            guard case .text(let word) = $1, let precision = Precision(rawValue: word) else { return false }
            $0.precision = precision
            return true
        }
    }

    package static func seeding(_ what: String) -> Setting<Self> {
        Setting(\.seed, "seed", "N", in: 0...Int.max, "decides \(what)", section: .training)
    }

    package static var stopping: [Setting<Self>] {
        [
            Setting(
                \.maxSteps, "max-steps", "N", in: 0...Int.max, "end cleanly after so many updates in all", section: .run, record: .never),
            Setting(\.strict, "strict", "stop at a broken image instead of leaving it out", section: .images, record: .never)
        ]
    }

    /// Images a batch where that is not given: the largest power of two from 8 to 256 that gives 20 updates an epoch, or all images where
    /// they are fewer.
    package static func batchSize(images: Int, accumulation: Int) -> Int {
        let powers = [256, 128, 64, 32, 16, 8]
        return max(1, min(images, powers.first { images / ($0 * accumulation) >= 20 } ?? 8))
    }

    /// The learning rate goes with the images of an update; a warm-up that is not given fits into the epochs: the default is for
    /// long runs, and a run no longer than that warms up for a fifth of it.
    package mutating func settleSchedule(isGiven: (SettingName) -> Bool) {
        if !isGiven(.learningRate) { schedule.learningRate = learningRatePer256 * Double(batchSize * accumulation) / 256 }
        if !isGiven(.warmupEpochs), Double(schedule.epochs) <= schedule.warmupEpochs { schedule.warmupEpochs = Double(schedule.epochs) / 5 }
    }

    /// What is wrong with the schedule, or nil.
    package var scheduleProblem: Message? {
        if batchSize < 1 { return "\(.batchSize) must be at least 1, not \(batchSize)" }
        guard (1...1_000_000).contains(schedule.epochs) else { return "\(.epochs) must be from 1 to 1000000, not \(schedule.epochs)" }
        guard schedule.warmupEpochs > 0, schedule.warmupEpochs >= Double(schedule.epochs) else { return nil }
        return "\(.warmupEpochs) \(schedule.warmupEpochs) must be less than \(.epochs) \(schedule.epochs)"
    }
}
