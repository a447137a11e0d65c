internal import Curricle
internal import CurricleEngine
internal import CurricleModels
internal import CurricleTrainer
internal import CurricleVision

/// What is trained, and how long. What is not said here is as `curricle pretrain` has it.
public struct Recipe: Sendable, Equatable {
    /// What chooses the patches that are removed.
    public enum Masks: Sendable, Hashable {
        /// A masker that is trained beside the autoencoder and turns from partner to adversary (CL-MAE).
        case curriculum
        /// Chance (MAE).
        case random
    }

    /// What products are computed with.
    public enum Precision: Sendable, Hashable {
        /// IEEE single precision.
        case float32
        /// Numbers of 16 bits whose sums are float32; half of the memory between products, and faster where the CPU has the instruction.
        case bfloat16
    }

    /// A model's sizes.
    public struct Model: Sendable, Hashable {
        /// Pixels, a side; a multiple of ``patchSize``.
        public var imageSize = 224
        /// Pixels, a side.
        public var patchSize = 16
        /// 1 for grey images, 3 for colour.
        public var channels = 3
        /// Width, blocks and heads of the encoder; the width divides by 4 and by the heads.
        public var width: Int, depth: Int, heads: Int
        /// Width, blocks and heads of the decoder.
        public var decoderWidth: Int, decoderDepth = 2, decoderHeads = 4

        /// Images of 224 pixels in colour, patches of 16 and a decoder of two blocks, until that is changed.
        /// - Parameters:
        ///   - width: numbers of a token in the encoder; divides by 4 and by the heads.
        ///   - depth: blocks of the encoder, from 1.
        ///   - heads: of the encoder's attention.
        ///   - decoderWidth: numbers of a token in the decoder; divides by 4 and by its heads.
        public init(width: Int, depth: Int, heads: Int, decoderWidth: Int) {
            (self.width, self.depth, self.heads, self.decoderWidth) = (width, depth, heads, decoderWidth)
        }

        /// 224 pixels, patches of 16, width 192, 12 blocks: 5.5 million parameters in the encoder.
        public static let tiny = Model(width: 192, depth: 12, heads: 3, decoderWidth: 128)
        /// 64 pixels, patches of 8, width 96, 4 blocks: for small pictures and small machines.
        public static let small64: Model = {
            var model = Model(width: 96, depth: 4, heads: 4, decoderWidth: 64)
            (model.imageSize, model.patchSize) = (64, 8)
            return model
        }()
    }

    /// The model's sizes.
    public var model: Model
    /// What chooses the patches that are removed.
    public var masks: Masks
    /// Passes over the images, from 1.
    public var epochs = 100
    /// Images a step; nil for what suits their number.
    public var batchSize: Int?
    /// Peak learning rate for 256 images a step; it goes with the batch.
    public var learningRatePer256 = 4e-3
    /// Share of the patches that are removed, 0…1.
    public var maskRatio = 0.75
    /// Whether patches are predicted normalised by their own mean and deviation: better for photographs.
    public var normalizesTargets = true
    /// Whether images are cropped and flipped anew in each epoch.
    public var augments = true
    /// What products are computed with; the same bits on every CPU, either way.
    public var precision = Precision.float32
    /// Decides whatever is drawn: the same seed gives the same run.
    public var seed: UInt64 = 0
    /// The most bytes that the process may take; nil for four fifths of what there is.
    public var memoryLimit: Int?

    /// A hundred epochs as MAE has them, until that is changed.
    /// - Parameters:
    ///   - model: sizes.
    ///   - masks: what chooses the patches that are removed.
    public init(_ model: Model, masks: Masks = .curriculum) { (self.model, self.masks) = (model, masks) }

    /// - Throws: `CurricleError` for sizes that do not divide.
    func settings(images: Int) throws(CurricleError) -> PretrainSettings {
        var settings = PretrainSettings()
        settings.model = ModelConfiguration(
            imageHeight: model.imageSize, imageWidth: model.imageSize, patchSize: model.patchSize, channels: model.channels,
            embedWidth: model.width, depth: model.depth, heads: model.heads, decoderWidth: model.decoderWidth,
            decoderDepth: model.decoderDepth, decoderHeads: model.decoderHeads)
        settings.step.masking = masks == .random ? .random : .learned
        settings.step.maskRatio = maskRatio
        settings.step.normalizedTargets = normalizesTargets
        settings.batchSize = batchSize ?? PretrainSettings.batchSize(images: images, accumulation: 1)
        settings.schedule.epochs = epochs
        settings.learningRatePer256 = learningRatePer256
        settings.augmentation = augments ? .mae : .none
        settings.seed = seed
        settings.precision = precision == .bfloat16 ? .bfloat16 : .float32
        settings.memoryLimit = memoryLimit
        settings.settle { _ in false }
        if let problem = settings.problem { throw CurricleError(problem.description) }
        return settings
    }
}
