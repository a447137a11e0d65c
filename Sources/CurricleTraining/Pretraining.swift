public import Curricle
internal import CurricleRuntime
internal import CurricleTrainer

/// What an epoch of pretraining came to.
public struct Epoch: Sendable, Equatable {
    /// From 1.
    public let number: Int
    /// Epochs of the whole run.
    public let count: Int
    /// Mean error of the removed patches in its last step.
    public let loss: Double
    /// Images a second, over its steps.
    public let imagesPerSecond: Double
}

/// A pretraining run as a sequence of its epochs: `for try await epoch in Pretraining(recipe, on: images, keepingIn: "run")`.
///
/// It goes on from the newest state of the folder, where there is one, to the same bits as a run that was never interrupted. Where the task is
/// cancelled, or the loop is left, the step is finished and the state is kept, for which the next run in the folder waits; a process that ends
/// meanwhile goes on from the state before.
public struct Pretraining: AsyncSequence, Sendable {
    /// An epoch that has ended.
    public typealias Element = Epoch
    /// `CurricleError` in each case.
    public typealias Failure = any Error
    /// What is trained, and how long.
    public let recipe: Recipe
    /// What is learned from; labels are not looked at.
    public let images: Images
    /// States, weights (`model.safetensors`, which `EncoderWeights` reads), log and pictures.
    public let folder: String
    /// 1…1024; nil for all processors that the process may use.
    public var threads: Int?

    /// Nothing is done before the first epoch is asked for.
    /// - Parameters:
    ///   - recipe: what is trained, and how long.
    ///   - images: what is learned from.
    ///   - folder: of the run; made where it is not there.
    ///   - threads: 1…1024; nil for all processors that the process may use.
    public init(_ recipe: Recipe, on images: Images, keepingIn folder: String, threads: Int? = nil) {
        (self.recipe, self.images, self.folder, self.threads) = (recipe, images, folder, threads)
    }

    /// Begins, or goes on.
    public func makeAsyncIterator() -> AsyncThrowingStream<Epoch, any Error>.Iterator { epochs(in: folder, of: train) }

    private func train(_ stop: StopFlag, _ ended: @escaping (Epoch) -> Void) throws {
        let settings = try recipe.settings(images: images.count), files = RunFiles(folder: folder), resumes = try !files.states.isEmpty
        try files.check(PretrainSettings.command, resumes: resumes)
        let run = try CurricleTrainer.Pretraining(
            settings, source: images.source(channels: settings.model.channels), output: folder, threads: threads ?? Machine.processors,
            isa: .best, resumes: resumes)
        if try !(resumes && run.resume()) { try run.begin(from: nil) }
        _ = try run.run(
            isInterrupted: { stop.isSet },
            progress: { progress in
                guard progress.endsEpoch else { return }
                ended(
                    Epoch(
                        number: progress.position.epoch + 1, count: settings.schedule.epochs,
                        loss: Double(progress.losses.autoencoder ?? .nan), imagesPerSecond: progress.imagesPerSecond))
            })
    }
}
