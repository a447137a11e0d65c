import CurricleEngine
import Foundation
import CurricleGraph
import CurricleModels
import CurricleSettings
import CurricleStorage
import CurricleVision
import CurricleWeights

/// Everything that decides what fine-tuning computes. The defaults are MAE's for a base model on ImageNet (FINETUNE.md).
package struct FinetuneSettings: RunSettings, ScheduledSettings {
    package static let command = "finetune"

    package var model: ModelConfiguration
    /// Names of the classes, in the order of the labels.
    package var classes: [String]
    package var schedule: Schedule
    package var learningRatePer256 = 5e-4
    package var batchSize: Int
    package var accumulation = 1
    package var gradientGroups = 1
    package var clip: Float?
    package var adamw = AdamW(beta1: 0.9, beta2: 0.999, weightDecay: 0.05)
    /// What the learning rate is multiplied by from one layer to the one before it.
    package var layerDecay: Float = 0.65
    /// Of the last block.
    package var dropPath = 0.1
    package var mixing = BatchMixing()
    package var augmentation: FinetuneAugmentation = .finetune
    package var randAugment: RandAugment? = RandAugment()
    /// How likely a part of a picture is erased.
    package var erasing = 0.25
    package var normalization: PixelNormalization
    package var seed: UInt64 = 0
    package var precision = Precision.float32
    package var moments = MomentPrecision.float32
    /// How images that are judged get the model's size, and those that are trained on as they are judged (without a crop).
    package var preprocessing = Preprocessing.reference
    /// Which pass of a resize comes first, but where a classifier's own augmentation resizes.
    package var passOrder = PassOrder.pillow13
    /// Share of the training images, in each class, that is judged instead of others; nil where there are others.
    package var holdout: Double?
    package var decoding = DecodeOptions()

    // How the run is kept: none of these changes what is computed.
    package var maxSteps: Int?
    package var strict = false

    package init() {
        self.init(model: ModelConfiguration.presets[0].configuration, classes: [], normalization: .imageNet)
    }

    package init(
        model: ModelConfiguration, classes: [String],
        schedule: Schedule = Schedule(epochs: 50, warmupEpochs: 5, learningRate: 5e-4, minimumLearningRate: 1e-6), batchSize: Int = 64,
        normalization: PixelNormalization
    ) {
        self.model = model
        self.classes = classes
        self.schedule = schedule
        self.batchSize = batchSize
        self.normalization = normalization
    }

    /// The model is the file's; its head sees what the file's does, unless that is changed.
    package init(_ file: Checkpoint, _ description: WeightsDescription, classes: [String]) {
        var model = description.model
        model.normalizesPooled = FinetuneSettings.pools(file) ? true : nil
        self.init(model: model, classes: classes, normalization: description.normalization)
    }

    package var shape: ClassifierShape { ClassifierShape(classes: classes.count, layerDecay: layerDecay) }
    package var storesGradients: Bool { accumulation > 1 || clip != nil }

    /// What happens to the pictures that are trained on.
    package func pipeline(_ grid: PatchGrid) -> ImagePipeline {
        let erasing = erasing > 0 ? RandomErasing(probability: erasing) : nil
        return switch augmentation {
        case .finetune:
            ImagePipeline(
                grid: grid, augmentation: .none, normalization: normalization, seed: seed,
                training: TrainingAugmentation(randAugment: randAugment, erasing: erasing))
        case .mae: ImagePipeline(grid: grid, augmentation: .mae, normalization: normalization, seed: seed, passOrder: passOrder)
        // As they are judged.
        case .flip:
            ImagePipeline(
                grid: grid, augmentation: .flip, normalization: normalization, seed: seed, preprocessing: preprocessing,
                passOrder: passOrder)
        case .none:
            ImagePipeline(
                grid: grid, augmentation: .none, normalization: normalization, seed: seed, preprocessing: preprocessing,
                passOrder: passOrder)
        }
    }

    /// What is wrong with the settings, or nil.
    package var problem: Message? {
        if let problem = model.problem { return Message(problem) }
        if classes.count < 2 { return "fine-tuning needs images of at least 2 classes, not \(classes.count)" }
        if let problem = mixing.problem { return Message(problem) }
        if !(0..<1).contains(dropPath) { return "\(.dropPath) must be at least 0 and below 1, not \(dropPath)" }
        let erasing = RandomErasing(probability: erasing)
        if let problem = TrainingAugmentation(randAugment: randAugment, erasing: erasing).problem { return Message(problem) }
        return groupsProblem ?? scheduleProblem
    }

    /// The classes that a file's head tells apart; nil where it does not say.
    package static func classes(of file: Checkpoint) -> [String]? {
        file.metadata[WeightsMetadata.classesKey].flatMap { try? JSONDecoder().decode([String].self, from: Data($0.utf8)) }
    }

    /// What a file's head is on, where that is not what is fine-tuned: a probe's may be on other features.
    /// - Throws: `LearningError.file` for one that is not known here.
    static func head(of file: Checkpoint) throws(LearningError) -> FeaturePooling? {
        guard let said = file.metadata[WeightsMetadata.headKey] else { return nil }
        guard let pool = FeaturePooling(rawValue: said), pool != .tokens else {
            throw .file(path: file.path, reason: "its metadata say \(WeightsMetadata.headKey) \(said), which is not known here")
        }
        return pool
    }

    /// Whether a classifier's last norm is on the mean of the patch tokens: a head on the class token has the encoder's own before it.
    static func normalizesPooled(_ file: Checkpoint) -> Bool { file.shape(of: "fc_norm.weight") != nil }

    /// Whether a model that is fine-tuned from these weights has its head on the mean: what the file's head is on, or else the mean.
    static func pools(_ weights: Checkpoint) -> Bool { weights.shape(of: "head.weight") == nil || normalizesPooled(weights) }

    package var saveEverySteps: Int { 0 }
    package func takesSnapshot(after epochs: Int) -> Bool { false }
    package func endsPartnership(after epochs: Int) -> Bool { false }

    package var weightsMetadata: [String: String] { WeightsMetadata(model: model, normalization: normalization, classes: classes).entries }
}

/// What happens to a picture before a classifier is trained on it.
package enum FinetuneAugmentation: String, Sendable, CaseIterable, Codable {
    /// A crop of 8 to 100 % of the area, a flip, RandAugment and random erasing.
    case finetune
    /// As in pretraining: a crop of 20 to 100 % of the area and a flip.
    case mae
    case flip, none
}
