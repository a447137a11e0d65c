import CurricleDistributed
import CurricleDatasets
import CurricleEngine
import CurricleFeatures
import Foundation
import CurricleGraph
import CurricleModels
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleVision
import CurricleWeights

/// What a run tells while it goes on.
package struct TrainingProgress: Sendable {
    package let position: RunPosition
    package let stepsPerEpoch: Int
    package let settings: IterationSettings
    package let losses: IterationLosses
    package let imagesPerSecond: Double
    /// Share of the time that steps waited for data.
    package let dataShare: Double
    package let endsEpoch: Bool
}

/// A pretraining run: data, model, schedule, logs and states in one folder.
package final class Pretraining: TrainingRecipe {
    package let settings: PretrainSettings
    package let files: RunFiles
    package let model: ModelRuntime
    package var position: RunPosition { loop.position }
    /// Called once, just before the first step.
    package var willBegin: () -> Void = {}
    /// Messages for the user: broken images, skipped steps.
    package var report: (Message) -> Void = { _ in } {
        didSet { loop.report = report }
    }
    /// Told of the epochs done once an epoch's log and state are kept.
    package var epochKept: (Int) -> Void = { _ in }
    private var judging: (Int, Int, Int) -> Void = { _, _, _ in }
    private var progress: (TrainingProgress) -> Void = { _ in }

    /// How a limit on memory is met.
    let memoryChoice: MemoryChoice?
    private let loop: TrainingLoop<Pretraining>
    private let source: any ImageSource
    private let trainer: JointTrainer
    let loader: BatchLoader
    /// What masks are decided by beside the scores, [images of an update, L]; nil where scores decide alone.
    private let decisions: Memory?
    private var group: BatchGroup
    private var lastLosses = IterationLosses()
    private let held: HeldImages?
    private let ranks: Ranks?
    /// The most leaves of an update that this process computes, and images of the largest.
    private let ownBatches: Int, leafImages: Int
    private let watch: FeatureWatch?

    /// - Parameter resumes: whether `resume` will follow: a limit on memory is then met as the run's newest state records.
    /// - Parameter heldOut: images that are not trained on, for the pictures and figures of each epoch.
    /// - Parameter watch: labelled images that the features are judged by every `knnEpochs`.
    /// - Parameter ranks: the processes that share the run's batches; the first of them keeps, logs and judges it.
    /// - Throws: `LearningError.configuration`, `LearningError.memory`, `RuntimeError`, `VisionError`.
    package init(
        _ settings: PretrainSettings, source: any ImageSource, output: String, threads: Int, isa: ISA, resumes: Bool = false,
        heldOut: (any ImageSource)? = nil, watch: FeatureWatch? = nil, ranks: Ranks? = nil
    ) throws {
        if let problem = settings.problem { throw LearningError.configuration(problem) }
        if settings.knnEpochs > 0, watch == nil { throw LearningError.configuration(FeatureWatch.need) }
        self.settings = settings
        var watch = settings.knnEpochs > 0 ? watch : nil
        watch?.preprocessing = settings.preprocessing
        watch?.passOrder = settings.passOrder
        self.watch = watch
        self.source = source
        files = RunFiles(folder: output)
        self.ranks = ranks
        loop = TrainingLoop(files: files, ranks: ranks)
        var planned = settings
        planned.batchSize = min(settings.batchSize, source.count)
        let recorded = resumes && ranks.leads ? try files.recordedChoice : nil
        let choice = try TrainingPlan.choice(
            planned, threads: threads, isa: isa, recorded: recorded, ranks: ranks.size,
            data: DataMemory(
                [source] + (self.watch.map { [$0.training, $0.test] } ?? []), judgedImages: self.watch?.images ?? 0,
                looksAtAll: settings.memoryLimit != nil))
        // Rank 0's, whose machine the others' are taken for.
        memoryChoice = try ranks.map { try $0.broadcast(json: choice) } ?? choice
        let pieceImages = memoryChoice?.pieceImages
        model = try ModelRuntime(
            settings.model, precision: settings.precision, moments: settings.moments.element, trains: true,
            sharesMoments: ranks != nil, storesGradients: settings.storesGradients(pieceImages: pieceImages), threads: threads, isa: isa,
            arenaLimit: memoryChoice?.arenaBytes)
        trainer = JointTrainer(
            model: model, options: settings.step, adamw: settings.adamw, clip: settings.clip, accumulates: settings.accumulation > 1,
            pieceImages: pieceImages, groups: settings.gradientGroups, ranks: ranks)
        let m = settings.model, batchSize = min(settings.batchSize, source.count)
        let grid = try m.grid
        guard source.count >= settings.batchSize || !settings.dropLast else {
            throw LearningError.configuration(
                "\(source.count) images give no batch of \(settings.batchSize): lower \(.batchSize) or leave out \(.dropLast)")
        }
        let pipeline = ImagePipeline(
            grid: grid, augmentation: settings.augmentation, normalization: settings.normalization, seed: settings.seed,
            passOrder: settings.passOrder)
        loader = BatchLoader(
            source: source, pipeline: pipeline,
            batchSize: settings.leafPieceImages ?? (settings.dropLast ? settings.batchSize : batchSize), dropLast: settings.dropLast,
            shuffle: true, seed: settings.seed,
            workers: Pretraining.loaderWorkers(threads: threads), prefetch: Pretraining.batchesAhead(threads: threads),
            broken: settings.strict ? .refuse : .substitute)
        loader.isWanted = trainer.isOwn(batches: loader.batchesPerEpoch, leaves: settings.leaves)
        ownBatches = trainer.ownBatches(of: settings.leaves) + (ranks == nil ? 0 : 1)  // a short last update may be shared otherwise
        leafImages = settings.leafPieceImages ?? batchSize
        decisions =
            settings.step.masking.isGiven || settings.step.takesNoise
            ? try Memory(integers: leafImages * ownBatches * m.patches, purpose: "masks") : nil
        group = try BatchGroup(ownBatches, floats: leafImages * grid.count * grid.patchWidth)
        // The first rank looks for all.
        held = try ranks.leads ? HeldImages(source: heldOut ?? source, pipeline: pipeline, strict: settings.strict) : nil
        try ranks?.agree(on: source, settings, isa)
    }

    /// Threads that decode images beside the team.
    static func loaderWorkers(threads: Int) -> Int { max(1, threads / 2) }

    /// Batches that are ready before a step asks for them.
    static func batchesAhead(threads: Int) -> Int { max(2, threads / 2) }

    /// Bytes of the batches that are ready or in use, and of the two images that each worker decodes.
    static func loaderBytes(batch: Int, threads: Int, imageBytes: Int) -> Int {
        batch * (batchesAhead(threads: threads) + 1) + loaderWorkers(threads: threads) * 2 * imageBytes
    }

    /// Begins with fresh parameters, or with those of a file of weights.
    /// - Returns: the parts that are fresh because the file does not have them.
    @discardableResult
    package func begin(from weights: Checkpoint?) throws -> [String] {
        model.initialize(seed: settings.seed)
        var fresh: [String] = []
        if let weights {
            try WeightsDescription.requireTrainable(weights)
            try WeightsDescription.requireHeads(weights, settings.model)
            try WeightsFile.requireFixedPositions(weights, settings.model)
            fresh = try WeightsFile.loadParts(weights, into: model)
        }
        try loop.begin(self, in: files.pictures)
        return fresh
    }

    /// Goes on from the newest state; false where there is none.
    package func resume() throws -> Bool {
        loop.report = report
        guard try loop.resume(self) else { return false }
        trainer.updates.counts = position.updates
        return true
    }

    /// What the features are judged by, for a person to read; nil where they are not.
    package var judged: String? { watch.map { "every \(settings.knnEpochs == 1 ? "epoch" : "\(settings.knnEpochs) epochs") \($0.text)" } }

    /// Images of a batch, which may be all there are.
    package var batchSize: Int { min(settings.batchSize, source.count) }
    package var stepsPerEpoch: Int { (loader.batchesPerEpoch + settings.leaves - 1) / settings.leaves }

    /// Trains to the end of the schedule.
    /// - Parameters:
    ///   - isInterrupted: asked between steps; true saves the state and ends the run.
    ///   - judging: told while features are judged: epochs done, images done, and images in all.
    ///   - progress: told after each step.
    /// - Throws: `LearningError.nonfinite` where a loss is not finite and the policy is to stop.
    package func run(
        isInterrupted: () -> Bool = { false }, judging: @escaping (Int, Int, Int) -> Void = { _, _, _ in },
        progress: @escaping (TrainingProgress) -> Void = { _ in }
    ) throws -> RunEnd {
        self.judging = judging
        self.progress = progress
        try trainer.prepare(images: min(settings.batchSize, source.count), batches: ownBatches, leafImages: settings.leafPieceImages)
        willBegin()
        for line in held?.broken ?? [] { loop.reportOnce(Message(line)) }
        return try loop.run(self, isInterrupted: isInterrupted)
    }

    /// What the masker does to the held images; nil where there is none.
    private func look() throws -> CurriculumMicroscope.Reading? {
        guard !settings.step.masking.isGiven, let held else { return nil }
        return try CurriculumMicroscope.look(held, model, settings.step, seed: settings.seed).reading
    }

    // MARK: One step, and one epoch

    private(set) lazy var images = RunImages(source)
    private(set) lazy var sharedMoments = ranks.map { SharedMoments($0, model) }

    func step(_ position: inout RunPosition, lastState: String?) throws -> StepOutcome {
        let now = iterationSettings(position), started = DispatchTime.now().uptimeNanoseconds
        let leaves = min(settings.leaves, loader.batchesPerEpoch - position.batch)
        let (batches, broken) = try nextGroup(epoch: position.epoch, leaves: leaves)
        let loaded = DispatchTime.now().uptimeNanoseconds
        let waited = trainer.waited
        let losses = try trainer.iterate(
            batches, of: shape(position.batch..<(position.batch + leaves)), now, mayContinue: { _ in settings.onNonfinite == .skip })
        if !losses.skipped.isEmpty { try leaveOut(losses, now, &position, lastState) }
        position.updates = trainer.updates.counts
        lastLosses = losses
        let phase = settings.step.ranks ? (name: "hard_share", value: now.hardShare) : (name: "lambda_cl", value: now.curriculum)
        return StepOutcome(
            means: losses.means, fields: [("lr", .double(now.learningRate)), (phase.name, .double(phase.value))] + losses.fields,
            scalars: [("lr", Float(now.learningRate)), (phase.name, Float(phase.value))] + losses.scalars,
            images: loader.images(of: position.batch..<(position.batch + leaves)), batches: leaves,
            dataSeconds: Double(loaded - started) * 1e-9,
            exchangeSeconds: ranks == nil ? nil : trainer.waited - waited, broken: broken)
    }

    /// The update of some of the loader's batches, which are leaves.
    private func shape(_ batches: Range<Int>) -> UpdateShape {
        guard let piece = settings.leafPieceImages else { return UpdateShape(batches: batches.map { loader.images(of: $0..<($0 + 1)) }) }
        let images = loader.images(of: batches), whole = settings.batchSize
        return UpdateShape(batches: stride(from: 0, to: images, by: whole).map { min(whole, images - $0) }, pieceImages: piece)
    }

    private func iterationSettings(_ position: RunPosition) -> IterationSettings {
        let pieces = settings.leavesPerBatch
        let share = Double(position.batch / pieces) / Double((loader.batchesPerEpoch + pieces - 1) / pieces)
        return IterationSettings(
            learningRate: settings.schedule.learningRate(at: Double(position.epoch) + share),
            curriculum: settings.curriculum.factor(epoch: position.epoch, of: settings.schedule.epochs),
            hardShare: PretrainSettings.mostHardShare * settings.schedule.progress(epoch: position.epoch),
            trainsMasker: position.step.isMultiple(of: settings.maskerEvery))
    }

    private func leaveOut(_ losses: IterationLosses, _ now: IterationSettings, _ position: inout RunPosition, _ lastState: String?) throws {
        let halves = losses.skipped.map { $0 == .autoencoder ? "A (autoencoder)" : "B (masker)" }.joined(separator: ", ")
        let numbers =
            "step \(position.step + 1), epoch \(position.epoch), batch \(position.batch), lr \(now.learningRate), λ \(now.curriculum)"
        if settings.onNonfinite == .stop {
            let state = lastState.map { "the last good state is \($0)" } ?? "no state was saved yet"
            throw LearningError.nonfinite(
                "the loss of step \(halves) is not finite at \(numbers): \(state); lower \(.learningRate), or go on with "
                    + "\(.onNonfinite, NonfinitePolicy.skip.rawValue)")
        }
        position.skipped += losses.skipped.count
        report("loss not finite, left out: \(halves) at \(numbers)")
    }

    func stepEnded(_ position: RunPosition, _ outcome: StepOutcome, _ times: EpochTimes, endsEpoch: Bool) {
        var before = position
        before.batch -= outcome.batches
        progress(
            TrainingProgress(
                position: position, stepsPerEpoch: stepsPerEpoch, settings: iterationSettings(before), losses: lastLosses,
                imagesPerSecond: times.imagesPerSecond, dataShare: times.dataShare, endsEpoch: endsEpoch))
    }

    /// What the epoch came to: accuracy of the features where it is due, what the masker does to the held images, and their picture.
    func epochEnded(_ position: inout RunPosition, files: RunFiles?, isInterrupted: () -> Bool) throws -> EpochOutcome? {
        let epoch = position.epoch + 1
        var outcome = EpochOutcome(), judged: LogFields = []
        if let watch, settings.judgesFeatures(after: epoch) {
            let accuracy = try watch.look(
                model, settings.normalization, isInterrupted: isInterrupted, strict: settings.strict,
                report: { loop.reportOnce(Message($0)) }
            ) { judging(epoch, $0, $1) }
            guard let accuracy else { return nil }
            let isPart = accuracy.images < watch.test.count || accuracy.known < watch.training.count
            let images = isPart ? ", on \(accuracy.images) images, against \(accuracy.known)" : ""
            let text = accuracy.judged.text(accuracy.cls), mean = accuracy.judged.brief(accuracy.mean)
            report("epoch \(epoch): kNN Acc@1 \(text) by the class token, \(mean) by the mean of the patch tokens\(images)")
            judged = [("knn_cls", .double(accuracy.cls)), ("knn_mean", .double(accuracy.mean))]
            outcome.scalars = [("eval/knn_cls", Float(accuracy.cls)), ("eval/knn_mean", Float(accuracy.mean))]
        }
        if let reading = try look() {
            outcome.fields = reading.fields
            outcome.scalars += reading.scalars
            if let collapse = reading.collapse {
                report("the masker has collapsed: \(collapse); raise \(.diversityWeight) or \(.gaussWeight), or lower \(.learningRate)")
            }
        }
        outcome.fields += judged
        if settings.takesPicture(after: epoch) {
            outcome.picture = try held.map { try RunPictures(images: $0, settings: settings).draw(model) }
        }
        return outcome
    }

    func epochKept(_ position: RunPosition, _ times: EpochTimes) { epochKept(position.epoch) }

    /// The batches of the next step, in memory until the step after, and a line for each broken image that another replaced.
    /// - Parameter leaves: of the update, on all ranks.
    private func nextGroup(epoch: Int, leaves: Int) throws -> (batches: [TrainingBatch], broken: [String]) {
        var batches: [TrainingBatch] = [], broken: [String] = []
        for slot in 0..<trainer.ownBatches(of: leaves) {
            guard let batch = try loader.next() else { break }
            broken += batch.skipped
            let patches = group.keep(batch.patches, slot: slot)
            let decision = decide(batch.samples, epoch: epoch, row: slot * leafImages)
            batches.append(TrainingBatch(images: batch.samples.count, patches: patches, decision: decision))
        }
        return (batches, broken)
    }

    /// What the masks of a batch are decided by beside its scores.
    private func decide(_ samples: [Int], epoch: Int, row: Int) -> TrainingBatch.MaskDecision? {
        guard let decisions else { return nil }
        let step = settings.step, draws = MaskDraws(settings.model, maskRatio: step.maskRatio, seed: settings.seed)
        if step.masking.isGiven { return .order(draws.orders(step.masking, in: decisions, row: row, samples: samples, epoch: epoch)) }
        let scale = step.ranks ? nil : step.maskNoise * Float(1 - settings.schedule.progress(epoch: epoch))
        return .noise(draws.noise(scale: scale, in: decisions, row: row, samples: samples, epoch: epoch))
    }
}

/// Batches that must live together for one step: copies, as the loader's buffers are filled anew.
private struct BatchGroup {
    private let floats: Int
    private let memory: Memory?

    init(_ count: Int, floats: Int) throws {
        self.floats = floats
        memory = count > 1 ? try Memory(floats: count * floats, purpose: "accumulated batches") : nil
    }

    func keep(_ patches: UnsafeBufferPointer<Float>, slot: Int) -> UnsafeRawBufferPointer {
        guard let memory else { return UnsafeRawBufferPointer(patches) }
        let place = UnsafeMutableBufferPointer(rebasing: memory.floats[(slot * floats)..<(slot * floats + patches.count)])
        _ = place.update(fromContentsOf: patches)
        return UnsafeRawBufferPointer(UnsafeBufferPointer(place))
    }
}
