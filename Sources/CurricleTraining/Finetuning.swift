public import Curricle
internal import CurricleDatasets
internal import CurricleEngine
internal import CurricleRuntime
internal import CurricleTrainer
internal import CurricleWeights

/// What an epoch of fine-tuning came to.
public struct FinetunedEpoch: Sendable, Equatable {
    /// From 1.
    public let number: Int
    /// Epochs of the whole run.
    public let count: Int
    /// Mean cross-entropy of its steps, nats an image.
    public let loss: Double
    /// Share of the test images whose class is found, 0…1.
    public let accuracy: Double
}

/// The whole encoder trained with a linear head on labelled images (MAE's `main_finetune.py`), as a sequence of its epochs.
///
/// It goes on from the newest state of the folder, where there is one, and is left as ``Pretraining`` is.
public struct Finetuning: AsyncSequence, Sendable {
    /// An epoch that has ended.
    public typealias Element = FinetunedEpoch
    /// `CurricleError` in each case.
    public typealias Failure = any Error
    /// What is begun with.
    public let weights: EncoderWeights
    /// Labelled images that are learned from.
    public let training: Images
    /// Labelled images that are judged after each epoch: classes of the same names.
    public let test: Images
    /// States, weights (`model.safetensors`, `model-best.safetensors`) and log.
    public let folder: String
    /// Passes over the training images, from 1.
    public var epochs = 50
    /// Images a step, from 1; nil for what suits their number.
    public var batchSize: Int?
    /// Peak learning rate for 256 images a step; it goes with the batch.
    public var learningRatePer256 = 5e-4
    /// Decides whatever is drawn: the same seed gives the same run.
    public var seed: UInt64 = 0
    /// 1…1024; nil for all processors that the process may use.
    public var threads: Int?

    /// Nothing is done before the first epoch is asked for.
    /// - Parameters:
    ///   - weights: what is begun with.
    ///   - training: labelled images that are learned from.
    ///   - test: labelled images that are judged.
    ///   - folder: of the run; made where it is not there.
    public init(_ weights: EncoderWeights, on training: Images, judgedOn test: Images, keepingIn folder: String) {
        (self.weights, self.training, self.test, self.folder) = (weights, training, test, folder)
    }

    /// Begins, or goes on.
    public func makeAsyncIterator() -> AsyncThrowingStream<FinetunedEpoch, any Error>.Iterator {
        CurricleTraining.epochs(in: folder, of: train)
    }

    private func train(_ stop: StopFlag, _ ended: @escaping (FinetunedEpoch) -> Void) throws {
        let file = try weights.file(), classes = training.source.classNames
        let settings = try settings(file, classes: classes.map(\.stored)), channels = settings.model.channels,
            files = RunFiles(folder: folder),
            resumes = try !files.states.isEmpty
        try files.check(FinetuneSettings.command, resumes: resumes)
        let run = try CurricleTrainer.Finetuning(
            settings, training: training.source(channels: channels), test: test.source(channels: channels).labelled(byNames: classes),
            output: folder,
            threads: threads ?? Machine.processors, isa: .best)
        if try !(resumes && run.resume()) { try run.begin(from: file) }
        _ = try run.run(isInterrupted: { stop.isSet }) { progress in
            guard let score = progress.score else { return }
            ended(FinetunedEpoch(number: progress.position.epoch, count: epochs, loss: progress.loss, accuracy: score.top1))
        }
    }

    private func settings(_ file: Checkpoint, classes: [String]) throws -> FinetuneSettings {
        try WeightsDescription.requireTrainable(file)
        var settings = try FinetuneSettings(file, weights.description(of: file), classes: classes)
        settings.schedule.epochs = epochs
        settings.batchSize = batchSize ?? FinetuneSettings.batchSize(images: training.count, accumulation: 1)
        settings.learningRatePer256 = learningRatePer256
        settings.seed = seed
        settings.settle { _ in false }
        return settings
    }
}
