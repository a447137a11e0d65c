import CurricleDatasets
import CurricleEngine
import CurricleGraph
import CurricleModels
import CurricleTrainer
import CurricleVision
@testable import CurricleFeatures

/// A small run whose features are judged.
package enum LabelledRun {
    package static func settings(epochs: Int, masking: Masking = .learned, knnEpochs: Int = 2) -> PretrainSettings {
        var settings = PretrainSettings(
            model: ModelConfiguration(
                imageHeight: 12, imageWidth: 12, patchSize: 4, channels: 1, embedWidth: 16, depth: 1, heads: 2, decoderWidth: 16,
                decoderDepth: 1, decoderHeads: 2),
            step: StepOptions(masking: masking), adamw: AdamW(), schedule: Schedule(epochs: epochs, warmupEpochs: 1, learningRate: 1e-2),
            batchSize: 8,
            augmentation: .none, normalization: PixelNormalization(mean: [0.5], std: [0.25]), seed: 2)
        settings.knnEpochs = knnEpochs
        settings.snapshotEpochs = 1
        return settings
    }

    package static let training = LabelledImages(count: 150), test = LabelledImages(count: 170)

    package static func begin(_ settings: PretrainSettings, _ folder: String, threads: Int, resumes: Bool = false) throws -> Pretraining {
        let run = try Pretraining(
            settings, source: LabelledImages(count: 24), output: folder, threads: threads, isa: .best, resumes: resumes,
            watch: FeatureWatch(training: training, test: ImageSelection(test, most: 160)))
        if !(try resumes && run.resume()) { try run.begin(from: nil) }
        return run
    }
}
