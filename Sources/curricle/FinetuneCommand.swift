import Foundation
import Graph
import Learning
import Models
import Runtime
import Synchronization
import Terminal
import Vision

/// Trains an encoder with a linear head on labelled images.
enum FinetuneCommand {
    static let command = Command(
        name: "finetune", summary: "train the whole encoder with a linear head on labelled images",
        options: EncoderOptions.all() + [
            .value("train", "PATH", "labelled images to learn from"),
            .value("test", "PATH", "labelled images to judge after each epoch"),
            .value("output", "RUN", "folder of the run: states, weights, logs (default: nothing is kept)", short: "o"),
            .value("pool", "KIND", "what the head sees: mean (of the patch tokens, through a norm of its own) or cls (class token); default: as the file's head, else mean"),
            .flag("eval", "judge a classifier's weights on the test images: nothing is trained or written, and --train is not needed where the file names its classes"),
            .flag("json", "print one JSON object at the end"),
        ] + ScheduleOptions.batches(of: "training images", size: "64", epochs: "50")
            + ScheduleOptions.rates(blr: "0.0005", minimum: "0.000001", warmup: "5") + [
            .value("layer-decay", "D", "factor of the learning rate from one layer to the one before it", fallback: "0.65", section: "Training"),
            .value("drop-path", "R", "share of residual branches left out at random in the last block; in earlier ones less", fallback: "0.1", section: "Training"),
            ScheduleOptions.clip,
            .value("seed", "N", "decides the head, order, augmentation, mixing and drop path", fallback: "0", section: "Training"),

            .value("augment", "KIND", "finetune (crop of 8 to 100 % of the area, flip, --aa and --reprob), mae (crop of 20 to 100 % and flip), flip or none", fallback: "finetune", section: "Images"),
            .value("aa", "POLICY", "RandAugment in timm's words, or none", fallback: "rand-m9-mstd0.5-inc1", section: "Images"),
            .value("reprob", "P", "how likely a part of a picture is erased", fallback: "0.25", section: "Images"),
            .value("mixup", "A", "blend pairs of images, their share from Beta(A, A); 0 for never", fallback: "0.8", section: "Images"),
            .value("cutmix", "A", "or paste a part of one into the other, likewise; 0 for never", fallback: "1.0", section: "Images"),
            .value("smoothing", "S", "share of a label that all classes get", fallback: "0.1", section: "Images"),
            .flag("strict", "stop at a broken image instead of leaving it out", section: "Images"),

            .value("threads", "N", "threads of the team (default: all processors)", section: "Run"),
            .value("max-steps", "N", "end cleanly after so many updates in all", section: "Run"),
            .flag("resume", "go on from the newest state in RUN, to the same bits as a run never interrupted", section: "Run"),
        ] + DataOptions.decoding(section: "Images"),
        example: "curricle finetune --weights run/model.safetensors --train data --test data --output tuned --epochs 50")

    static func run(_ a: Arguments) throws -> Int32 {
        let kept = try a.stringIfGiven("output"), resumes = try a.flag("resume")
        if try a.flag("eval"), kept != nil || resumes { throw LearningError.configuration("--eval writes nothing: leave out --output and --resume") }
        guard kept != nil || !resumes else { throw LearningError.configuration("--resume needs --output, the folder of the run") }
        if let kept { try RunFiles(folder: kept).check(FinetuneSettings.command, resumes: resumes) }

        let weights = try Checkpoint(path: a.string("weights"))
        let size = try ModelOptions.imageSize(a)
        let description = try WeightsDescription(
            weights, heads: a.intIfGiven("num-heads", in: 1...65536), imageHeight: size?.0, imageWidth: size?.1, mean: ModelOptions.mean(a),
            deviation: ModelOptions.deviation(a))
        let decoding = try DataOptions.decoding(a, size: max(description.model.imageHeight, description.model.imageWidth), channels: description.model.channels)
        if try a.flag("eval") { return try evaluate(a, weights, description, decoding) }
        let (train, test) = try Evaluation.parts(a, decoding)
        let settings = try settings(a, weights, description, decoding, classes: train.classNames.map(\.stored))
        let threads = try ModelOptions.threads(a)
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
        let threads = try ModelOptions.threads(a)
        let tuning = try Finetuning(
            settings(a, weights, description, decoding, classes: classes.map(\.stored)), training: test, test: test, output: nil, threads: threads, isa: ISA.named(nil))
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
            fields.append(String(format: "test Acc@1 %.4f, best %.4f", score.top1, p.best))
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

    private static func settings(
        _ a: Arguments, _ weights: Checkpoint, _ description: WeightsDescription, _ decoding: DecodeOptions, classes: [String]
    ) throws -> FinetuneSettings {
        let training = try ScheduleOptions.values(a)
        var model = description.model
        let hasClassHead = weights.shape(of: "head.weight") != nil && weights.shape(of: "fc_norm.weight") == nil
        let pool = try a.choiceIfGiven("pool", of: ["mean", "cls"]) ?? (hasClassHead ? "cls" : "mean")
        model.normalizesPooled = pool == "mean" ? true : nil
        var settings = FinetuneSettings(
            model: model, classes: classes, schedule: training.schedule, batchSize: training.batchSize, normalization: description.normalization)
        settings.accumulation = training.accumulation
        settings.clip = training.clip
        settings.adamw.weightDecay = training.weightDecay
        settings.layerDecay = Float(try a.double("layer-decay", in: 0...1))
        settings.dropPath = try a.double("drop-path", in: 0...1)
        settings.mixing.mixup = try a.double("mixup", in: 0...4)
        settings.mixing.cutmix = try a.double("cutmix", in: 0...4)
        settings.mixing.smoothing = try a.double("smoothing", in: 0...1)
        settings.augmentation = try a.choice("augment")
        // Neither is done with another augmentation.
        settings.randAugment = settings.augmentation == .finetune ? try randAugment(a) : nil
        settings.erasing = settings.augmentation == .finetune ? try a.double("reprob", in: 0...1) : 0
        settings.seed = UInt64(try a.int("seed", in: 0...Int.max))
        settings.maxSteps = try a.intIfGiven("max-steps", in: 0...Int.max)
        settings.strict = try a.flag("strict")
        settings.decoding = decoding
        return settings
    }

    private static func randAugment(_ a: Arguments) throws -> RandAugment? {
        let text = try a.string("aa")
        if text == "none" { return nil }
        guard let policy = RandAugment(text) else {
            throw LearningError.configuration("--aa \(text) is not known: write e.g. rand-m9-mstd0.5-inc1 (m magnitude, mstd its deviation, n layers, p probability), or none")
        }
        return policy
    }
}
