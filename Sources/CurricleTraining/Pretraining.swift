public import Curricle
internal import Foundation
internal import CurricleRuntime
internal import Synchronization
internal import CurricleTrainer

/// What an epoch of pretraining came to.
public struct Epoch: Sendable, Equatable {
    /// From 1.
    public let number: Int
    /// Of all.
    public let count: Int
    /// Mean error of the removed patches in its last step.
    public let loss: Double
    public let imagesPerSecond: Double
}

/// A pretraining run as a sequence of its epochs: `for try await epoch in Pretraining(recipe, on: images, keepingIn: "run")`.
///
/// It goes on from the newest state of the folder, where there is one, to the same bits as a run that was never interrupted. Where the task is
/// cancelled, or the loop is left, the step is finished and the state is kept.
public struct Pretraining: AsyncSequence, Sendable {
    public typealias Element = Epoch
    public typealias Failure = any Error
    public let recipe: Recipe
    public let images: Images
    /// States, weights (`model.safetensors`, which ``EncoderWeights`` reads), log and pictures.
    public let folder: String
    /// 1…1024; nil for all processors that the process may use.
    public var threads: Int?

    public init(_ recipe: Recipe, on images: Images, keepingIn folder: String, threads: Int? = nil) {
        (self.recipe, self.images, self.folder, self.threads) = (recipe, images, folder, threads)
    }

    /// Begins, or goes on.
    public func makeAsyncIterator() -> AsyncThrowingStream<Epoch, any Error>.Iterator {
        AsyncThrowingStream(Epoch.self) { continuation in
            let stop = StopFlag()
            continuation.onTermination = { _ in stop.set() }
            // A thread of its own: a run is minutes or days of work without a pause.
            let thread = Thread {
                do {
                    try train(stop) { continuation.yield($0) }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: (error as? CurricleError) ?? CurricleError(error))
                }
            }
            thread.stackSize = 8 << 20
            thread.start()
        }.makeAsyncIterator()
    }

    private func train(_ stop: StopFlag, _ ended: (Epoch) -> Void) throws {
        let settings = try recipe.settings(images: images.count), files = RunFiles(folder: folder)
        let resumes = try !files.states.isEmpty
        let run = try CurricleTrainer.Pretraining(
            settings, source: images.source, output: folder, threads: threads ?? Machine.processors, isa: .best, resumes: resumes)
        if try !(resumes && run.resume()) { try run.begin(from: nil) }
        try withoutActuallyEscaping(ended) { ended in
            _ = try run.run(
                isInterrupted: { stop.isSet },
                progress: { progress in
                    guard progress.endsEpoch else { return }
                    ended(
                        Epoch(
                            number: progress.position.epoch + 1, count: settings.schedule.epochs,
                            loss: Double(progress.losses.autoencoder ?? .nan),
                            imagesPerSecond: progress.imagesPerSecond))
                })
        }
    }
}

private final class StopFlag: Sendable {
    private let flag = Atomic<Bool>(false)
    var isSet: Bool { flag.load(ordering: .relaxed) }
    func set() { flag.store(true, ordering: .relaxed) }
}
