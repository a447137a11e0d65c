import CurricleDistributed
import CurricleDatasets
import CurricleEngine
import CurricleFeatures
import Foundation
import CurricleGraph
import CurricleModels
import CurricleRuntime
import CurricleSettings
import Synchronization
import CurricleTerminal
import CurricleTrainer
import CurricleVision
import CurricleWeights

/// When the command began, for what it says of its readiness.
let processStart = Date()

/// Pretrains a CL-MAE on a folder of images or an IDX file.
enum PretrainCommand {
    private static let section = "Data and output"

    static let command = Command(
        name: "pretrain", summary: "pretrain a CL-MAE (or, with --masking random, an MAE) on images",
        options: [
            SharedOptions.images(
                "data",
                "folder of images (flat, nested, or one folder a class), list (.txt), tar shards, .npy array, or IDX, CIFAR or "
                    + "STL-10 files",
                section: section),
            SharedOptions.output("RUN", "folder of the run: states, weights, logs, pictures", .folder, section: section),
            .value(
                "init-from", "FILE", .path(.file),
                "begin with these weights (any layout that import reads); a decoder or masker that it lacks begins afresh", section: section
            ),
            .value(
                "config", "FILE", .path(.file), "options from a JSON file, such as a run's config.json; the command line wins",
                section: section)
        ] + PretrainSettings.declared.options(PretrainSettings()) + [
            SharedOptions.images(
                "knn-train",
                "with --knn-every: labelled images to compare with (default: --data; \(FeatureWatch.most) at most, spread over them)",
                section: "Run"),
            SharedOptions.images(
                "knn-test", "with --knn-every: labelled images to judge on (default: the test part of --knn-train or --data)",
                section: "Run"),
            .flag("report", "write RUN/report.html as epochs end; where it is open, it loads itself anew", section: "Run"),
            FittedEpochs.option(section: "Run"), SharedOptions.resume, SharedOptions.threads(),
            RankedCommand.timeout(section: "Run")
        ],
        example: "curricle pretrain --data photos --output run --model tiny-p16 --batch-size 64 --epochs 100")

    static func run(_ given: Arguments) throws -> Int32 {
        try RankedCommand.run(timeout: given.int("peer-timeout")) { ranks in try run(given, ranks) }
    }

    private static func run(_ given: Arguments, _ ranks: Ranks?) throws -> Int32 {
        var arguments = given
        if let path = try arguments.stringIfGiven("config") { try arguments.merge(configurationAt: path) }
        let output = try arguments.string("output"), resumes = try arguments.flag("resume")
        let files = RunFiles(folder: output)
        if ranks.leads { try files.check(PretrainSettings.command, resumes: resumes) }
        let recorded = resumes ? try RankedCommand.recorded(files.configuration, ranks) : nil
        if let recorded { try arguments.merge(configuration: recorded, from: files.configuration) }
        if resumes, arguments.isGiven("init-from") {
            throw LearningError.configuration("--resume and --init-from exclude one another: a resumed run has its own weights")
        }
        if let ranks { try RankedCommand.share(&arguments, ranks) }
        var settings: PretrainSettings = try arguments.settings()
        guard settings.knnEpochs > 0 || !(arguments.isGiven("knn-train") || arguments.isGiven("knn-test")) else {
            throw LearningError.configuration("--knn-train and --knn-test need --knn-every EPOCHS")
        }
        if let problem = settings.problem { throw LearningError.configuration(problem) }
        let threads = try SharedOptions.threads(arguments, ranks)
        let isa = try ISA.named(nil)
        let source = try DataOptions.open(arguments.string("data"), role: .train, settings.decoding)
        settings = try arguments.settings(images: source.count)
        let timed = settings
        try FittedEpochs.settle(&arguments, given: given, hasBegun: recorded != nil) { folder in
            try trial(timed, source, folder, threads: threads, isa: isa, ranks)
        }
        settings = try arguments.settings(images: source.count)
        let held = try testPart(of: arguments.string("data"), settings.decoding, besides: source)
        var preparing = WorkProgress("planning memory and compiling")
        if ranks.leads { preparing.update(0, of: 1) }
        defer { preparing.finish() }
        let training = try Pretraining(
            settings, source: source, output: output, threads: threads, isa: isa, resumes: resumes, heldOut: held,
            watch: settings.knnEpochs > 0 ? watch(arguments, settings.decoding, source, held) : nil, ranks: ranks)
        if !(try resumes && training.resume()) {
            let image = (settings.model.imageHeight, settings.model.imageWidth)
            let weights = try arguments.stringIfGiven("init-from").map { try Checkpoint(path: $0, image: image) }
            if let weights { WeightsOptions.say(weights.notes) }
            let fresh = try training.begin(from: weights)
            if !fresh.isEmpty, ranks.leads { print("not in the file, so begun afresh: \(fresh.joined(separator: " and "))") }
        }
        preparing.finish()
        guard ranks.leads else {  // the first rank speaks for all
            let interrupts = Interrupts()
            return try training.run(isInterrupted: { interrupts.happened }) == .interrupted ? 130 : 0
        }
        return try train(training, images: source.count, page: arguments.flag("report") ? "\(output)/report.html" : nil)
    }

    /// Some steps of the run, in a folder that does not stay. Of several ranks the first one's times count.
    private static func trial(
        _ settings: PretrainSettings, _ source: any ImageSource, _ folder: String, threads: Int, isa: ISA, _ ranks: Ranks?
    ) throws -> FittedEpochs.Trial {
        var settings = settings
        settings.knnEpochs = 0
        let training = try Pretraining(settings, source: source, output: folder, threads: threads, isa: isa, ranks: ranks)
        try training.begin(from: nil)
        let trial = try FittedEpochs.Trial(stepsPerEpoch: training.stepsPerEpoch) { isEnough, stepEnded in
            _ = try training.run(isInterrupted: isEnough, progress: { _ in stepEnded() })
        }
        return try ranks.map { try $0.broadcast(json: trial) } ?? trial
    }

    /// What the features are judged by: the data's own labelled parts, or those that are named.
    private static func watch(
        _ a: Arguments, _ decoding: DecodeOptions, _ source: any ImageSource, _ held: (any ImageSource)?
    ) throws -> FeatureWatch {
        var (train, test) = (source, held)
        if let path = try a.stringIfGiven("knn-train") {
            train = try DataOptions.open(path, role: .train, decoding)
            test = try testPart(of: path, decoding, besides: train)
        }
        if let path = try a.stringIfGiven("knn-test") { test = try DataOptions.open(path, role: .test, decoding) }
        guard let test else { throw LearningError.configuration("\(train.name(at: 0)): \(FeatureWatch.need)") }
        return try FeatureWatch(training: train, test: test)
    }

    /// - Parameter page: where the run is to be seen while it goes on.
    private static func train(_ training: Pretraining, images: Int, page: String?) throws -> Int32 {
        let schedule = training.settings.schedule, epochs = schedule.epochs, perEpoch = training.stepsPerEpoch
        var bar = ProgressBar(total: min(epochs * perEpoch, training.settings.maxSteps ?? .max), completed: training.position.step)
        let reports = Mutex<[String]>([])
        training.report = { line in reports.withLock { $0.append(line.withOptions) } }
        let session = training.model.session
        training.willBegin = {
            let ready = String(format: "%.1f", Date().timeIntervalSince(processStart))
            reports.withLock {
                $0.append(
                    "\(count(images, "image")) in batches of \(training.batchSize), "
                        + "\(runHeader(schedule, stepsPerEpoch: perEpoch, session)); ready in \(ready) s"
                )
                if let judged = training.judged { $0.append(judged) }
            }
        }
        if let page {
            training.epochKept = { _ in
                do { try ReportCommand.write(training.files.folder, to: page, isLive: true) } catch {
                    reports.withLock { $0.append("the page could not be written: \(error)") }
                }
            }
        }
        if training.position.step > 0 { bar.message("resumed at step \(training.position.step)") }
        let interrupts = Interrupts()
        interrupts.says(step: training.position.step + 1)
        let end = try training.run(
            isInterrupted: { interrupts.happened },
            judging: { epoch, done, total in
                bar.update(label: "epoch \(epoch)/\(epochs)", completed: training.position.step) {
                    ["kNN: features of \(done) of \(total) images"]
                }
            }
        ) { p in
            interrupts.says(step: p.position.step + 1)
            for line in reports.withLock({ lines in
                defer { lines = [] }; return lines
            }) { bar.message(line) }
            let label = "epoch \(min(p.position.epoch + 1, epochs))/\(epochs)"
            if p.endsEpoch {
                bar.endEpoch(label: label, completed: p.position.step, fields: fields(p))
            } else {
                bar.update(label: label, completed: p.position.step) { fields(p) }
            }
        }
        for line in reports.withLock({ $0 }) { bar.message(line) }
        bar.finish()
        if let page { try ReportCommand.write(training.files.folder, to: page, isLive: false) }
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
        if let masker = p.losses.masker, let first = masker.first {
            // A masker that ranks has that loss alone.
            fields.append(
                masker.count == 1
                    ? String(format: "hard %.0f%%  ranking %.3f", 100 * p.settings.hardShare, first)
                    : String(format: "λ %+.2f  recon %.3f", p.settings.curriculum, first))
        }
        fields.append(String(format: "%.1f img/s", p.imagesPerSecond))
        fields.append(String(format: "data %.1f%%", 100 * p.dataShare))
        fields.append("mem \(Machine.residentBytes.now / 1_000_000) MB")
        return fields
    }
}
