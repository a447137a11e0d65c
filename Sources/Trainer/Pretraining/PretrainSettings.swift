import CurricleEngine
import Foundation
import CurricleGraph
import CurricleModels
import CurricleSettings
import CurricleStorage
import CurricleVision
import CurricleWeights

/// What to do where a loss is not finite.
package enum NonfinitePolicy: String, Sendable, CaseIterable, Codable {
    /// End the run, with the step's numbers and the last good state named.
    case stop
    /// Leave that step out, count it and go on.
    case skip
}

/// Everything that decides what a run computes, and how it is kept.
package struct PretrainSettings: RunSettings, ScheduledSettings {
    package static let command = "pretrain"

    package var model: ModelConfiguration
    package var step: StepOptions
    package var adamw: AdamW
    package var schedule: Schedule
    package var learningRatePer256 = 1e-3
    package var batchSize: Int
    package var accumulation: Int
    package var clip: Float?
    package var augmentation: Augmentation
    package var normalization: PixelNormalization
    package var seed: UInt64
    package var precision = Precision.float32
    package var moments = MomentPrecision.float32
    package var dropLast: Bool
    /// How the masker turns from partner to adversary.
    package var curriculum = Curriculum.linear
    /// Groups that an update's batches are added up in, a power of two or any other number, the groups by a fixed tree: it decides the bits, and
    /// how many ranks can share an update.
    package var gradientGroups = 1
    /// Step B is done at each so manieth step, from the first on.
    package var maskerEvery = 1
    /// How image files become pictures; it decides the bits, and reduced decoding goes by the model's size.
    package var decoding = DecodeOptions()

    // How the run is kept: none of these changes what is computed.
    package var onNonfinite: NonfinitePolicy = .stop
    /// Epochs between permanent snapshots of the weights.
    package var snapshotEpochs = 50
    /// Epochs whose pictures are kept, spread over the run, the first and the last among them.
    package var pictures = 25
    /// Epochs between looks at the features' kNN accuracy; 0 for none.
    package var knnEpochs = 0
    /// How the images that it is measured on get the model's size.
    package var preprocessing = Preprocessing.reference
    /// Which pass of a resize comes first, of images that are trained on and of judged ones.
    package var passOrder = PassOrder.pillow13
    /// Steps between states, beside the one at each epoch's end; 0 for none.
    package var saveEverySteps = 0
    /// Ends the run after so many steps in all.
    package var maxSteps: Int?
    package var strict = false
    /// Images of the pieces that a batch is computed in, their gradients added up; nil for the whole, or what a limit on memory needs.
    package var pieceImages: Int?
    /// The most resident bytes of the process; nil for what it takes.
    package var memoryLimit: Int?

    /// Of the removed patches, the share that goes by the scores of a masker that ranks, as the run ends; it grows from 0 with the epochs (HPM,
    /// arXiv 2304.05919, section 3.3: 0 to 0.5).
    static let mostHardShare = 0.5

    package init() { self.init(step: StepOptions()) }

    package init(
        model: ModelConfiguration = ModelConfiguration.presets[0].configuration, step: StepOptions, adamw: AdamW = AdamW(),
        schedule: Schedule = Schedule(epochs: 200, warmupEpochs: 40, learningRate: 1e-3), batchSize: Int = 256, accumulation: Int = 1,
        clip: Float? = nil,
        augmentation: Augmentation = .mae, normalization: PixelNormalization = .imageNet, seed: UInt64 = 0, dropLast: Bool = false
    ) {
        self.model = model
        self.step = step
        self.adamw = adamw
        self.schedule = schedule
        self.batchSize = batchSize
        self.accumulation = accumulation
        self.clip = clip
        self.augmentation = augmentation
        self.normalization = normalization
        self.seed = seed
        self.dropLast = dropLast
    }

    /// Whether gradients stay between programs: for several batches an update, or for their norm.
    package func storesGradients(pieceImages: Int?) -> Bool { accumulation > 1 || clip != nil || pieceImages != nil }

    /// Images of the pieces of a batch that are leaves of an update by themselves, as where there are more groups than batches; nil where
    /// whole batches are.
    package var leafPieceImages: Int? { gradientGroups > accumulation ? pieceImages : nil }
    /// Leaves of a batch, and of an update.
    package var leavesPerBatch: Int { leafPieceImages.map { batchSize / max(1, $0) } ?? 1 }
    package var leaves: Int { accumulation * leavesPerBatch }

    private var leavesProblem: Message? {
        guard gradientGroups > accumulation, let pieceImages, pieceImages >= 1 else { return groupsProblem }
        guard batchSize % pieceImages == 0, gradientGroups <= leaves else {
            return
                "\(.gradientGroups) \(gradientGroups) cuts batches: \(.pieceImages) has to divide \(.batchSize) \(batchSize) in "
                + "\((gradientGroups + accumulation - 1) / accumulation) pieces or more"
        }
        guard !dropLast else { return "\(.gradientGroups) \(gradientGroups) cuts batches, the last one too: leave out \(.dropLast)" }
        return nil
    }

    /// What is wrong with the settings, or nil.
    package var problem: Message? {
        if let problem = model.problem { return Message(problem) }
        if let problem = step.problem(model) { return problem }
        if step.normalizedTargets, model.patchWidth < 2 { return "\(.normalizedTargets) needs patches of at least 2 values" }
        if let problem = normalization.problem(channels: model.channels) { return problem }
        if Double(batchSize) * Double(model.patches) * Double(model.patchWidth) > 1e12 {
            return "a batch of \(batchSize) would have more than 10¹² values"
        }
        if step.uniformity > 0, pieceImages != nil {
            return "\(.uniformity) compares the images of a whole batch: leave out \(.pieceImages)"
        }
        if step.masking.isGiven, curriculum != .linear || maskerEvery != 1 {
            return "\(.masking, step.masking.rawValue) trains no masker: leave out \(curriculum != .linear ? .curriculum : .maskerEvery)"
        }
        if step.ranks, curriculum != .linear {
            return "\(.masker, step.objective.rawValue) learns from ranks of errors, which no factor turns: leave out \(.curriculum)"
        }
        if let problem = leavesProblem { return problem }
        if let pieceImages, pieceImages < 1 { return "\(.pieceImages) must be at least 1, not \(pieceImages)" }
        return scheduleProblem
    }

    package func endsPartnership(after epochs: Int) -> Bool {
        let all = schedule.epochs
        guard !step.masking.isGiven, !step.ranks, epochs > 0, curriculum.factor(epoch: epochs - 1, of: all) > 0 else { return false }
        return epochs == all || curriculum.factor(epoch: epochs, of: all) <= 0
    }
    /// Whether a picture is kept of an epoch, from 1.
    func takesPicture(after epoch: Int) -> Bool {
        guard pictures > 0 else { return false }
        let all = schedule.epochs, isDue = epoch * pictures / all > (epoch - 1) * pictures / all
        return isDue || epoch == 1 || epoch == all
    }
    package func takesSnapshot(after epochs: Int) -> Bool { epochs > 0 && (epochs % snapshotEpochs == 0 || epochs == schedule.epochs) }

    package var weightsMetadata: [String: String] { WeightsMetadata(model: model, normalization: normalization, step: step).entries }

    /// Whether features are judged after so many epochs.
    func judgesFeatures(after epochs: Int) -> Bool { knnEpochs > 0 && (epochs % knnEpochs == 0 || epochs == schedule.epochs) }
}
