import Foundation
import Graph
import Models
import Runtime
import Vision

/// What a run tells while it goes on.
public struct TrainingProgress: Sendable {
    public let position: RunPosition
    public let stepsPerEpoch: Int
    public let settings: IterationSettings
    public let losses: IterationLosses
    public let imagesPerSecond: Double
    /// Share of the time that steps waited for data.
    public let dataShare: Double
    public let endsEpoch: Bool
}

/// How a run ended.
public enum RunEnd: Sendable, Equatable { case finished, reachedMaxSteps, interrupted }

/// A pretraining run: data, model, schedule, logs and states in one folder.
public final class Pretraining {
    public let settings: PretrainSettings
    public let files: RunFiles
    public let model: ModelRuntime
    public private(set) var position = RunPosition()
    /// Called once, just before the first step.
    public var willBegin: () -> Void = {}
    /// Messages for the user: broken images, skipped steps.
    public var report: (String) -> Void = { _ in }
    /// Lines on broken images that were reported: the same image is looked at in every epoch.
    private var reported: Set<String> = []

    /// How a limit on memory is met.
    private let memoryChoice: MemoryChoice?
    private let source: any ImageSource
    private let trainer: JointTrainer
    private let loader: BatchLoader
    private let orders: Memory?
    private var group: BatchGroup
    private let held: HeldImages?
    private let watch: FeatureWatch?
    private var lastState: String?

    /// - Parameter resumes: whether `resume` will follow: a limit on memory is then met as the run's newest state records.
    /// - Parameter heldOut: images that are not trained on, for the pictures and figures of each epoch.
    /// - Parameter watch: labelled images that the features are judged by every `knnEpochs`.
    /// - Throws: `LearningError.configuration`, `LearningError.memory`, `RuntimeError`, `VisionError`.
    public init(
        _ settings: PretrainSettings, source: any ImageSource, output: String, threads: Int, isa: ISA, resumes: Bool = false, heldOut: (any ImageSource)? = nil,
        watch: FeatureWatch? = nil
    ) throws {
        if let problem = settings.problem { throw LearningError.configuration(problem) }
        if settings.knnEpochs > 0, watch == nil { throw LearningError.configuration(FeatureWatch.need) }
        self.settings = settings
        self.watch = settings.knnEpochs > 0 ? watch : nil
        self.source = source
        files = RunFiles(folder: output)
        var planned = settings
        planned.batchSize = min(settings.batchSize, source.count)
        let recorded = resumes ? files.recordedChoice : nil
        memoryChoice = try settings.memoryLimit == nil && settings.pieceImages == nil ? nil : recorded ?? TrainingPlan(
            planned, threads: threads, isa: isa, memoryLimit: settings.memoryLimit,
            imageBytes: ([source] + (self.watch.map { [$0.training, $0.test] } ?? [])).map(Pretraining.imageBytes).max() ?? 0,
            judgedImages: self.watch?.images ?? 0).choice
        let pieceImages = memoryChoice?.pieceImages
        model = try ModelRuntime(
            settings.model, trains: true, storesGradients: settings.storesGradients(pieceImages: pieceImages), threads: threads, isa: isa,
            arenaLimit: memoryChoice?.arenaBytes)
        trainer = JointTrainer(
            model: model, options: settings.step, adamw: settings.adamw, clip: settings.clip, accumulates: settings.accumulation > 1, pieceImages: pieceImages)
        let m = settings.model, batchSize = min(settings.batchSize, source.count)
        let grid = try m.grid
        guard source.count >= settings.batchSize || !settings.dropLast else {
            throw LearningError.configuration("\(source.count) images give no batch of \(settings.batchSize): lower --batch-size or leave out --drop-last")
        }
        let pipeline = ImagePipeline(grid: grid, augmentation: settings.augmentation, normalization: settings.normalization, seed: settings.seed)
        loader = BatchLoader(
            source: source, pipeline: pipeline, batchSize: settings.dropLast ? settings.batchSize : batchSize, dropLast: settings.dropLast, shuffle: true, seed: settings.seed,
            workers: Pretraining.loaderWorkers(threads: threads), prefetch: Pretraining.batchesAhead(threads: threads),
            broken: settings.strict ? .refuse : .substitute)
        orders = settings.step.masking == .random ? try Memory(bytes: batchSize * settings.accumulation * m.patches * 4, purpose: "masks") : nil
        group = try BatchGroup(settings.accumulation, floats: batchSize * grid.count * grid.patchWidth)
        held = try HeldImages(source: heldOut ?? source, pipeline: pipeline)
    }

    /// Bytes of the largest of a few images, decoded: spread over the source, as sizes often go by folder.
    private static func imageBytes(_ source: any ImageSource) -> Int {
        let looks = min(8, source.count)
        return (0..<looks).compactMap { try? source.image(at: $0 * source.count / looks).pixels.count }.max() ?? 0
    }

    /// Threads that decode images beside the team.
    static func loaderWorkers(threads: Int) -> Int { max(1, threads / 2) }

    /// Batches that are ready before a step asks for them.
    static func batchesAhead(threads: Int) -> Int { max(2, threads / 2) }

    /// Begins with fresh parameters, or with those of a weights file (any that ``Checkpoint`` reads).
    /// - Returns: the parts that are fresh because the file does not have them.
    @discardableResult
    public func begin(from weights: String?) throws -> [String] {
        model.initialize(seed: settings.seed)
        var fresh: [String] = []
        if let weights {
            let file = try Checkpoint(path: weights)
            try WeightsFile.requireFixedPositions(file, settings.model)
            fresh = try WeightsFile.loadParts(file, into: model)
        }
        try files.begin(settings, in: files.pictures)
        return fresh
    }

    /// Goes on from the newest state; false where there is none.
    public func resume() throws -> Bool {
        guard let found = try files.load(into: model, settings, samples: source.count) else { return false }
        position = found.position
        trainer.updates = position.updates
        lastState = found.path
        try files.removeStaleTemporaries()
        try files.republish(position, settings, model)
        try StepLog.truncate(path: files.log, toStep: position.step)
        return true
    }

    /// What the features are judged by, for a person to read; nil where they are not.
    public var judged: String? { watch.map { "every \(settings.knnEpochs == 1 ? "epoch" : "\(settings.knnEpochs) epochs") \($0.text)" } }

    private func reportOnce(_ line: String) {
        if reported.insert(line).inserted { report(line) }
    }

    public var stepsPerEpoch: Int { (loader.batchesPerEpoch + settings.accumulation - 1) / settings.accumulation }

    /// Trains to the end of the schedule.
    /// - Parameters:
    ///   - isInterrupted: asked between steps; true saves the state and ends the run.
    ///   - judging: told while features are judged: epochs done, images done, and images in all.
    ///   - progress: told after each step.
    /// - Throws: `LearningError.nonfinite` where a loss is not finite and the policy is to stop.
    public func run(
        isInterrupted: () -> Bool = { false }, judging: (Int, Int, Int) -> Void = { _, _, _ in }, progress: (TrainingProgress) -> Void = { _ in }
    ) throws -> RunEnd {
        var log = try StepLog(path: files.log)
        var events = try EventFile(folder: files.folder, resumingAtStep: position.step > 0 ? position.step : nil)
        try trainer.prepare(images: min(settings.batchSize, source.count))
        willBegin()
        var savedAt = position.step
        func save(_ training: Pretraining) throws {
            if training.lastState != nil, savedAt == training.position.step { return }
            try log.flush()
            try events.flush()
            try training.files.save(training.position, training.settings, training.memoryChoice, samples: training.source.count, training.model)
            training.lastState = training.files.state(step: training.position.step)
            savedAt = training.position.step
        }
        while position.epoch < settings.schedule.epochs {
            var epoch = try EpochSums(log: files.log, epoch: position.epoch, hasBegun: position.batch > 0)
            loader.start(epoch: position.epoch, fromBatch: position.batch)
            defer { loader.stop() }
            while position.batch < loader.batchesPerEpoch {
                if let most = settings.maxSteps, position.step >= most {
                    try save(self)
                    return .reachedMaxSteps
                }
                let asked = isInterrupted()
                if asked {
                    try save(self)
                    return .interrupted
                }
                let now = IterationSettings(
                    learningRate: settings.schedule.learningRate(at: Double(position.epoch) + Double(position.batch) / Double(loader.batchesPerEpoch)),
                    curriculum: settings.schedule.curriculum(epoch: position.epoch))
                let started = DispatchTime.now().uptimeNanoseconds
                let (batches, broken) = try nextGroup()
                let loaded = DispatchTime.now().uptimeNanoseconds
                let losses = try trainer.iterate(batches, now, mayContinue: { _ in settings.onNonfinite == .skip })
                if !losses.skipped.isEmpty { try handleNonfinite(losses, now) }
                let ended = DispatchTime.now().uptimeNanoseconds
                position.step += 1
                position.batch += batches.count
                position.updates = trainer.updates
                epoch.add(losses, images: batches.reduce(0) { $0 + $1.images }, data: Double(loaded - started) * 1e-9, total: Double(ended - started) * 1e-9)
                for line in broken {
                    reportOnce(line)
                    try log.append([("step", .integer(position.step)), ("epoch", .integer(position.epoch)), ("broken_image", .string(line))])
                }
                try log.append(logFields(now, losses))
                try events.scalars(scalars(now, losses), step: position.step)
                let endsEpoch = position.batch >= loader.batchesPerEpoch
                progress(TrainingProgress(
                    position: position, stepsPerEpoch: stepsPerEpoch, settings: now, losses: losses, imagesPerSecond: epoch.imagesPerSecond,
                    dataShare: epoch.dataShare, endsEpoch: endsEpoch))
                if settings.saveEverySteps > 0, position.step % settings.saveEverySteps == 0, !endsEpoch { try save(self) }
            }
            let finished = position.epoch
            var accuracy: FeatureWatch.Reading?
            if let watch, settings.judgesFeatures(after: finished + 1) {
                accuracy = try watch.look(model, settings.normalization, isInterrupted: isInterrupted, strict: settings.strict, report: reportOnce) { judging(finished + 1, $0, $1) }
                guard let accuracy else { // the epoch is not over: when resumed it ends here again
                    try save(self)
                    return .interrupted
                }
                let images = accuracy.images < watch.test.count || accuracy.known < watch.training.count ? " (on \(accuracy.images) images, against \(accuracy.known))" : ""
                report("epoch \(finished + 1): kNN Acc@1 \(accuracy.cls) by the class token, \(accuracy.mean) by the mean of the patch tokens\(images)")
                try events.scalars([("eval/knn_cls", Float(accuracy.cls)), ("eval/knn_mean", Float(accuracy.mean))], step: position.step)
            }
            let reading = try look()
            try log.append(epoch.fields(epoch: finished, step: position.step, reading, accuracy) + machine)
            if let reading { try events.scalars(reading.scalars, step: position.step) }
            if let collapse = reading?.collapse {
                report("the masker has collapsed: \(collapse); raise --lambda-diversity or --lambda-gauss, or lower --lr")
            }
            try events.scalars([("perf/images_per_second", Float(epoch.imagesPerSecond)), ("perf/data_share", Float(epoch.dataShare))], step: position.step)
            if let picture = try held.map({ try RunPictures(images: $0, settings: settings).draw(model) }) {
                try DurableFile.write(picture.png, to: "\(files.pictures)/epoch-\(String(format: "%04d", finished + 1)).png")
                try events.image("masks and reconstructions", png: picture.png, height: picture.height, width: picture.width, step: position.step)
            }
            try events.flush()
            position.epoch += 1
            position.batch = 0
            try save(self)
            if settings.takesSnapshot(after: position.epoch) {
                try files.saveWeights(settings, model, to: files.snapshot(epoch: position.epoch))
            }
        }
        if lastState == nil { try save(self) }
        return .finished
    }

    /// What the masker does to the held images; nil where there is none.
    private func look() throws -> CurriculumMicroscope.Reading? {
        guard settings.step.masking == .learned, let held else { return nil }
        return try CurriculumMicroscope.look(held, model, settings.step, seed: settings.seed).reading
    }

    /// What the epoch's times were taken on; like these it may differ when a run is resumed.
    private var machine: [(key: String, value: LogValue)] {
        [("cpu", .string(Machine.cpu)), ("isa", .string("\(model.session.isa)")), ("threads", .integer(model.session.threads))]
    }

    /// The batches of the next step, in memory until the step after, and a line for each broken image that another replaced.
    private func nextGroup() throws -> (batches: [TrainingBatch], broken: [String]) {
        var batches: [TrainingBatch] = [], broken: [String] = []
        for slot in 0..<settings.accumulation {
            guard let batch = try loader.next() else { break }
            broken += batch.skipped
            let patches = settings.accumulation == 1 ? UnsafeRawBufferPointer(batch.patches) : group.keep(batch.patches, slot: slot)
            var order: UnsafeRawBufferPointer?
            if let orders {
                let patchesEach = settings.model.patches
                let rows = RandomOrders(seed: settings.seed, patches: patchesEach)
                order = rows.fill(orders, row: slot * min(settings.batchSize, source.count), samples: batch.samples, epoch: position.epoch)
            }
            batches.append(TrainingBatch(images: batch.samples.count, patches: patches, order: order))
        }
        return (batches, broken)
    }

    private func handleNonfinite(_ losses: IterationLosses, _ now: IterationSettings) throws {
        let halves = losses.skipped.map { $0 == .autoencoder ? "A (autoencoder)" : "B (masker)" }.joined(separator: ", ")
        let numbers = "step \(position.step + 1), epoch \(position.epoch), batch \(position.batch), lr \(now.learningRate), λ \(now.curriculum)"
        if settings.onNonfinite == .stop {
            let state = lastState.map { "the last good state is \($0)" } ?? "no state was saved yet"
            throw LearningError.nonfinite("the loss of step \(halves) is not finite at \(numbers): \(state); lower --lr, or go on with --on-nonfinite skip")
        }
        position.skipped += losses.skipped.count
        report("loss not finite, left out: \(halves) at \(numbers)")
    }

    private func logFields(_ now: IterationSettings, _ losses: IterationLosses) -> [(key: String, value: LogValue)] {
        var fields: [(String, LogValue)] = [
            ("step", .integer(position.step)), ("epoch", .integer(position.epoch)), ("lr", .double(now.learningRate)), ("lambda_cl", .double(now.curriculum)),
        ]
        if let loss = losses.autoencoder { fields.append(("loss", .float(loss))) }
        if let masker = losses.masker {
            for (name, value) in zip(["recon", "gauss", "kl", "diversity", "masker_total"], masker) { fields.append((name, .float(value))) }
        }
        if let mean = losses.meanScore { fields.append(("mean_score", .float(mean))) }
        for (group, norm) in losses.gradientNorms.sorted(by: { $0.key.rawValue < $1.key.rawValue }) { fields.append(("grad_norm_\(group.rawValue)", .float(norm))) }
        if !losses.skipped.isEmpty { fields.append(("skipped", .string(losses.skipped.map(\.rawValue).joined(separator: ",")))) }
        return fields
    }

    private func scalars(_ now: IterationSettings, _ losses: IterationLosses) -> [(tag: String, value: Float)] {
        var scalars: [(String, Float)] = [("lr", Float(now.learningRate)), ("lambda_cl", Float(now.curriculum))]
        if let loss = losses.autoencoder { scalars.append(("train_loss", loss)) }
        if let masker = losses.masker {
            for (name, value) in zip(["recon", "gauss", "kl", "diversity", "total"], masker) { scalars.append(("masker/\(name)", value)) }
        }
        if let mean = losses.meanScore { scalars.append(("masker/mean_score", mean)) }
        return scalars
    }
}

/// Batches that must live together for one step: copies, as the loader's buffers are filled anew.
private struct BatchGroup {
    private let floats: Int
    private let memory: Memory?

    init(_ count: Int, floats: Int) throws {
        self.floats = floats
        memory = count > 1 ? try Memory(bytes: count * floats * 4, purpose: "accumulated batches") : nil
    }

    func keep(_ patches: UnsafeBufferPointer<Float>, slot: Int) -> UnsafeRawBufferPointer {
        guard let memory else { return UnsafeRawBufferPointer(patches) }
        let place = UnsafeMutableBufferPointer(rebasing: memory.floats[(slot * floats)..<(slot * floats + patches.count)])
        _ = place.update(fromContentsOf: patches)
        return UnsafeRawBufferPointer(UnsafeBufferPointer(place))
    }
}

/// Means over an epoch.
struct EpochSums {
    private var sums: [String: Double] = [:]
    private var counts: [String: Int] = [:]
    private var images = 0
    private var dataSeconds = 0.0
    private var seconds = 0.0

    /// An epoch that has begun takes the steps so far from the log, so that a resumed run writes the same line.
    init(log: String, epoch: Int, hasBegun: Bool) throws {
        guard hasBegun else { return }
        for line in try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n") {
            guard let step = try? JSONDecoder().decode(StepLine.self, from: Data(line.utf8)), step.epoch == epoch, step.lr != nil else { continue }
            var losses = IterationLosses()
            losses.autoencoder = step.loss
            if let recon = step.recon, let gauss = step.gauss, let kl = step.kl, let diversity = step.diversity { losses.masker = [recon, gauss, kl, diversity] }
            losses.meanScore = step.mean_score
            add(losses, images: 0, data: 0, total: 0)
        }
    }

    private struct StepLine: Decodable {
        let epoch: Int
        let lr: Double?
        let loss, recon, gauss, kl, diversity, mean_score: Float?
    }

    var imagesPerSecond: Double { seconds > 0 ? Double(images) / seconds : 0 }
    /// Mean of step A's, or a classifier's.
    var meanLoss: Double { (sums["train_loss"] ?? .nan) / Double(counts["train_loss"] ?? 1) }
    var dataShare: Double { seconds > 0 ? dataSeconds / seconds : 0 }

    mutating func add(_ losses: IterationLosses, images: Int, data: Double, total: Double) {
        self.images += images
        dataSeconds += data
        seconds += total
        func note(_ name: String, _ value: Float?) {
            guard let value else { return }
            sums[name, default: 0] += Double(value)
            counts[name, default: 0] += 1
        }
        note("train_loss", losses.autoencoder)
        if let masker = losses.masker { for (name, value) in zip(["recon", "gauss", "kl", "diversity"], masker) { note("train_\(name)", value) } }
        note("train_mean_score", losses.meanScore)
    }

    /// The epoch's line of the log; its times are of this process alone: seconds of steps, and of those waiting for data.
    func fields(epoch: Int, step: Int, _ reading: CurriculumMicroscope.Reading? = nil, _ accuracy: FeatureWatch.Reading? = nil) -> [(key: String, value: LogValue)] {
        [("step", .integer(step)), ("epoch", .integer(epoch))]
            + ["train_loss", "train_recon", "train_gauss", "train_kl", "train_diversity", "train_mean_score"].compactMap { name in
                sums[name].map { (name, .double($0 / Double(counts[name] ?? 1))) }
            }
            + (reading?.fields ?? []) + (accuracy.map { [("knn_cls", .double($0.cls)), ("knn_mean", .double($0.mean))] } ?? [])
            + [("time_s", .double(seconds)), ("data_s", .double(dataSeconds)), ("images_per_second", .double(imagesPerSecond))]
    }
}
