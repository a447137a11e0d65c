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
import Synchronization
import CurricleTerminal
import CurricleTrainer
import CurricleVision
import CurricleWeights

/// Trains an encoder with a linear head on labelled images.
enum FinetuneCommand {
    static let command = Command(
        name: "finetune", summary: "train the whole encoder with a linear head on labelled images",
        options: EncoderOptions.all() + [
            JudgedEncoder.train, JudgedEncoder.test, Splitting.folds.adding("Nothing of the folds is kept"),
            SharedOptions.output("RUN", "folder of the run: states, weights, logs (default: nothing is kept)", .folder),
            .flag(
                "eval",
                "judge a classifier's weights on the test images: nothing is trained or written, and --train is not needed where the "
                    + "file names its classes"
            ),
            SharedOptions.json
        ] + FinetuneSettings.declared.without("mean", "std").options(FinetuneSettings())
            + [FittedEpochs.option(section: "Run"), SharedOptions.resume, SharedOptions.threads(), RankedCommand.timeout(section: "Run")],
        example: "curricle finetune --weights run/model.safetensors --train data --test data --output tuned --epochs 50")

    /// What `config.json` says of the weights and the images, which no option does.
    private static let told = Set(ModelConfiguration.encoderSizes.map(\.name) + ["classes", "class-names"])

    static func run(_ given: Arguments) throws -> Int32 {
        if try given.flag("eval") { try RankedCommand.refuse("finetune --eval") }
        return try RankedCommand.run(timeout: given.int("peer-timeout")) { ranks in try run(given, ranks) }
    }

    private static func run(_ given: Arguments, _ ranks: Ranks?) throws -> Int32 {
        var a = given
        let kept = try a.stringIfGiven("output"), resumes = try a.flag("resume")
        var hasBegun = false
        if try a.flag("eval"), kept != nil || resumes {
            throw LearningError.configuration("--eval writes nothing: leave out --output and --resume")
        }
        guard kept != nil || !resumes else { throw LearningError.configuration("--resume needs --output, the folder of the run") }
        if let kept {
            let files = RunFiles(folder: kept)
            if ranks.leads { try files.check(FinetuneSettings.command, resumes: resumes) }
            if resumes, let recorded = try RankedCommand.recorded(files.configuration, ranks) {
                try a.merge(configuration: recorded, from: files.configuration, ignoring: told)
                hasBegun = true
            }
        }
        if let ranks { try RankedCommand.share(&a, ranks) }

        let weights = try WeightsOptions.checkpoint(a, a.string("weights"))
        try WeightsDescription.requireTrainable(weights)
        let description = try WeightsOptions.description(a, weights)
        let decoding = try DataOptions.decoding(
            a, size: max(description.model.imageHeight, description.model.imageWidth), channels: description.model.channels)
        if try a.flag("eval") { return try evaluate(a, weights, description, decoding) }
        let splitting = try Splitting(a), (train, test) = try JudgedEncoder.parts(a, decoding, splitting)
        if let test { try JudgedEncoder.requireOthers(test, than: train) }
        let names = train.classNames.map(\.stored), timed = try settings(a, weights, description, classes: names, images: train.count)
        try FittedEpochs.settle(&a, given: given, hasBegun: hasBegun) { folder in
            if case .folds = splitting { throw LearningError.configuration("--max-minutes is of one run: leave out --folds") }
            return try trial(timed, train, test, weights, folder, threads: SharedOptions.threads(given, ranks), ranks)
        }
        let settings = try settings(a, weights, description, classes: names, images: train.count)
        let parts: [(train: any ImageSource, test: any ImageSource)] =
            try test.map { [(train, $0)] }
            ?? splitting.rounds(train, seed: settings.seed).map { judged in
                (ImageSelection(train, judged.indices.filter { !judged[$0] }), ImageSelection(train, judged.indices.filter { judged[$0] }))
            }
        if parts.count > 1, ranks != nil { throw LearningError.configuration("--folds runs in one process: leave out mpirun") }
        if parts.count > 1, kept != nil { throw LearningError.configuration("--folds keeps no run: leave out --output, or give --holdout") }
        var scores: [ClassifierScore] = []
        for (train, test) in parts {
            let tuning = try Finetuning(
                settings, training: train, test: test, output: kept, threads: SharedOptions.threads(a, ranks), isa: ISA.named(nil),
                ranks: ranks)
            var fresh: [String] = []
            if !(try resumes && tuning.resume()) { fresh = try tuning.begin(from: weights) }
            guard ranks.leads else {  // the first rank speaks for all
                let interrupts = Interrupts()
                return try tuning.run(isInterrupted: { interrupts.happened }) == .interrupted ? 130 : 0
            }
            guard let score = try fit(a, tuning, fresh: fresh, images: train.count) else { return 130 }
            try warn(a, of: score, tuning, train, test)
            scores.append(score)
        }
        if scores.count > 1 {
            let all = ClassifierScore(scores)
            print(try a.flag("json") ? json(all, settings.classes.count) : "\(scores.count) folds: \(text(all, settings.classes.count))")
        }
        return 0
    }

    /// Some steps of the run, in a folder that does not stay, and what judging the test images will take.
    private static func trial(
        _ settings: FinetuneSettings, _ train: any ImageSource, _ test: (any ImageSource)?, _ weights: Checkpoint, _ folder: String,
        threads: Int, _ ranks: Ranks?
    ) throws -> FittedEpochs.Trial {
        let tuning = try Finetuning(
            settings, training: train, test: test ?? train, output: folder, threads: threads, isa: ISA.named(nil), ranks: ranks)
        _ = try tuning.begin(from: weights)
        var trial = try FittedEpochs.Trial(stepsPerEpoch: tuning.stepsPerEpoch) { isEnough, stepEnded in
            _ = try tuning.run(isInterrupted: isEnough, progress: { _ in stepEnded() })
        }
        // Forward alone is a third of a step.
        let images = test?.count ?? Int(Double(train.count) * (settings.holdout ?? 0))
        trial.epochSeconds = trial.step / 3 * Double(images) / Double(min(settings.batchSize, train.count) * settings.accumulation)
        return try ranks.map { try $0.broadcast(json: trial) } ?? trial
    }

    /// Says where features of the weights as they were tell the classes much better apart than the fine-tuned ones do.
    private static func warn(
        _ a: Arguments, of score: ClassifierScore, _ tuning: Finetuning, _ train: any ImageSource, _ test: any ImageSource
    ) throws {
        // Nothing is far above this, so the features need not be computed.
        if score.top1 > 0.9 { return }
        let known = ImageSelection(train, most: FeatureWatch.most), judged = ImageSelection(test, most: FeatureWatch.most)
        let pool: Pooling = tuning.settings.model.normalizesPooled == true ? .normalizedMean : .cls, threads = try SharedOptions.threads(a)
        let extractor = try EncoderOptions.extractor(a, threads: threads, pool: pool, isa: ISA.named(nil))
        (extractor.preprocessing, extractor.passOrder) = (tuning.settings.preprocessing, tuning.settings.passOrder)
        let training = try extractor.labelled(known, pool: pool)
        guard training.count > 5 else { return }
        let looked = try extractor.labelled(judged, pool: pool)
        let frozen = try NearestNeighbours(training: training, k: 5, threads: threads)
            .accuracy(on: looked, leavingOut: looked.rows(of: training, at: judged.places(in: known))).top1
        let images = JudgedImages(labels: score.labels, classes: tuning.settings.classes.count)
        let doubt = 2 * (images.standardError(of: score.top1) + images.standardError(of: frozen))
        guard frozen - score.top1 > max(0.05, doubt) else { return }
        let schedule = tuning.settings.schedule, perEpoch = tuning.stepsPerEpoch
        // Some thousand updates where that is no more than 200 epochs, at a rate that moves layers that far.
        let epochs = max(2 * schedule.epochs, min(200, (1000 + perEpoch - 1) / perEpoch)), rate = max(1e-3, schedule.learningRate)
        complain(
            String(
                format:
                    "fine-tuning ends at %.3f, far below the %.3f of kNN on the features as they were: steps too few (%d) or too small "
                    + "(rate %g); try --lr %g --epochs %d",
                score.top1, frozen, schedule.epochs * perEpoch, schedule.learningRate, rate, epochs))
    }

    private static func evaluate(
        _ a: Arguments, _ weights: Checkpoint, _ description: WeightsDescription, _ decoding: DecodeOptions
    ) throws -> Int32 {
        guard
            let classes = try a.isGiven("train")
                ? DataOptions.open(a.string("train"), role: .train, decoding).classNames
                : FinetuneSettings.classes(of: weights)?.map(ByteName.init(stored:))
        else {
            throw LearningError.file(path: weights.path, reason: "does not name its classes: give --train, whose classes they are")
        }
        let test = try DataOptions.open(a.string("test"), role: .test, decoding).labelled(byNames: classes)
        let threads = try SharedOptions.threads(a)
        let tuning = try Finetuning(
            settings(a, weights, description, classes: classes.map(\.stored), images: test.count), training: test, test: test, output: nil,
            threads: threads, isa: ISA.named(nil))
        let fresh = try tuning.begin(from: weights)
        guard fresh.allSatisfy({ $0 == "pos_embed" }) else {
            throw LearningError.file(
                path: weights.path,
                reason:
                    "has no head for \(classes.count) classes on this --pool (it lacks \(fresh.joined(separator: ", "))): fine-tune it "
                    + "first, without --eval"
            )
        }
        var bar = ProgressBar(total: test.count)
        tuning.report = { complain("left out: \($0)") }
        tuning.testing = { done, _ in bar.update(label: "test", completed: done) { [] } }
        let score = try tuning.score()
        bar.finish()
        print(try a.flag("json") ? json(score, classes.count) : text(score, classes.count))
        return 0
    }

    /// - Returns: nil where it was interrupted.
    private static func fit(_ a: Arguments, _ tuning: Finetuning, fresh: [String], images: Int) throws -> ClassifierScore? {
        let schedule = tuning.settings.schedule, epochs = schedule.epochs, perEpoch = tuning.stepsPerEpoch
        var bar = ProgressBar(total: min(epochs * perEpoch, tuning.settings.maxSteps ?? .max), completed: tuning.position.step)
        bar.message(
            "\(count(images, "image")) of \(tuning.settings.classes.count) classes, "
                + runHeader(schedule, stepsPerEpoch: perEpoch, tuning.model.session))
        if !fresh.isEmpty { bar.message("not in the file, so begun afresh: \(fresh.joined(separator: ", "))") }
        if tuning.position.step > 0 { bar.message("resumed at step \(tuning.position.step)") }
        let reports = Mutex<[String]>([])
        tuning.report = { line in reports.withLock { $0.append(line) } }
        let interrupts = Interrupts()
        interrupts.says(step: tuning.position.step + 1)
        var last: ClassifierScore?
        let end = try tuning.run(isInterrupted: { interrupts.happened }) { p in
            for line in reports.withLock({ lines in
                defer { lines = [] }; return lines
            }) { bar.message(line) }
            interrupts.says(step: p.position.step + 1)
            var fields = [String(format: "loss %.4f", p.loss), String(format: "%.1f img/s", p.imagesPerSecond)]
            guard let score = p.score else {
                return bar.update(label: "epoch \(min(p.position.epoch + 1, epochs))/\(epochs)", completed: p.position.step) { fields }
            }
            last = score
            fields.insert(String(format: "test Acc@1 %.4f, best %.4f", score.top1, p.best), at: 0)
            bar.endEpoch(label: "epoch \(p.position.epoch)/\(epochs)", completed: p.position.step, fields: fields)
        }
        bar.finish()
        if end == .interrupted {
            print(
                tuning.files != nil
                    ? "interrupted at step \(tuning.position.step): go on with --resume" : "interrupted at step \(tuning.position.step)")
            return nil
        }
        let score = try last ?? tuning.score()
        if try a.flag("json") {
            print(json(score, tuning.settings.classes.count, best: tuning.best > 0 ? tuning.best : nil))
        } else {
            print(
                "fine-tuned on \(images) images: \(text(score, tuning.settings.classes.count))"
                    + (tuning.best > 0 ? String(format: "; best epoch %.3f", tuning.best) : ""))
            if let files = tuning.files {
                print("weights: \(files.model)")
                if FileManager.default.fileExists(atPath: files.best) { print("best: \(files.best)") }
                print("log: \(files.log)")
            }
        }
        return score
    }

    private static func text(_ score: ClassifierScore, _ classes: Int) -> String {
        let images = JudgedImages(labels: score.labels, classes: classes)
        return "Acc@1 \(images.text(score.top1)), Acc@5 \(images.brief(score.top5))"
    }

    private static func json(_ score: ClassifierScore, _ classes: Int, best: Double? = nil) -> String {
        jsonLine(
            [("acc1", .double(score.top1)), ("acc5", .double(score.top5)), ("loss", .double(score.loss))]
                + JudgedImages(labels: score.labels, classes: classes).fields(score.top1)
                + (best.map { [("best_acc1", .double($0))] } ?? []))
    }

    /// The model is the file's; its head sees what the file's does, unless that is said.
    private static func settings(
        _ a: Arguments, _ weights: Checkpoint, _ description: WeightsDescription, classes: [String], images: Int
    ) throws -> FinetuneSettings {
        try a.settings(from: FinetuneSettings(weights, description, classes: classes), images: images)
    }
}
