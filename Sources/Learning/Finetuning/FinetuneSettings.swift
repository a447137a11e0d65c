import Foundation
import Graph
import Models
import Vision

/// Everything that decides what fine-tuning computes. The defaults are MAE's for a base model on ImageNet (FINETUNE.md).
public struct FinetuneSettings: RunSettings {
    public static let command = "finetune"

    public var model: ModelConfiguration
    /// Names of the classes, in the order of the labels.
    public var classes: [String]
    public var schedule: Schedule
    public var batchSize: Int
    public var accumulation = 1
    public var clip: Float?
    public var adamw = AdamW(beta1: 0.9, beta2: 0.999, weightDecay: 0.05)
    /// What the learning rate is multiplied by from one layer to the one before it.
    public var layerDecay: Float = 0.65
    /// Of the last block.
    public var dropPath = 0.1
    public var mixing = BatchMixing()
    public var augmentation: FinetuneAugmentation = .finetune
    public var randAugment: RandAugment? = RandAugment()
    /// How likely a part of a picture is erased.
    public var erasing = 0.25
    public var normalization: PixelNormalization
    public var seed: UInt64 = 0
    public var decoding = DecodeOptions()

    // How the run is kept: none of these changes what is computed.
    public var maxSteps: Int?
    public var strict = false

    public init(model: ModelConfiguration, classes: [String], schedule: Schedule, batchSize: Int, normalization: PixelNormalization) {
        self.model = model
        self.classes = classes
        self.schedule = schedule
        self.batchSize = batchSize
        self.normalization = normalization
    }

    var shape: ClassifierShape { ClassifierShape(classes: classes.count, layerDecay: layerDecay) }
    var storesGradients: Bool { accumulation > 1 || clip != nil }

    /// What happens to the pictures that are trained on.
    func pipeline(_ grid: PatchGrid) -> ImagePipeline {
        let erasing = erasing > 0 ? RandomErasing(probability: erasing) : nil
        return switch augmentation {
        case .finetune:
            ImagePipeline(
                grid: grid, augmentation: .none, normalization: normalization, seed: seed,
                training: TrainingAugmentation(randAugment: randAugment, erasing: erasing))
        case .mae: ImagePipeline(grid: grid, augmentation: .mae, normalization: normalization, seed: seed)
        // As they are judged: pictures of the model's size are resized and cropped, too.
        case .flip: ImagePipeline(grid: grid, augmentation: .flip, normalization: normalization, seed: seed, preprocessing: .reference)
        case .none: ImagePipeline(grid: grid, augmentation: .none, normalization: normalization, seed: seed, preprocessing: .reference)
        }
    }

    /// What is wrong with the settings, or nil.
    public var problem: String? {
        if let problem = model.problem { return problem }
        if classes.count < 2 { return "fine-tuning needs images of at least 2 classes, not \(classes.count)" }
        if let problem = mixing.problem { return problem }
        if !(0..<1).contains(dropPath) { return "drop-path must be at least 0 and below 1, not \(dropPath)" }
        if schedule.warmupEpochs > 0, schedule.warmupEpochs >= Double(schedule.epochs) {
            return "warmup-epochs \(schedule.warmupEpochs) must be less than epochs \(schedule.epochs)"
        }
        if let problem = TrainingAugmentation(randAugment: randAugment, erasing: RandomErasing(probability: erasing)).problem { return problem }
        return nil
    }

    public var entries: [(key: String, value: LogValue)] {
        model.encoderEntries + [
            ("classes", .integer(classes.count)), ("class-names", .string(classes.joined(separator: ","))), ("batch-size", .integer(batchSize)), ("epochs", .integer(schedule.epochs)),
            ("accum-iter", .integer(accumulation)), ("pool", .string(model.normalizesPooled == true ? "mean" : "cls")),
            ("lr", .double(schedule.learningRate)),
            ("min-lr", .double(schedule.minimumLearningRate)), ("warmup-epochs", .double(schedule.warmupEpochs)),
            ("weight-decay", .double(adamw.weightDecay)), ("layer-decay", .float(layerDecay)), ("drop-path", .double(dropPath)),
            ("clip-grad", .float(clip ?? 0)), ("mixup", .double(mixing.mixup)), ("cutmix", .double(mixing.cutmix)),
            ("smoothing", .double(mixing.smoothing)), ("augment", .string(augmentation.rawValue)), ("aa", .string(randAugment?.text ?? "none")),
            ("reprob", .double(erasing)), ("mean", .string(PretrainSettings.list(normalization.mean))),
            ("std", .string(PretrainSettings.list(normalization.std))), ("seed", .integer(Int(seed))),
        ] + decoding.entries
    }

    /// Names of a classifier's classes in its file's metadata: a JSON array.
    static let classesKey = "curricle.classes"

    /// The classes that a file's head tells apart; nil where it does not say.
    public static func classes(of file: Checkpoint) -> [String]? {
        file.metadata[classesKey].flatMap { try? JSONDecoder().decode([String].self, from: Data($0.utf8)) }
    }

    public func takesSnapshot(after epochs: Int) -> Bool { false }

    public var weightsMetadata: [String: String] {
        [
            "format": "pt", "curricle.model": WeightsFile.json(model), "curricle.pixels": WeightsFile.json(normalization),
            FinetuneSettings.classesKey: WeightsFile.json(classes),
        ]
    }
}

/// What happens to a picture before a classifier is trained on it.
public enum FinetuneAugmentation: String, Sendable, CaseIterable, Codable {
    /// A crop of 8 to 100 % of the area, a flip, RandAugment and random erasing.
    case finetune
    /// As in pretraining: a crop of 20 to 100 % of the area and a flip.
    case mae
    case flip, none
}
