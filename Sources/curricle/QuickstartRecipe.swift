import CurricleEngine
import Foundation
import CurricleModels
import CurricleProofs
import CurricleRuntime
import CurricleStorage
import CurricleTrainer
import CurricleVision

/// A recipe for images that nobody has trained on yet, by what is known of them and the time that there is.
struct QuickstartRecipe {
    /// Models for pictures of a size, the largest first: side, patch, width, depth, heads; decoder's width, depth, heads.
    private static let models: [(sides: ClosedRange<Int>, model: ModelConfiguration)] = {
        func model(_ side: Int, _ patch: Int, _ width: Int, _ depth: Int, _ heads: Int, _ decoder: Int) -> ModelConfiguration {
            ModelConfiguration(
                imageHeight: side, imageWidth: side, patchSize: patch, embedWidth: width, depth: depth, heads: heads, decoderWidth: decoder,
                decoderDepth: 2, decoderHeads: 4)
        }
        let photographs = 112...Int.max, small = 45...111
        return [
            (photographs, .tinyP16),
            (photographs, model(128, 16, 192, 6, 3, 96)),
            (photographs, model(96, 12, 128, 6, 4, 64)), (small, model(64, 8, 192, 6, 3, 96)), (small, model(64, 8, 96, 4, 4, 64)),
            (33...44, model(40, 5, 96, 4, 4, 64)), (30...32, model(32, 4, 96, 4, 4, 64)), (1...29, model(28, 4, 96, 4, 4, 64))
        ]
    }()
    /// Fewer epochs than this teach a net little: a smaller one is taken then.
    static let fewEpochs = 60
    /// More than this gain little: what is left of the time is better spent on a larger net, or not at all.
    static let manyEpochs = 800

    let settings: PretrainSettings
    let plan: TrainingPlan
    let secondsPerEpoch: Double
    var minutes: Double { secondsPerEpoch * Double(settings.schedule.epochs) / 60 }

    /// - Parameters:
    ///   - side: the median of the images' shorter sides, pixels.
    ///   - pixels: mean and deviation of their channels, one for grey images.
    /// - Throws: what planning throws.
    init(
        images: Int, side: Int, pixels: PixelNormalization, minutes: Double, threads: Int, isa: ISA
    ) throws {
        let fitting = QuickstartRecipe.models.filter { $0.sides.contains(side) }.map(\.model)
        var chosen: QuickstartRecipe?
        for var model in fitting {
            model.channels = pixels.mean.count
            let recipe = try QuickstartRecipe(model, images, pixels, minutes, threads, isa)
            chosen = recipe
            if recipe.settings.schedule.epochs >= QuickstartRecipe.fewEpochs { break }
        }
        guard let chosen else { throw LearningError.configuration("images of \(side) pixels are too small") }
        self = chosen
    }

    private init(
        _ model: ModelConfiguration, _ images: Int, _ pixels: PixelNormalization, _ minutes: Double, _ threads: Int, _ isa: ISA
    ) throws {
        var settings = PretrainSettings()
        settings.model = model
        settings.normalization = pixels
        settings.batchSize = min(images, PretrainSettings.batchSize(images: images, accumulation: 1))
        // At equal work plain MAE teaches more than a curriculum does (Benchmarks/RESULTS.md).
        settings.step.masking = .random
        settings.learningRatePer256 = 4e-3
        let isColour = model.channels > 1
        settings.step.normalizedTargets = isColour
        settings.augmentation = isColour ? .mae : .none
        plan = try TrainingPlan(settings, threads: threads, isa: isa)
        let steps = (images + settings.batchSize - 1) / settings.batchSize
        secondsPerEpoch = try plan.predictedSeconds(settings, threads: threads, isa: isa) * Double(steps)
        let epochs = max(2, min(QuickstartRecipe.manyEpochs, Int(60 * minutes / secondsPerEpoch)))
        settings.schedule.epochs = epochs
        settings.schedule.warmupEpochs = max(1, Double(epochs / 10))
        if epochs < 3 { settings.schedule.warmupEpochs = 0 }
        self.settings = settings
    }

    /// As `pretrain --config` reads it: what one may want to change, not more.
    func configuration(data: String) -> String {
        let m = settings.model, pixels = settings.normalization
        let entries: [(key: String, value: LogValue)] = [
            ("data", .string(data)), ("image-size", .integer(m.imageHeight)), ("patch-size", .integer(m.patchSize)),
            ("channels", .integer(m.channels)), ("embed-dim", .integer(m.embedWidth)), ("depth", .integer(m.depth)),
            ("num-heads", .integer(m.heads)), ("decoder-embed-dim", .integer(m.decoderWidth)), ("decoder-depth", .integer(m.decoderDepth)),
            ("decoder-num-heads", .integer(m.decoderHeads)), ("masking", .string(settings.step.masking.rawValue)),
            ("norm-pix-loss", .boolean(settings.step.normalizedTargets)), ("augment", .string(settings.augmentation.rawValue)),
            ("mean", .string(pixels.mean.map { "\($0)" }.joined(separator: ","))),
            ("std", .string(pixels.std.map { "\($0)" }.joined(separator: ","))), ("batch-size", .integer(settings.batchSize)),
            ("epochs", .integer(settings.schedule.epochs)), ("warmup-epochs", .double(settings.schedule.warmupEpochs)),
            ("blr", .double(settings.learningRatePer256))
        ]
        return "{\n" + entries.map { "  \(LogValue.string($0.key).json): \($0.value.json)" }.joined(separator: ",\n") + "\n}\n"
    }
}
