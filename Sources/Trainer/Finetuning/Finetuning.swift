import CurricleDistributed
import CurricleDatasets
import CurricleEngine
import Foundation
import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleTensors
import CurricleVision
import CurricleWeights

/// What fine-tuning tells while it goes on.
package struct FinetuneProgress: Sendable {
    package let position: RunPosition
    package let learningRate: Double
    package let loss: Double
    package let imagesPerSecond: Double
    /// On the test images, where an epoch ended.
    package let score: ClassifierScore?
    /// The best of the epochs so far.
    package let best: Double
}

/// Trains an encoder with a linear head on labelled images (MAE, `main_finetune.py`): data, model, schedule, log and states in one folder.
package final class Finetuning: TrainingRecipe {
    package let settings: FinetuneSettings
    /// Nil where nothing is kept.
    package let files: RunFiles?
    package let model: ModelRuntime
    package var position: RunPosition { loop.position }
    /// Accuracy on the test images of the best epoch so far; 0 before there is one.
    package var best: Double { position.best }
    /// Messages for the user: broken images.
    package var report: (String) -> Void = { _ in } {
        didSet { loop.report = { [report] in report($0.description) } }
    }
    /// Told how many test images are done, of all.
    package var testing: (Int, Int) -> Void = { _, _ in }
    private var progress: (FinetuneProgress) -> Void = { _ in }

    private let training: any ImageSource
    private let test: any ImageSource
    let loader: BatchLoader
    private let loop: TrainingLoop<Finetuning>
    private var updates: ParameterUpdates
    private let shared: SharedUpdate
    private let ranks: Ranks?
    private var lastScore = ClassifierScore()
    private var lastLoss = Double.nan
    private let grid: PatchGrid
    private let dropPath: DropPath
    private let targets: Memory, branchScales: Memory

    /// - Parameters:
    ///   - output: the run's folder; nil to keep nothing.
    ///   - ranks: the processes that share the run's batches; the first of them keeps, logs and judges it.
    /// - Throws: `LearningError.configuration`, `RuntimeError`, `VisionError`.
    package init(
        _ settings: FinetuneSettings, training: any ImageSource, test: any ImageSource, output: String?, threads: Int, isa: ISA,
        ranks: Ranks? = nil
    ) throws {
        if let problem = settings.problem { throw LearningError.configuration(problem) }
        for source in [training, test]
        where !(0..<source.count).allSatisfy({ source.label(at: $0).map(settings.classes.indices.contains) ?? false }) {
            if let reason = source.missingLabels { throw LearningError.configuration("images have no labels: \(reason)") }
            throw LearningError.configuration(
                "\(source.name(at: 0)): images have no labels, or others than the training images': give a folder per class, or a "
                    + "dataset's own label files"
            )
        }
        self.settings = settings
        self.training = training
        self.test = test
        files = output.map { RunFiles(folder: $0) }
        loop = TrainingLoop(files: files, ranks: ranks)
        self.ranks = ranks
        updates = ParameterUpdates(
            settings.adamw, clip: settings.clip, stores: settings.storesGradients, moments: settings.moments.element, groups: [.classifier])
        let m = settings.model, batchSize = min(settings.batchSize, training.count)
        model = try ModelRuntime(
            m, parts: .classifier(settings.shape), precision: settings.precision, moments: settings.moments.element, trains: true,
            sharesMoments: ranks != nil, storesGradients: settings.storesGradients, threads: threads, isa: isa,
            arenaLimit: settings.arenaLimit(
                images: batchSize, threads: threads, isa: isa, data: DataMemory([training, test], judgedImages: 0, looksAtAll: false)))
        shared = SharedUpdate(groups: settings.gradientGroups, ranks: ranks, model: model)
        grid = try m.grid
        loader = BatchLoader(
            source: training, pipeline: settings.pipeline(grid), batchSize: batchSize, dropLast: false, shuffle: true, seed: settings.seed,
            workers: Pretraining.loaderWorkers(threads: threads), prefetch: Pretraining.batchesAhead(threads: threads),
            broken: settings.strict ? .refuse : .substitute)
        loader.isWanted = shared.isOwn(batches: loader.batchesPerEpoch, leaves: settings.accumulation)
        dropPath = DropPath(rate: settings.dropPath, depth: m.depth, seed: settings.seed)
        targets = try Memory(floats: batchSize * settings.classes.count, purpose: "targets")
        branchScales = try Memory(floats: batchSize * 2 * m.depth, purpose: "drop path")
        try ranks?.agree(on: training, settings, isa)
    }

    package var stepsPerEpoch: Int { (loader.batchesPerEpoch + settings.accumulation - 1) / settings.accumulation }

    /// Begins with the encoder of a weights file (any that ``Checkpoint`` reads), and with its head where that has the same classes.
    /// - Returns: what of the model begins afresh.
    /// - Throws: `LearningError.file` where the encoder is not whole or has other sizes.
    @discardableResult
    package func begin(from weights: Checkpoint) throws -> [String] {
        model.initialize(seed: settings.seed)
        let fresh = try model.loadClassifier(weights)
        try loop.begin(self, in: files?.folder ?? "")
        return fresh
    }

    /// Goes on from the newest state; false where there is none.
    package func resume() throws -> Bool {
        guard try loop.resume(self) else { return false }
        updates.counts = position.updates.filter { $0.key == .classifier }
        return true
    }

    /// Accuracy on the test images as things stand.
    package func score() throws -> ClassifierScore {
        try model.score(
            test, settings.normalization, images: min(settings.batchSize, 64), preprocessing: settings.preprocessing,
            passOrder: settings.passOrder,
            strict: settings.strict,
            report: { loop.reportOnce(Message($0)) }, progress: testing)
    }

    /// Trains to the end of the schedule; the test images are looked at after each epoch, and the best epoch's weights are kept.
    /// - Parameter progress: told after each step, and after each epoch with the score.
    /// - Throws: `LearningError.nonfinite` where a loss is not finite.
    package func run(isInterrupted: () -> Bool = { false }, progress: @escaping (FinetuneProgress) -> Void = { _ in }) throws -> RunEnd {
        self.progress = progress
        try shared.prepare()
        return try loop.run(self, isInterrupted: isInterrupted)
    }

    // MARK: One step, and one epoch

    private(set) lazy var images = RunImages(training)
    var memoryChoice: MemoryChoice? { nil }
    private(set) lazy var sharedMoments = ranks.map { SharedMoments($0, model) }

    private func rate(_ position: RunPosition) -> Double {
        settings.schedule.learningRate(at: Double(position.epoch) + Double(position.batch) / Double(loader.batchesPerEpoch))
    }

    /// What ranks tell each other of a batch.
    private struct BatchReport: BitwiseCopyable {
        var loss: Float = 0
        var isFinite = true
    }

    /// One update, from as many batches as it takes.
    func step(_ position: inout RunPosition, lastState: String?) throws -> StepOutcome {
        let rate = rate(position), epoch = position.epoch, batches = min(settings.accumulation, loader.batchesPerEpoch - position.batch)
        var outcome = StepOutcome(
            means: [], fields: [], scalars: [], images: loader.images(of: position.batch..<(position.batch + batches)), batches: batches,
            dataSeconds: 0, broken: [])
        let waited = shared.waited
        let reports = try shared.compute(.classifier, of: batches, BatchReport()) { _, adding in
            let started = DispatchTime.now().uptimeNanoseconds
            guard let batch = try loader.next() else { throw LearningError.configuration("the images ended before their epoch") }
            outcome.dataSeconds += Double(DispatchTime.now().uptimeNanoseconds - started) * 1e-9
            outcome.broken += batch.skipped
            let loss = try loss(batch, epoch: epoch, rate: rate, adding: adding)
            return SharedUpdate.Leaf(
                report: BatchReport(loss: loss ?? 0, isFinite: loss != nil), isStored: loss != nil, endsUpdate: loss == nil)
        }
        guard reports.allSatisfy(\.isFinite) else {
            shared.drop()
            throw LearningError.nonfinite(
                "the loss is not finite at step \(position.step + 1), epoch \(position.epoch), lr \(rate): lower \(.learningRate), or "
                    + "\(.learningRatePer256)")
        }
        _ = try shared.finish(.classifier, &updates, rate: rate, batches: batches)
        shared.settle()
        if ranks != nil { outcome.exchangeSeconds = shared.waited - waited }
        position.updates[.classifier] = updates.counts[.classifier]
        let mean = Float(reports.reduce(0) { $0 + Double($1.loss) } / Double(batches))
        outcome.means = [("train_loss", mean)]
        outcome.fields = [("lr", .double(rate)), ("loss", .float(mean))]
        outcome.scalars = [("lr", Float(rate)), ("train_loss", mean)]
        return outcome
    }

    /// The loss of a batch, its gradients stored or applied; nil where it is not finite.
    private func loss(_ batch: Batch, epoch: Int, rate: Double, adding: Bool) throws -> Float? {
        let count = batch.samples.count
        let executable = try model.classifierStep(
            images: count, dropsPaths: settings.dropPath > 0, update: updates.update(adding: adding))
        prepare(batch, epoch: epoch)
        var inputs: RunInputs = [
            .patches: .memory(UnsafeRawBufferPointer(batch.patches)),
            .targets: .memory(targets.contents(numbers: 0..<(count * settings.classes.count)))
        ]
        if executable.program.input(.branchScales) != nil {
            inputs[.branchScales] = .memory(branchScales.contents(numbers: 0..<(count * 2 * settings.model.depth)))
        }
        try updates.complete(&inputs, .classifier, rate: rate)
        guard try shared.run(executable, inputs) == .done else { return nil }
        return try model.result("losses", of: executable)[0]
    }

    func stepEnded(_ position: RunPosition, _ outcome: StepOutcome, _ times: EpochTimes, endsEpoch: Bool) {
        if endsEpoch { return }  // told with the score
        var before = position
        before.batch -= outcome.batches
        progress(
            FinetuneProgress(
                position: position, learningRate: rate(before), loss: outcome.means.first.map { Double($0.value) } ?? .nan,
                imagesPerSecond: times.imagesPerSecond, score: nil, best: best))
    }

    func epochEnded(_ position: inout RunPosition, files: RunFiles?, isInterrupted: () -> Bool) throws -> EpochOutcome? {
        let score = try score()
        lastScore = score
        lastLoss = position.means.mean("train_loss") ?? .nan
        // Before the state, so that a resumed run which knows of a best epoch finds its weights.
        if score.top1 > position.best, let files { try files.saveWeights(settings, model, to: files.best) }
        position.best = max(position.best, score.top1)
        return EpochOutcome(
            fields: [("test_acc1", .double(score.top1)), ("test_acc5", .double(score.top5)), ("test_loss", .double(score.loss))],
            scalars: [("perf/test_acc1", Float(score.top1)), ("perf/test_acc5", Float(score.top5)), ("perf/test_loss", Float(score.loss))])
    }

    func epochKept(_ position: RunPosition, _ times: EpochTimes) {
        progress(
            FinetuneProgress(
                position: position, learningRate: rate(position), loss: lastLoss, imagesPerSecond: times.imagesPerSecond, score: lastScore,
                best: best))
    }

    /// Mixes a batch's images, and writes their targets and what their branches are multiplied by.
    private func prepare(_ batch: Batch, epoch: Int) {
        let choice = settings.mixing.choice(grid: grid, seed: settings.seed, epoch: epoch, batch: batch.index)
        let share = batch.mix(grid: grid, choice)
        let labels = batch.samples.map { training.label(at: $0) ?? 0 }
        targets.fill(settings.mixing.targets(labels: labels, classes: settings.classes.count, share: share))
        if settings.dropPath > 0 { branchScales.fill(dropPath.scales(samples: batch.samples, epoch: epoch)) }
    }
}
