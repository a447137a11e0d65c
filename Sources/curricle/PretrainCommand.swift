import Foundation
import Graph
import Learning
import Models
import Runtime
import Synchronization
import Terminal
import Vision

/// When the command began, for what it says of its readiness.
let processStart = Date()

/// Pretrains a CL-MAE on a folder of images or an IDX file.
enum PretrainCommand {
    static let command = Command(
        name: "pretrain", summary: "pretrain a CL-MAE (or, with --masking random, an MAE) on images",
        options: [
            .value("data", "PATH", "folder of images (flat, nested, or one folder a class), list (.txt), tar shards, .npy array, or IDX, CIFAR or STL-10 files", section: "Data and output"),
            .value("output", "RUN", "folder of the run: states, weights, logs, pictures", short: "o", section: "Data and output"),
            .value("augment", "KIND", "mae (random crop and flip), flip or none", fallback: "mae", section: "Data and output"),
            .value("mean", "M[,M…]", "pixel mean, one for all channels or one each (default: ImageNet's for 3 channels, else 0.5)", section: "Data and output"),
            .value("std", "S[,S…]", "pixel deviation, likewise", section: "Data and output"),
            .flag("drop-last", "leave out a last batch that is smaller", section: "Data and output"),
            .flag("strict", "stop at a broken image instead of leaving it out", section: "Data and output"),
        ] + DataOptions.decoding(section: "Data and output") + ModelOptions.sizes(section: "Model") + ScheduleOptions.batches(of: "data", size: "256", epochs: "200") + [
            .value("mask-ratio", "R", "share of patches removed", fallback: "0.75", section: "Training"),
            .value("masking", "KIND", "learned (CL-MAE) or random (MAE)", fallback: "learned", section: "Training"),
            .flag("norm-pix-loss", "predict patches normalised by their own mean and deviation", section: "Training"),
            .value("lambda-gauss", "L", "weight of the loss that drives scores from 1/2", fallback: "1", section: "Training"),
            .value("lambda-kl", "L", "weight of the loss that holds the mean score at 1/4", fallback: "0.1", section: "Training"),
            .value("lambda-diversity", "L", "weight of the loss that keeps masks apart", fallback: "2", section: "Training"),
        ] + ScheduleOptions.rates(blr: "0.001", minimum: "0", warmup: "40") + [
            ScheduleOptions.clip,
            .value("seed", "N", "decides parameters, order, crops and random masks", fallback: "0", section: "Training"),
            .value("on-nonfinite", "WHAT", "stop, or skip the step and go on", fallback: "stop", section: "Training"),

            .value("threads", "N", "threads of the team (default: all processors)", section: "Run"),
            ModelOptions.memoryLimit, ModelOptions.microBatch,
            .value("save-ckpt-freq", "EPOCHS", "epochs between permanent snapshots of the weights", fallback: "50", section: "Run"),
            .value("knn-every", "EPOCHS", "epochs between looks at the features' kNN accuracy, on the data's labelled parts; 0 for none", fallback: "0", section: "Run"),
            .value("knn-train", "PATH", "with --knn-every: labelled images to compare with (default: --data; \(FeatureWatch.most) at most, spread over them)", section: "Run"),
            .value("knn-test", "PATH", "with --knn-every: labelled images to judge on (default: the test part of --knn-train or --data)", section: "Run"),
            .value("save-every-steps", "N", "steps between states to resume from; 0: at the end of epochs only", fallback: "0", section: "Run"),
            .value("max-steps", "N", "end cleanly after so many steps in all", section: "Run"),
            .flag("resume", "go on from the newest state in RUN, to the same bits as a run never interrupted", section: "Run"),
            .value("init-from", "FILE", "begin with these weights (any layout that import reads); a decoder or masker that it lacks begins afresh", section: "Run"),
            .value("config", "FILE", "options from a JSON file, such as a run's config.json; the command line wins", section: "Run"),
        ],
        example: "curricle pretrain --data photos --output run --model tiny-p16 --batch-size 64 --epochs 100")

    static func run(_ given: Arguments) throws -> Int32 {
        var arguments = given
        if let path = try arguments.stringIfGiven("config") { try arguments.merge(configurationAt: path) }
        let output = try arguments.string("output"), resumes = try arguments.flag("resume")
        let files = RunFiles(folder: output)
        try files.check(PretrainSettings.command, resumes: resumes)
        if resumes, FileManager.default.fileExists(atPath: files.configuration) { try arguments.merge(configurationAt: files.configuration) }
        if resumes, arguments.isGiven("init-from") { throw LearningError.configuration("--resume and --init-from exclude one another: a resumed run has its own weights") }
        let settings = try Self.settings(arguments)
        if let problem = settings.problem { throw LearningError.configuration(problem) }
        let threads = try ModelOptions.threads(arguments)
        let isa = try ISA.named(nil)
        let source = try DataOptions.open(arguments.string("data"), role: .train, settings.decoding)
        let held = try testPart(of: arguments.string("data"), settings.decoding, besides: source)
        let training = try Pretraining(
            settings, source: source, output: output, threads: threads, isa: isa, resumes: resumes, heldOut: held,
            watch: settings.knnEpochs > 0 ? watch(arguments, settings.decoding, source, held) : nil)
        if !(try resumes && training.resume()) {
            let fresh = try training.begin(from: arguments.stringIfGiven("init-from"))
            if !fresh.isEmpty { print("not in the file, so begun afresh: \(fresh.joined(separator: " and "))") }
        }
        return try train(training, images: source.count)
    }

    /// What the features are judged by: the data's own labelled parts, or those that are named.
    private static func watch(_ a: Arguments, _ decoding: DecodeOptions, _ source: any ImageSource, _ held: (any ImageSource)?) throws -> FeatureWatch {
        var (train, test) = (source, held)
        if let path = try a.stringIfGiven("knn-train") {
            train = try DataOptions.open(path, role: .train, decoding)
            test = try testPart(of: path, decoding, besides: train)
        }
        if let path = try a.stringIfGiven("knn-test") { test = try DataOptions.open(path, role: .test, decoding) }
        guard let test else { throw LearningError.configuration("\(train.name(at: 0)): \(FeatureWatch.need)") }
        return try FeatureWatch(training: train, test: test)
    }

    private static func train(_ training: Pretraining, images: Int) throws -> Int32 {
        let epochs = training.settings.schedule.epochs, perEpoch = training.stepsPerEpoch
        var bar = ProgressBar(total: min(epochs * perEpoch, training.settings.maxSteps ?? .max), completed: training.position.step)
        let reports = Mutex<[String]>([])
        training.report = { line in reports.withLock { $0.append(line) } }
        let session = training.model.session
        training.willBegin = {
            let ready = String(format: "%.1f", Date().timeIntervalSince(processStart))
            reports.withLock {
                $0.append(
                    "\(count(images, "image")), \(count(perEpoch, "step")) an epoch, \(count(epochs, "epoch")); \(session.isa) on \(count(session.threads, "thread")); ready in \(ready) s")
                if let judged = training.judged { $0.append(judged) }
            }
        }
        if training.position.step > 0 { bar.message("resumed at step \(training.position.step)") }
        let interrupts = Interrupts()
        let end = try training.run(isInterrupted: { interrupts.happened }, judging: { epoch, done, total in
            bar.update(label: "epoch \(epoch)/\(epochs)", completed: training.position.step) { ["kNN: features of \(done) of \(total) images"] }
        }) { p in
            for line in reports.withLock({ lines in defer { lines = [] }; return lines }) { bar.message(line) }
            let label = "epoch \(min(p.position.epoch + 1, epochs))/\(epochs)"
            if p.endsEpoch { bar.endEpoch(label: label, completed: p.position.step, fields: fields(p)) }
            else { bar.update(label: label, completed: p.position.step) { fields(p) } }
        }
        for line in reports.withLock({ $0 }) { bar.message(line) }
        bar.finish()
        switch end {
        case .interrupted:
            print("interrupted at step \(training.position.step): go on with --resume")
            return 130
        case .reachedMaxSteps, .finished:
            print("weights: \(training.files.model)\npictures: \(training.files.pictures)\nlog: \(training.files.log)")
            return 0
        }
    }

    private static func fields(_ p: TrainingProgress) -> [String] {
        var fields: [String] = []
        if let loss = p.losses.autoencoder { fields.append(String(format: "loss %.4f", loss)) }
        fields.append(String(format: "λ %+.2f", p.settings.curriculum))
        if let recon = p.losses.masker?.first { fields.append(String(format: "recon %.3f", recon)) }
        fields.append(String(format: "%.1f img/s", p.imagesPerSecond))
        fields.append(String(format: "data %.1f%%", 100 * p.dataShare))
        fields.append("mem \(Machine.residentBytes.now / 1_000_000) MB")
        return fields
    }

    static func settings(_ a: Arguments) throws -> PretrainSettings {
        let training = try ScheduleOptions.values(a)
        let model = try ModelOptions.configuration(a)
        var settings = PretrainSettings(
            model: model,
            step: StepOptions(
                maskRatio: try a.double("mask-ratio", in: 0...1), normalizedTargets: try a.flag("norm-pix-loss"), masking: try a.choice("masking"),
                weights: MaskerWeights(
                    gauss: Float(try a.double("lambda-gauss", in: 0...1e6)), kl: Float(try a.double("lambda-kl", in: 0...1e6)),
                    diversity: Float(try a.double("lambda-diversity", in: 0...1e6)))),
            adamw: AdamW(weightDecay: training.weightDecay), schedule: training.schedule, batchSize: training.batchSize, accumulation: training.accumulation,
            clip: training.clip, augmentation: try a.choice("augment"),
            normalization: try ModelOptions.normalization(a, channels: model.channels),
            seed: UInt64(try a.int("seed", in: 0...Int.max)), dropLast: try a.flag("drop-last"))
        settings.onNonfinite = try a.choice("on-nonfinite")
        settings.snapshotEpochs = try a.int("save-ckpt-freq", in: 1...Int.max)
        settings.knnEpochs = try a.int("knn-every", in: 0...Int.max)
        guard settings.knnEpochs > 0 || !(a.isGiven("knn-train") || a.isGiven("knn-test")) else {
            throw LearningError.configuration("--knn-train and --knn-test need --knn-every EPOCHS")
        }
        settings.saveEverySteps = try a.int("save-every-steps", in: 0...Int.max)
        settings.maxSteps = try a.intIfGiven("max-steps", in: 0...Int.max)
        settings.strict = try a.flag("strict")
        settings.memoryLimit = try a.bytesIfGiven("memory-limit", in: 1...(1 << 60))
        settings.pieceImages = try a.intIfGiven("micro-batch", in: 1...1_000_000)
        settings.decoding = try DataOptions.decoding(a, size: max(model.imageHeight, model.imageWidth), channels: model.channels)
        return settings
    }
}

/// SIGINT and SIGTERM as a question that the run asks between steps; a second one ends the process at once.
/// Unchecked: the sources are only held.
final class Interrupts: @unchecked Sendable {
    private let count = Atomic<Int>(0)
    private let sources: [any DispatchSourceSignal]
    var happened: Bool { count.load(ordering: .relaxed) > 0 }

    init() {
        let queue = DispatchQueue(label: "interrupts")
        var sources: [any DispatchSourceSignal] = []
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            sources.append(DispatchSource.makeSignalSource(signal: number, queue: queue))
        }
        self.sources = sources
        for source in sources {
            source.setEventHandler { [weak self] in
                guard let self else { return }
                if self.count.add(1, ordering: .relaxed).newValue > 1 { _exit(130) }
            }
            source.resume()
        }
    }
}
