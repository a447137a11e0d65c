import Engine
import Foundation
import Graph
import Models
import Runtime
import Settings
import Storage
import Synchronization
import Terminal
import Training
import Vision
import Weights

/// Trains an encoder with a linear head on labelled images.
enum FinetuneCommand {
    static let command = Command(
        name: "finetune", summary: "train the whole encoder with a linear head on labelled images",
        options: EncoderOptions.all() + [
            JudgedEncoder.train, JudgedEncoder.test,
            SharedOptions.output("RUN", "folder of the run: states, weights, logs (default: nothing is kept)", .folder),
            .flag("eval", "judge a classifier's weights on the test images: nothing is trained or written, and --train is not needed where the file names its classes"),
            SharedOptions.json,
        ] + FinetuneSettings.declared.without("mean", "std").options(FinetuneSettings()) + [SharedOptions.resume, SharedOptions.threads()],
        example: "curricle finetune --weights run/model.safetensors --train data --test data --output tuned --epochs 50")

    /// What `config.json` says of the weights and the images, which no option does.
    private static let told = Set(ModelConfiguration.encoderSizes.map(\.name) + ["classes", "class-names"])

    static func run(_ given: Arguments) throws -> Int32 {
        var a = given
        let kept = try a.stringIfGiven("output"), resumes = try a.flag("resume")
        if try a.flag("eval"), kept != nil || resumes { throw LearningError.configuration("--eval writes nothing: leave out --output and --resume") }
        guard kept != nil || !resumes else { throw LearningError.configuration("--resume needs --output, the folder of the run") }
        if let kept {
            let files = RunFiles(folder: kept)
            try files.check(FinetuneSettings.command, resumes: resumes)
            if resumes, FileManager.default.fileExists(atPath: files.configuration) { try a.merge(configurationAt: files.configuration, ignoring: told) }
        }

        let weights = try Checkpoint(path: a.string("weights"))
        let description = try WeightsOptions.description(a, weights)
        let decoding = try DataOptions.decoding(a, size: max(description.model.imageHeight, description.model.imageWidth), channels: description.model.channels)
        if try a.flag("eval") { return try evaluate(a, weights, description, decoding) }
        let (train, test) = try JudgedEncoder.parts(a, decoding)
        let settings = try settings(a, weights, description, classes: train.classNames.map(\.stored), images: train.count)
        let threads = try SharedOptions.threads(a)
        let tuning = try Finetuning(settings, training: train, test: test, output: kept, threads: threads, isa: ISA.named(nil))
        var fresh: [String] = []
        if !(try resumes && tuning.resume()) { fresh = try tuning.begin(from: weights) }
        return try fit(a, tuning, fresh: fresh, images: train.count)
    }

    private static func evaluate(_ a: Arguments, _ weights: Checkpoint, _ description: WeightsDescription, _ decoding: DecodeOptions) throws -> Int32 {
        guard let classes = try a.isGiven("train") ? DataOptions.open(a.string("train"), role: .train, decoding).classNames : FinetuneSettings.classes(of: weights)?.map(ByteName.init(stored:)) else {
            throw LearningError.file(path: weights.path, reason: "does not name its classes: give --train, whose classes they are")
        }
        let test = try DataOptions.open(a.string("test"), role: .test, decoding).labelled(byNames: classes)
        let threads = try SharedOptions.threads(a)
        let tuning = try Finetuning(
            settings(a, weights, description, classes: classes.map(\.stored), images: test.count), training: test, test: test, output: nil, threads: threads, isa: ISA.named(nil))
        let fresh = try tuning.begin(from: weights)
        guard fresh.allSatisfy({ $0 == "pos_embed" }) else {
            throw LearningError.file(path: weights.path, reason: "has no head for \(classes.count) classes on this --pool (it lacks \(fresh.joined(separator: ", "))): fine-tune it first, without --eval")
        }
        var bar = ProgressBar(total: test.count)
        tuning.testing = { done, _ in bar.update(label: "test", completed: done) { [] } }
        let score = try tuning.score()
        bar.finish()
        print(try a.flag("json") ? json(score) : "\(score.images) images: Acc@1 \(score.top1), Acc@5 \(score.top5)")
        return 0
    }

    private static func fit(_ a: Arguments, _ tuning: Finetuning, fresh: [String], images: Int) throws -> Int32 {
        let epochs = tuning.settings.schedule.epochs, perEpoch = tuning.stepsPerEpoch, session = tuning.model.session
        var bar = ProgressBar(total: min(epochs * perEpoch, tuning.settings.maxSteps ?? .max), completed: tuning.position.step)
        bar.message(
            "\(count(images, "image")) of \(tuning.settings.classes.count) classes, \(count(perEpoch, "step")) an epoch, \(count(epochs, "epoch")); "
                + "\(session.isa) on \(count(session.threads, "thread"))")
        if !fresh.isEmpty { bar.message("not in the file, so begun afresh: \(fresh.joined(separator: ", "))") }
        if tuning.position.step > 0 { bar.message("resumed at step \(tuning.position.step)") }
        let reports = Mutex<[String]>([])
        tuning.report = { line in reports.withLock { $0.append(line) } }
        let interrupts = Interrupts()
        var last: ClassifierScore?
        let end = try tuning.run(isInterrupted: { interrupts.happened }) { p in
            for line in reports.withLock({ lines in defer { lines = [] }; return lines }) { bar.message(line) }
            var fields = [String(format: "loss %.4f", p.loss), String(format: "%.1f img/s", p.imagesPerSecond)]
            guard let score = p.score else { return bar.update(label: "epoch \(min(p.position.epoch + 1, epochs))/\(epochs)", completed: p.position.step) { fields } }
            last = score
            fields.insert(String(format: "test Acc@1 %.4f, best %.4f", score.top1, p.best), at: 0)
            bar.endEpoch(label: "epoch \(p.position.epoch)/\(epochs)", completed: p.position.step, fields: fields)
        }
        bar.finish()
        if end == .interrupted {
            print(tuning.files != nil ? "interrupted at step \(tuning.position.step): go on with --resume" : "interrupted at step \(tuning.position.step)")
            return 130
        }
        let score = try last ?? tuning.score()
        if try a.flag("json") {
            print(json(score, best: tuning.best > 0 ? tuning.best : nil))
        } else {
            print("fine-tuned on \(images) images, judged on \(score.images): Acc@1 \(score.top1), Acc@5 \(score.top5)" + (tuning.best > 0 ? "; best epoch \(tuning.best)" : ""))
            if let files = tuning.files {
                print("weights: \(files.model)")
                if FileManager.default.fileExists(atPath: files.best) { print("best: \(files.best)") }
                print("log: \(files.log)")
            }
        }
        return 0
    }

    private static func json(_ score: ClassifierScore, best: Double? = nil) -> String {
        jsonLine(
            [("acc1", .double(score.top1)), ("acc5", .double(score.top5)), ("loss", .double(score.loss)), ("images", .integer(score.images))]
                + (best.map { [("best_acc1", .double($0))] } ?? []))
    }

    /// The model is the file's; its head sees what the file's does, unless that is said.
    private static func settings(_ a: Arguments, _ weights: Checkpoint, _ description: WeightsDescription, classes: [String], images: Int) throws -> FinetuneSettings {
        var model = description.model
        let hasClassHead = weights.shape(of: "head.weight") != nil && weights.shape(of: "fc_norm.weight") == nil
        model.normalizesPooled = hasClassHead ? nil : true
        return try a.settings(from: FinetuneSettings(model: model, classes: classes, normalization: description.normalization), images: images)
    }
}
