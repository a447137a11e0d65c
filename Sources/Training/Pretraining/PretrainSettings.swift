import Engine
import Foundation
import Graph
import Models
import Storage
import Vision
import Weights

/// What to do where a loss is not finite.
public enum NonfinitePolicy: String, Sendable, CaseIterable, Codable {
    /// End the run, with the step's numbers and the last good state named.
    case stop
    /// Leave that step out, count it and go on.
    case skip
}

/// Everything that decides what a run computes, and how it is kept.
public struct PretrainSettings: RunSettings {
    public static let command = "pretrain"

    public var model: ModelConfiguration
    public var step: StepOptions
    public var adamw: AdamW
    public var schedule: Schedule
    public var batchSize: Int
    public var accumulation: Int
    public var clip: Float?
    public var augmentation: Augmentation
    public var normalization: PixelNormalization
    public var seed: UInt64
    public var dropLast: Bool
    /// How image files become pictures; it decides the bits, and the command's option `fast-decode` derives its size from the model's.
    public var decoding = DecodeOptions()

    // How the run is kept: none of these changes what is computed.
    public var onNonfinite: NonfinitePolicy = .stop
    /// Epochs between permanent snapshots of the weights.
    public var snapshotEpochs = 50
    /// Epochs between looks at the features' kNN accuracy; 0 for none.
    public var knnEpochs = 0
    /// Steps between states, beside the one at each epoch's end; 0 for none.
    public var saveEverySteps = 0
    /// Ends the run after so many steps in all.
    public var maxSteps: Int?
    public var strict = false
    /// Images of the pieces that a batch is computed in, their gradients added up; nil for the whole, or what a limit on memory needs.
    public var pieceImages: Int?
    /// The most resident bytes of the process; nil for what it takes.
    public var memoryLimit: Int?

    public init(
        model: ModelConfiguration, step: StepOptions, adamw: AdamW, schedule: Schedule, batchSize: Int, accumulation: Int = 1, clip: Float? = nil,
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

    /// What is wrong with the settings, or nil.
    public var problem: String? {
        if let problem = model.problem { return problem }
        let kept = model.kept(maskRatio: step.maskRatio)
        if kept < 1 || kept >= model.patches {
            return "mask ratio \(step.maskRatio) keeps \(kept) of \(model.patches) patches: at least 1 must be kept and 1 removed"
        }
        if step.normalizedTargets, model.patchWidth < 2 { return "norm-pix-loss needs patches of at least 2 values" }
        for (name, count) in [("mean", normalization.mean.count), ("std", normalization.std.count)] where count != 1 && count != model.channels {
            return "\(name) has \(count) values for \(model.channels) channels: give 1, or one a channel"
        }
        if Double(batchSize) * Double(model.patches) * Double(model.patchWidth) > 1e12 { return "a batch of \(batchSize) would have more than 10¹² values" }
        if let pieceImages, pieceImages < 1 { return "micro-batch must be at least 1, not \(pieceImages)" }
        if schedule.warmupEpochs > 0, schedule.warmupEpochs >= Double(schedule.epochs) {
            return "warmup-epochs \(schedule.warmupEpochs) must be less than epochs \(schedule.epochs)"
        }
        return nil
    }

    public func takesSnapshot(after epochs: Int) -> Bool { epochs > 0 && (epochs % snapshotEpochs == 0 || epochs == schedule.epochs) }

    public var weightsMetadata: [String: String] { WeightsMetadata(model: model, normalization: normalization, step: step).entries }

    /// Whether features are judged after so many epochs.
    func judgesFeatures(after epochs: Int) -> Bool { knnEpochs > 0 && (epochs % knnEpochs == 0 || epochs == schedule.epochs) }

    public var entries: [(key: String, value: LogValue)] {
        model.encoderEntries + [
            ("decoder-embed-dim", .integer(model.decoderWidth)), ("decoder-depth", .integer(model.decoderDepth)),
            ("decoder-num-heads", .integer(model.decoderHeads)),
            ("batch-size", .integer(batchSize)), ("epochs", .integer(schedule.epochs)), ("accum-iter", .integer(accumulation)),
            ("mask-ratio", .double(step.maskRatio)), ("masking", .string(step.masking.rawValue)), ("norm-pix-loss", .boolean(step.normalizedTargets)),
            ("lambda-gauss", .float(step.weights.gauss)), ("lambda-kl", .float(step.weights.kl)), ("lambda-diversity", .float(step.weights.diversity)),
            ("lr", .double(schedule.learningRate)), ("min-lr", .double(schedule.minimumLearningRate)),
            ("warmup-epochs", .double(schedule.warmupEpochs)), ("weight-decay", .double(adamw.weightDecay)), ("clip-grad", .float(clip ?? 0)),
            ("augment", .string(augmentation.rawValue)), ("mean", .string(PretrainSettings.list(normalization.mean))),
            ("std", .string(PretrainSettings.list(normalization.std))), ("seed", .integer(Int(seed))), ("drop-last", .boolean(dropLast)),
        ] + decoding.entries + (pieceImages.map { [("micro-batch", .integer($0))] } ?? []) + (memoryLimit.map { [("memory-limit", .string("\($0)"))] } ?? [])
    }

    package static func list(_ values: [Float]) -> String { values.map(\.description).joined(separator: ",") }
}

extension ModelConfiguration {
    /// The encoder's sizes under the options' names.
    var encoderEntries: [(key: String, value: LogValue)] {
        [
            ("image-size", imageHeight == imageWidth ? .integer(imageHeight) : .string("\(imageHeight),\(imageWidth)")),
            ("patch-size", .integer(patchSize)), ("channels", .integer(channels)), ("embed-dim", .integer(embedWidth)), ("depth", .integer(depth)),
            ("num-heads", .integer(heads)),
        ]
    }
}

extension DecodeOptions {
    /// Only what differs from the default, so that older states stay valid.
    package var entries: [(key: String, value: LogValue)] {
        (appliesOrientation ? [("apply-orientation", .boolean(true))] : []) + (background.map { [("background", .string("\($0)"))] } ?? [])
            + (fastDecode != nil ? [("fast-decode", .boolean(true))] : [])
    }
}
