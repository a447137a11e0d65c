import Weights
import Engine
import Evaluation
import Features
import Foundation
import Runtime
import Settings
import Storage
import Terminal
import Datasets
import Vision

/// An encoder and the images it is judged by: the options that the evaluation commands share, and features of a training and a test set.
struct JudgedEncoder {
    static let options: [Option] = EncoderOptions.all() + [
        train, test,
        EncoderOptions.pool(Pooling.self, "cls (class token), mean (of the patch tokens), cls+mean, or pixels (no encoder, to compare with)"),
        EncoderOptions.layer, batchSize,
        .value("patch-size", "N", .whole(1...65536), "pixels; checked against the file"),
        SharedOptions.json, strict, DataOptions.preprocess,
    ] + DataOptions.decoding + [SharedOptions.threads()]

    static let train = SharedOptions.images("train", "labelled images to compare with or learn from")
    static let test = SharedOptions.images("test", "labelled images to judge")
    private static let batchSize = Option.value("batch-size", "N", .whole(1...100_000), "images a batch", fallback: "64")
    private static let strict = Option.flag("strict", "stop at a broken image instead of leaving it out")

    let extractor: FeatureExtractor
    let train: any ImageSource, test: any ImageSource
    private let pool: Pooling
    private let batchSize: Int
    private let strict: Bool

    init(_ a: Arguments) throws {
        pool = try a.choice("pool")
        batchSize = try a.int("batch-size")
        strict = try a.flag("strict")
        let path = try a.string("weights")
        extractor = try EncoderOptions.extractor(a, threads: SharedOptions.threads(a), layer: a.intIfGiven("layer"), isa: ISA.named(nil))
        extractor.preprocessing = try DataOptions.preprocessing(a)
        let model = extractor.description.model
        if let patch = try a.intIfGiven("patch-size"), patch != model.patchSize {
            throw LearningError.file(path: path, reason: "has patches of \(model.patchSize) pixels, not \(patch)")
        }
        (train, test) = try JudgedEncoder.parts(a, DataOptions.decoding(a, size: max(model.imageHeight, model.imageWidth), channels: model.channels))
    }

    /// The images of `--train` and `--test`.
    static func parts(_ a: Arguments, _ decoding: DecodeOptions) throws -> (train: any ImageSource, test: any ImageSource) {
        let train = try DataOptions.open(a.string("train"), role: .train, decoding), test = try DataOptions.open(a.string("test"), role: .test, decoding)
        return (train, try test.labelled(byNames: train.classNames))
    }

    /// - Parameter augmentationSeed: augments the training images as MAE does for its probe; nil for not.
    func features(augmentationSeed: UInt64? = nil) throws -> (train: LabelledFeatures, test: LabelledFeatures) {
        var bar = ProgressBar(total: train.count + test.count)
        var broken: [String] = []
        defer {
            bar.finish()
            // An image of both parts is said once.
            for (index, line) in broken.enumerated() where !broken[..<index].contains(line) { complain("left out: \(line)") }
        }
        let trainFeatures = try extractor.labelled(
            train, pool: pool, batchSize: batchSize, augmented: augmentationSeed.map { FeatureAugmentation(.probing, seed: $0, epoch: 0) }, strict: strict,
            report: { broken.append($0) }) { done, _ in bar.update(label: "features", completed: done) { [] } }
        let testFeatures = try extractor.labelled(test, pool: pool, batchSize: batchSize, strict: strict, report: { broken.append($0) }) { done, _ in
            bar.update(label: "features", completed: train.count + done) { [] }
        }
        return (trainFeatures, testFeatures)
    }

    /// Of the training images, augmented anew.
    func features(epoch: Int, seed: UInt64, progress: (Int, Int) -> Void) throws -> LabelledFeatures {
        try extractor.labelled(
            train, pool: pool, batchSize: batchSize, augmented: FeatureAugmentation(.probing, seed: seed, epoch: epoch), strict: strict, progress: progress)
    }
}

/// k nearest neighbours, by the reference's protocol or DINOv2's.
enum NearestNeighboursCommand {
    enum Manner: String, CaseIterable { case reference, dino }

    static let command = Command(
        name: "knn", summary: "judge features by k nearest neighbours",
        options: JudgedEncoder.options + [
            .value("protocol", "KIND", .word(of: Manner.self), "reference (Euclidean, majority) or dino (cosine, votes weighted by similarity)", fallback: "reference"),
            .value("neighbours", "K[,K…]", .wholes(1...1_000_000, counts: 1...20), "neighbours that vote (default: 5; dino: 10,20,100,200)", short: "k"),
            .value("temperature", "T", .number(1e-6...1e6), "of the weights, with dino", fallback: "0.07"),
        ],
        example: "curricle knn --weights run/model.safetensors --train data --test data --pool cls")

    static func run(_ a: Arguments) throws -> Int32 {
        let manner: Manner = try a.choice("protocol"), asJSON = try a.flag("json")
        let given = try a.intsIfGiven("neighbours"), temperature = try a.double("temperature")
        let judged = try JudgedEncoder(a), (train, test) = try judged.features()
        let threads = judged.extractor.threads, isa = judged.extractor.isa
        let facing = "on \(test.count) images, against \(train.count)"
        switch manner {
        case .reference:
            for k in given ?? [5] {
                let accuracy = try NearestNeighbours(training: train, k: k, threads: threads, isa: isa).accuracy(on: test)
                print(asJSON
                    ? jsonLine([("protocol", "reference"), ("k", .integer(k)), ("acc1", .double(accuracy.top1)), ("acc_nn", .double(accuracy.anyNeighbour))])
                    : "kNN (k \(k), Euclidean) \(facing): Acc@1 \(accuracy.top1), Acc@NN \(accuracy.anyNeighbour)")
            }
        case .dino:
            // The customary list, as far as there are that many images to learn from.
            let customary = [10, 20, 100, 200].filter { $0 <= train.count }
            let ks = given ?? (customary.isEmpty ? [train.count] : customary)
            let accuracies = try CosineNeighbours(training: train, temperature: temperature, threads: threads, isa: isa).accuracy(on: test, ks: ks)
            for (k, accuracy) in zip(ks, accuracies) {
                print(asJSON
                    ? jsonLine([("protocol", "dino"), ("k", .integer(k)), ("acc1", .double(accuracy))])
                    : "kNN (k \(k), cosine, T \(temperature)) \(facing): Acc@1 \(accuracy)")
            }
        }
        return 0
    }
}

/// A linear probe: in closed form, or trained as MAE does.
enum ProbeCommand {
    enum Method: String, CaseIterable { case ridge, lars }

    static let command = Command(
        name: "probe", summary: "judge features by a linear probe",
        options: JudgedEncoder.options + [
            .value("method", "KIND", .word(of: Method.self), "ridge (closed form on standardised features) or lars (batch norm and linear layer, trained)", fallback: "ridge"),
            .value("penalty", "L", .number(1e-12...1e12), "ridge: weight of the penalty", fallback: "0.01"),
            .value("probe-batch-size", "N", .whole(2...10_000_000), "lars: images a step (MAE's recipe for ImageNet: 16384)", fallback: "64"),
            .value("lr", "LR", .number(0...1e6), "lars: peak learning rate (MAE's 0.1 per 256 images, at 16384)", fallback: "6.4"),
            .value("epochs", "N", .whole(1...1_000_000), "lars: passes over the features", fallback: "90"),
            .value("warmup-epochs", "N", .number(0...1e6), "lars: epochs of linear warm-up", fallback: "10"),
            .value("augment", "KIND", .word(of: ["none", "mae"]), "lars: none, or mae (a crop of 8 to 100 % of the area and a flip, new in each epoch: features are computed again for each)", fallback: "none"),
            SharedOptions.seed,
        ],
        example: "curricle probe --method lars --weights run/model.safetensors --train data --test data --pool mean")

    static func run(_ a: Arguments) throws -> Int32 {
        let method: Method = try a.choice("method"), penalty = try a.double("penalty")
        let recipe = LinearProbe.Recipe(
            batchSize: try a.int("probe-batch-size"), epochs: try a.int("epochs"), warmupEpochs: try a.double("warmup-epochs"), rate: try a.double("lr"),
            seed: try SharedOptions.seed(a))
        guard recipe.warmupEpochs < Double(recipe.epochs) else { throw LearningError.configuration("--warmup-epochs must be less than --epochs") }
        let isAugmented = try a.string("augment") == "mae"
        if isAugmented, method == .ridge { throw LearningError.configuration("--augment mae goes with --method lars") }
        let evaluation = try JudgedEncoder(a), (train, test) = try evaluation.features(augmentationSeed: isAugmented ? recipe.seed : nil)
        let accuracy: Double
        switch method {
        case .ridge: accuracy = try RidgeProbe(training: train, penalty: penalty).accuracy(on: test)
        case .lars:
            var bar = ProgressBar(total: recipe.epochs)
            let probe = try LinearProbe(
                training: train, recipe: recipe,
                again: { epoch in
                    guard isAugmented, epoch > 0 else { return nil }
                    return try evaluation.features(epoch: epoch, seed: recipe.seed) { done, total in
                        bar.update(label: "probe", completed: epoch) { ["features of \(done) of \(total) images"] }
                    }
                }
            ) { done, _, loss in bar.update(label: "probe", completed: done) { [String(format: "loss %.4f", loss)] } }
            bar.finish()
            accuracy = try probe.accuracy(on: test)
        }
        print(try a.flag("json")
            ? jsonLine([("method", .string(method.rawValue)), ("acc1", .double(accuracy))])
            : "\(method.rawValue) probe on \(test.count) images, learned from \(train.count): Acc@1 \(accuracy)")
        return 0
    }
}

/// Classes told apart from a few examples each.
enum FewShotCommand {
    static let command = Command(
        name: "fewshot", summary: "judge features by learning classes from a few images each",
        options: JudgedEncoder.options + [
            .value("ways", "N", .whole(2...100_000), "classes an episode", fallback: "5"),
            .value("shots", "K", .whole(1...100_000), "images to learn from, a class", fallback: "5"),
            .value("episodes", "N", .whole(1...10_000_000), "draws of classes and images", fallback: "600"),
            .value("queries", "N", .whole(1...100_000), "images judged, a class", fallback: "15"),
            SharedOptions.seed,
        ],
        example: "curricle fewshot --weights run/model.safetensors --train data --test data --ways 5 --shots 5")

    static func run(_ a: Arguments) throws -> Int32 {
        let episodes = FewShot(
            ways: try a.int("ways"), shots: try a.int("shots"), episodes: try a.int("episodes"), queries: try a.int("queries"),
            seed: try SharedOptions.seed(a))
        let (train, test) = try JudgedEncoder(a).features()
        var bar = ProgressBar(total: episodes.episodes)
        let result = try episodes.run(training: train, test: test) { done, _ in bar.update(label: "episodes", completed: done) { [] } }
        bar.finish()
        print(try a.flag("json")
            ? jsonLine([("ways", .integer(episodes.ways)), ("shots", .integer(episodes.shots)), ("episodes", .integer(result.episodes)),
                ("acc1", .double(result.mean)), ("interval95", .double(result.interval))])
            : String(format: "%d-way %d-shot, %d episodes: Acc@1 %.4f ± %.4f (95 %%)", episodes.ways, episodes.shots, result.episodes, result.mean, result.interval))
        return 0
    }
}
