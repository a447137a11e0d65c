import Foundation
import Graph
import Models
import Program
import Runtime
import Vision

/// What fine-tuning tells while it goes on.
public struct FinetuneProgress: Sendable {
    public let position: RunPosition
    public let learningRate: Double
    public let loss: Double
    public let imagesPerSecond: Double
    /// On the test images, where an epoch ended.
    public let score: ClassifierScore?
    /// The best of the epochs so far.
    public let best: Double
}

/// Trains an encoder with a linear head on labelled images (MAE, `main_finetune.py`): data, model, schedule, log and states in one folder.
public final class Finetuning {
    public let settings: FinetuneSettings
    /// Nil where nothing is kept.
    public let files: RunFiles?
    public let model: ModelRuntime
    public private(set) var position = RunPosition()
    /// Accuracy on the test images of the best epoch so far; 0 before there is one.
    public private(set) var best = 0.0
    /// Messages for the user: broken images.
    public var report: (String) -> Void = { _ in }
    /// Lines on broken images that were reported: the same image is looked at in every epoch.
    private var reported: Set<String> = []
    /// Told how many test images are done, of all.
    public var testing: (Int, Int) -> Void = { _, _ in }

    private let training: any ImageSource
    private let test: any ImageSource
    private let loader: BatchLoader
    private let grid: PatchGrid
    private let dropPath: DropPath
    private let targets: Memory, branchScales: Memory

    /// - Parameter output: the run's folder; nil to keep nothing.
    /// - Throws: `LearningError.configuration`, `RuntimeError`, `VisionError`.
    public init(_ settings: FinetuneSettings, training: any ImageSource, test: any ImageSource, output: String?, threads: Int, isa: ISA) throws {
        if let problem = settings.problem { throw LearningError.configuration(problem) }
        for source in [training, test] where !(0..<source.count).allSatisfy({ source.label(at: $0).map(settings.classes.indices.contains) ?? false }) {
            if let reason = source.missingLabels { throw LearningError.configuration("images have no labels: \(reason)") }
            throw LearningError.configuration("\(source.name(at: 0)): images have no labels, or others than the training images': give a folder per class, or a dataset's own label files")
        }
        self.settings = settings
        self.training = training
        self.test = test
        files = output.map { RunFiles(folder: $0) }
        let m = settings.model, batchSize = min(settings.batchSize, training.count)
        model = try ModelRuntime(
            m, parts: .classifier(settings.shape), trains: true, storesGradients: settings.storesGradients, threads: threads, isa: isa)
        grid = try m.grid
        loader = BatchLoader(
            source: training, pipeline: settings.pipeline(grid), batchSize: batchSize, dropLast: false, shuffle: true, seed: settings.seed,
            workers: Pretraining.loaderWorkers(threads: threads), prefetch: Pretraining.batchesAhead(threads: threads),
            broken: settings.strict ? .refuse : .substitute)
        dropPath = DropPath(rate: settings.dropPath, depth: m.depth, seed: settings.seed)
        targets = try Memory(bytes: batchSize * settings.classes.count * 4, purpose: "targets")
        branchScales = try Memory(bytes: batchSize * 2 * m.depth * 4, purpose: "drop path")
    }

    private func reportOnce(_ line: String) {
        if reported.insert(line).inserted { report(line) }
    }

    public var stepsPerEpoch: Int { (loader.batchesPerEpoch + settings.accumulation - 1) / settings.accumulation }

    /// Begins with the encoder of a weights file (any that ``Checkpoint`` reads), and with its head where that has the same classes.
    /// - Returns: what of the model begins afresh.
    /// - Throws: `LearningError.file` where the encoder is not whole or has other sizes.
    @discardableResult
    public func begin(from weights: Checkpoint) throws -> [String] {
        model.initialize(seed: settings.seed)
        let fresh = try model.loadClassifier(weights)
        if let files { try files.begin(settings, in: files.folder) }
        return fresh
    }

    /// Goes on from the newest state; false where there is none.
    public func resume() throws -> Bool {
        guard let files, let found = try files.load(into: model, settings, samples: training.count) else { return false }
        position = found.position
        try files.removeStaleTemporaries()
        try files.saveWeights(settings, model, to: files.model)
        try StepLog.truncate(path: files.log, toStep: position.step)
        best = try RunLog(path: files.log).epochs.compactMap { $0.numbers["test_acc1"] }.max() ?? 0
        return true
    }

    /// Accuracy on the test images as things stand.
    public func score() throws -> ClassifierScore {
        try model.score(test, settings.normalization, images: min(settings.batchSize, 64), strict: settings.strict, report: reportOnce, progress: testing)
    }

    /// Trains to the end of the schedule; the test images are looked at after each epoch, and the best epoch's weights are kept.
    /// - Throws: `LearningError.nonfinite` where a loss is not finite.
    public func run(isInterrupted: () -> Bool = { false }, progress: (FinetuneProgress) -> Void = { _ in }) throws -> RunEnd {
        var log: StepLog? = nil, events: EventFile? = nil
        if let files {
            log = try StepLog(path: files.log)
            events = try EventFile(folder: files.folder, resumingAtStep: position.step > 0 ? position.step : nil)
        }
        func save() throws {
            try log?.flush()
            try events?.flush()
            try files?.save(position, settings, nil, samples: training.count, model)
        }
        while position.epoch < settings.schedule.epochs {
            var epoch = try EpochSums(log: files?.log ?? "", epoch: position.epoch, hasBegun: position.batch > 0)
            loader.start(epoch: position.epoch, fromBatch: position.batch)
            defer { loader.stop() }
            while position.batch < loader.batchesPerEpoch {
                if isInterrupted() || position.step >= settings.maxSteps ?? .max {
                    try save()
                    return position.step >= settings.maxSteps ?? .max ? .reachedMaxSteps : .interrupted
                }
                let started = DispatchTime.now().uptimeNanoseconds
                let rate = settings.schedule.learningRate(at: Double(position.epoch) + Double(position.batch) / Double(loader.batchesPerEpoch))
                let done = try step(rate: rate)
                var losses = IterationLosses()
                losses.autoencoder = Float(done.loss)
                epoch.add(losses, images: done.images, data: done.data, total: Double(DispatchTime.now().uptimeNanoseconds - started) * 1e-9)
                try log?.append([
                    ("step", .integer(position.step)), ("epoch", .integer(position.epoch)), ("lr", .double(rate)), ("loss", .float(Float(done.loss))),
                ])
                try events?.scalars([("lr", Float(rate)), ("train_loss", Float(done.loss))], step: position.step)
                if position.batch < loader.batchesPerEpoch {
                    progress(FinetuneProgress(
                        position: position, learningRate: rate, loss: done.loss, imagesPerSecond: epoch.imagesPerSecond, score: nil, best: best))
                }
            }
            let score: ClassifierScore
            do { score = try self.score() } catch {
                // The epoch's work is not lost for what is wrong with a test image.
                if (error as? LearningError)?.isFailedCheck != true { try save() }
                throw error
            }
            // Before the state, so that a resumed run which knows of a best epoch finds its weights.
            if score.top1 > best, let files { try files.saveWeights(settings, model, to: files.best) }
            best = max(best, score.top1)
            let fields = epoch.fields(epoch: position.epoch, step: position.step)
            try log?.append(fields + [
                ("test_acc1", .double(score.top1)), ("test_acc5", .double(score.top5)), ("test_loss", .double(score.loss)),
            ])
            try events?.scalars([
                ("perf/test_acc1", Float(score.top1)), ("perf/test_acc5", Float(score.top5)), ("perf/test_loss", Float(score.loss)),
            ], step: position.step)
            position.epoch += 1
            position.batch = 0
            try save()
            progress(FinetuneProgress(
                position: position, learningRate: settings.schedule.learningRate(at: Double(position.epoch)), loss: epoch.meanLoss,
                imagesPerSecond: epoch.imagesPerSecond, score: score, best: best))
        }
        return .finished
    }

    /// One update, on as many batches as are accumulated; their mean loss, images, and the seconds spent waiting for data.
    private func step(rate: Double) throws -> (loss: Double, images: Int, data: Double) {
        let session = model.session
        var loss = 0.0, images = 0, data = 0.0, batches = 0
        let update = position.updates[.classifier, default: 0] + 1
        if !settings.storesGradients { session.setScalars(at: GraphInput.step.operand, settings.adamw.scalars(update: update, learningRate: rate, batches: 1)) }
        while batches < settings.accumulation {
            let started = DispatchTime.now().uptimeNanoseconds
            guard let batch = try loader.next() else { break }
            data += Double(DispatchTime.now().uptimeNanoseconds - started) * 1e-9
            batch.skipped.forEach(reportOnce)
            let executable = try model.classifierStep(
                images: batch.samples.count, dropsPaths: settings.dropPath > 0,
                update: settings.storesGradients ? .store(adding: batches > 0) : .immediate(settings.adamw))
            prepare(batch)
            guard try session.run(
                executable, batch: UnsafeRawBufferPointer(batch.patches), targets: targets.contents, branchScales: branchScales.contents) == .done
            else {
                throw LearningError.nonfinite("the loss is not finite at step \(position.step + 1), epoch \(position.epoch), lr \(rate): lower --lr, or --blr")
            }
            loss += Double(model.result("losses", of: executable).first ?? .nan)
            images += batch.samples.count
            batches += 1
        }
        if settings.storesGradients {
            session.setScalars(at: GraphInput.step.operand, settings.adamw.scalars(update: update, learningRate: rate, batches: batches))
            _ = try session.run(model.update(.classifier, settings.adamw, clip: settings.clip))
        }
        position.updates[.classifier] = update
        position.step += 1
        position.batch += batches
        return (loss / Double(max(1, batches)), images, data)
    }

    /// Mixes a batch's images, and writes their targets and what their branches are multiplied by.
    private func prepare(_ batch: Batch) {
        let choice = settings.mixing.choice(grid: grid, seed: settings.seed, epoch: position.epoch, batch: batch.index)
        let share = batch.mix(grid: grid, choice)
        let labels = batch.samples.map { training.label(at: $0) ?? 0 }
        targets.fill(settings.mixing.targets(labels: labels, classes: settings.classes.count, share: share))
        if settings.dropPath > 0 { branchScales.fill(dropPath.scales(samples: batch.samples, epoch: position.epoch)) }
    }
}
