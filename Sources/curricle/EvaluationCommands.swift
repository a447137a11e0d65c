import CurricleDatasets
import CurricleEngine
import CurricleEvaluation
import CurricleFeatures
import Foundation
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleTerminal
import CurricleVision
import CurricleWeights

/// How the images that are judged come apart from those that are learned from.
enum Splitting {
    /// `--train` and `--test`.
    case parts
    /// A share of each class of `--train`.
    case holdout(Double)
    /// Every image of `--train` once.
    case folds(Int)

    static let options: [Option] = [
        .value(
            "holdout", "SHARE", .number(0.001...0.999),
            "instead of --test: judge on this share of the images of --train, drawn in each class by --seed, and learn from the others"),
        folds
    ]
    static let folds = Option.value(
        "folds", "K", .whole(2...1000), "or judge every image of --train once, by what was learned from K - 1 of K parts, drawn likewise")

    init(_ a: Arguments) throws {
        let given = ["test", "holdout", "folds"].filter(a.isGiven)
        guard given.count < 2 else {
            throw LearningError.configuration("--\(given[0]) and --\(given[1]) both say what is judged: give one of them")
        }
        if let share = try a.doubleIfGiven("holdout") {
            self = .holdout(share)
        } else if let count = try a.intIfGiven("folds") {
            self = .folds(count)
        } else {
            self = .parts
        }
    }

    /// For each round whether an image of `--train` is judged in it.
    func rounds(_ source: any ImageSource, seed: UInt64) throws -> [[Bool]] {
        let labels = (0..<source.count).map { source.label(at: $0) ?? -1 }
        switch self {
        case .parts: return []
        case .holdout(let share): return [ImageSplit.heldOut(labels, share: share, seed: seed)]
        case .folds(let count):
            let most = Dictionary(labels.map { ($0, 1) }, uniquingKeysWith: +).values.max() ?? 0
            guard count <= most else {
                throw LearningError.configuration("--folds \(count) needs a class of so many images; the largest has \(most)")
            }
            let folds = ImageSplit.folds(labels, count: count, seed: seed)
            return (0..<count).map { fold in folds.map { $0 == fold } }
        }
    }
}

/// An encoder and the images it is judged by: the options that the evaluation commands share, and features of a training and a test set.
struct JudgedEncoder {
    static let options: [Option] =
        EncoderOptions.all() + EncoderOptions.keeping + [
            train, test, pool, EncoderOptions.layer, EncoderOptions.precision, batchSize,
            .value("patch-size", "N", .whole(1...65536), "pixels; checked against the file"),
            SharedOptions.json, strict, DataOptions.preprocess, DataOptions.passOrder
        ] + DataOptions.decoding + [SharedOptions.threads()]

    static let train = SharedOptions.images("train", "labelled images to compare with or learn from")
    static let test = SharedOptions.images("test", "labelled images to judge")
    private static let pool = Option.value(
        "pool", "KIND", .word(of: Pooling.self),
        "cls (class token), mean (of the patch tokens), fc_norm (their mean before the last norm, through a norm of its own: CL-MAE's "
            + "default), cls+mean; or, to compare with, what takes no encoder: pixels, or colour (a histogram of 6×6×6 colours)",
        fallback: "mean")
    private static let batchSize = Option.value("batch-size", "N", .whole(1...100_000), "images a batch", fallback: "64")
    private static let strict = Option.flag("strict", "stop at a broken image instead of leaving it out")

    let extractor: FeatureExtractor
    let train: any ImageSource
    /// Nil where a part of `train` is judged.
    let test: (any ImageSource)?
    private let pool: Pooling
    private let batchSize: Int
    private let strict: Bool

    init(_ a: Arguments, pool: Pooling, _ splitting: Splitting = .parts) throws {
        self.pool = pool
        batchSize = try a.int("batch-size")
        strict = try a.flag("strict")
        let path = try a.string("weights")
        extractor = try EncoderOptions.extractor(
            a, threads: SharedOptions.threads(a), layer: a.intIfGiven("layer"), pool: pool, precision: a.choice("precision"),
            isa: ISA.named(nil))
        extractor.preprocessing = try DataOptions.preprocessing(a)
        extractor.passOrder = try a.choice("resize")
        let model = extractor.description.model
        if let patch = try a.intIfGiven("patch-size"), patch != model.patchSize {
            throw LearningError.file(path: path, reason: "has patches of \(model.patchSize) pixels, not \(patch)")
        }
        let decoding = try DataOptions.decoding(a, size: max(model.imageHeight, model.imageWidth), channels: model.channels)
        (train, test) = try JudgedEncoder.parts(a, decoding, splitting)
    }

    /// The images of `--train` and `--test`; the latter nil where a part of the former is judged.
    static func parts(
        _ a: Arguments, _ decoding: DecodeOptions, _ splitting: Splitting
    ) throws -> (train: any ImageSource, test: (any ImageSource)?) {
        let train = try DataOptions.open(a.string("train"), role: .train, decoding)
        let classes = Set((0..<train.count).compactMap { train.label(at: $0) })
        if classes.count == 1, let only = classes.first {
            let name = train.classNames.indices.contains(only) ? " ('\(train.classNames[only])')" : ""
            throw LearningError.configuration(
                "--train \(try a.string("train")) holds one class\(name): whatever is named is right; give the folder whose folders "
                    + "are the classes"
            )
        }
        guard case .parts = splitting else { return (train, nil) }
        let test = try DataOptions.open(a.string("test"), role: .test, decoding)
        return (train, try test.labelled(byNames: train.classNames))
    }

    /// Says how many test images are training images, by the same path or another.
    /// - Throws: where all of them are, `LearningError.configuration`, which names what to do.
    static func requireOthers(_ test: any ImageSource, than train: any ImageSource) throws {
        let same = test.places(in: train).count { !$0.isEmpty }
        if same == 0 { return }
        guard same < test.count else {
            throw LearningError.configuration(
                "the images of --test are those of --train: what was learned by heart would be judged; leave out --test and give "
                    + "--holdout 0.2 or --folds 5"
            )
        }
        complain("\(same) of the \(test.count) test images are training images too: they are judged by what was learned from them")
    }

    /// - Parameter augmentationSeed: augments the training images as MAE does for its probe; nil for not.
    func features(augmentationSeed: UInt64? = nil) throws -> (train: LabelledFeatures, test: LabelledFeatures) {
        guard let test else { throw LearningError.configuration("give --test, the images to judge") }
        return try reporting { report, bar in
            let trainFeatures = try extractor.labelled(
                train, pool: pool, batchSize: batchSize,
                augmented: augmentationSeed.map { FeatureAugmentation(.probing, seed: $0, epoch: 0) }, strict: strict,
                report: report
            ) { done, _ in bar(done, train.count + test.count) }
            let testFeatures = try extractor.labelled(test, pool: pool, batchSize: batchSize, strict: strict, report: report) { done, _ in
                bar(train.count + done, train.count + test.count)
            }
            try JudgedEncoder.requireClasses(trainFeatures)
            return (trainFeatures, testFeatures)
        }
    }

    /// Broken images may have been all of a class.
    private static func requireClasses(_ features: LabelledFeatures) throws {
        guard Set(features.labels).count < 2 else { return }
        throw LearningError.configuration(
            "of --train only one class has images that can be read: whatever is named is right; mend the broken images, or give others")
    }

    /// What one judgement learns from and is of.
    struct Round {
        let train: LabelledFeatures, test: LabelledFeatures
        /// The images that are learned from.
        let images: any ImageSource
    }

    /// Every round of a splitting, each image's features computed once.
    /// - Throws: where all test images are training images, see `requireOthers`.
    func rounds(_ splitting: Splitting, seed: UInt64, augmentationSeed: UInt64? = nil) throws -> [Round] {
        if let test {
            try JudgedEncoder.requireOthers(test, than: train)
            let features = try features(augmentationSeed: augmentationSeed)
            return [Round(train: features.train, test: features.test, images: train)]
        }
        let all = try reporting { report, bar in
            try extractor.labelled(train, pool: pool, batchSize: batchSize, strict: strict, report: report) { bar($0, $1) }
        }
        try JudgedEncoder.requireClasses(all)
        return try splitting.rounds(train, seed: seed).map { judged in
            let images = ImageSelection(train, judged.indices.filter { !judged[$0] })
            let features = try augmentationSeed.map { try self.features(images, epoch: 0, seed: $0) { _, _ in } }
            return Round(train: try features ?? all.rows { !judged[$0] }, test: try all.rows { judged[$0] }, images: images)
        }
    }

    /// Runs something that may meet broken images: an image of both parts is said once.
    private func reporting<Result>(_ body: ((String) -> Void, (_ done: Int, _ total: Int) -> Void) throws -> Result) throws -> Result {
        var bar = ProgressBar(total: train.count + (test?.count ?? 0))
        var broken: [String] = []
        defer {
            bar.finish()
            for (index, line) in broken.enumerated() where !broken[..<index].contains(line) { complain("left out: \(line)") }
        }
        return try body({ broken.append($0) }, { done, _ in bar.update(label: "features", completed: done) { [] } })
    }

    /// Of images that are learned from, augmented anew.
    func features(_ images: any ImageSource, epoch: Int, seed: UInt64, progress: (Int, Int) -> Void) throws -> LabelledFeatures {
        try extractor.labelled(
            images, pool: pool, batchSize: batchSize, augmented: FeatureAugmentation(.probing, seed: seed, epoch: epoch), strict: strict,
            progress: progress)
    }

    /// What an accuracy on these images is read beside.
    static func judged(_ rounds: [Round]) -> JudgedImages {
        JudgedImages(labels: rounds.flatMap(\.test.labels), classes: Set(rounds.flatMap { $0.train.labels + $0.test.labels }).count)
    }
}

extension JudgedImages {
    /// Of an accuracy, for JSON.
    func fields(_ share: Double) -> [(key: String, value: LogValue)] {
        [
            ("standard_error", .double(standardError(of: share))), ("images", .integer(images)), ("classes", .integer(classes)),
            ("largest_class", .double(largest))
        ]
    }
}

/// k nearest neighbours, by the reference's protocol or DINOv2's.
enum NearestNeighboursCommand {
    enum Manner: String, CaseIterable { case reference, dino }

    static let command = Command(
        name: "knn", summary: "judge features by k nearest neighbours",
        options: JudgedEncoder.options.map {
            $0.name == "pool" ? $0.defaulting(to: nil).adding("(default: fc_norm with --protocol reference, cls with dino)") : $0
        } + [
            .value(
                "protocol", "KIND", .word(of: Manner.self),
                "reference (Euclidean, majority) or dino (cosine, votes weighted by similarity)", fallback: "reference"),
            .value(
                "neighbours", "K[,K…]", .wholes(1...1_000_000, counts: 1...20), "neighbours that vote (default: 5; dino: 10,20,100,200)",
                short: "k"),
            .value("temperature", "T", .number(1e-6...1e6), "of the weights, with dino", fallback: "0.07")
        ],
        example: "curricle knn --weights run/model.safetensors --train data --test data --pool cls")

    static func run(_ a: Arguments) throws -> Int32 {
        let manner: Manner = try a.choice("protocol"), asJSON = try a.flag("json")
        let given = try a.intsIfGiven("neighbours"), temperature = try a.double("temperature")
        let pool = try a.choiceIfGiven("pool", Pooling.self) ?? (manner == .reference ? .normalizedMean : .cls)
        let judged = try JudgedEncoder(a, pool: pool), (train, test) = try judged.features()
        let threads = judged.extractor.threads, isa = judged.extractor.isa
        let same = judged.test.map { test.rows(of: train, at: $0.places(in: judged.train)) } ?? []
        if !same.isEmpty {
            let count = same.count { !$0.isEmpty }
            let which =
                count == test.count
                ? "the test images are training images" : "\(count) of the \(test.count) test images are training images too"
            complain("\(which): each is left out of its own neighbours")
        }
        let known = train.count - (same.map(\.count).max() ?? 0)
        let images = JudgedEncoder.judged([.init(train: train, test: test, images: judged.train)])
        switch manner {
        case .reference:
            for k in given ?? [5] {
                let accuracy = try NearestNeighbours(training: train, k: k, threads: threads, isa: isa).accuracy(on: test, leavingOut: same)
                print(
                    asJSON
                        ? jsonLine(
                            [
                                ("protocol", "reference"), ("k", .integer(k)), ("pool", .string(pool.rawValue)),
                                ("acc1", .double(accuracy.top1)), ("acc_nn", .double(accuracy.anyNeighbour))
                            ]
                                + images.fields(accuracy.top1))
                        : "kNN (k \(k), Euclidean, \(pool.rawValue)) against \(train.count) images: Acc@1 "
                            + "\(images.text(accuracy.top1)), Acc@NN \(images.brief(accuracy.anyNeighbour))"
                )
            }
        case .dino:
            // The customary list, as far as there are that many images to learn from.
            let customary = [10, 20, 100, 200].filter { $0 <= known }
            let ks = given ?? (customary.isEmpty ? [known] : customary)
            let accuracies = try CosineNeighbours(training: train, temperature: temperature, threads: threads, isa: isa).accuracy(
                on: test, ks: ks, leavingOut: same)
            for (k, accuracy) in zip(ks, accuracies) {
                print(
                    asJSON
                        ? jsonLine(
                            [("protocol", "dino"), ("k", .integer(k)), ("pool", .string(pool.rawValue)), ("acc1", .double(accuracy))]
                                + images.fields(accuracy))
                        : "kNN (k \(k), cosine, T \(temperature), \(pool.rawValue)) against \(train.count) images: Acc@1 "
                            + "\(images.text(accuracy))"
                )
            }
        }
        return 0
    }
}

/// Classes told apart from a few examples each.
enum FewShotCommand {
    static let command = Command(
        name: "fewshot", summary: "judge features by learning classes from a few images each",
        options: JudgedEncoder.options + Splitting.options + [
            .value("ways", "N", .whole(2...100_000), "classes an episode", fallback: "5"),
            .value("shots", "K", .whole(1...100_000), "images to learn from, a class", fallback: "5"),
            .value("episodes", "N", .whole(1...10_000_000), "draws of classes and images", fallback: "600"),
            .value("queries", "N", .whole(1...100_000), "images judged, a class", fallback: "15"),
            SharedOptions.seed
        ],
        example: "curricle fewshot --weights run/model.safetensors --train data --test data --ways 5 --shots 5")

    static func run(_ a: Arguments) throws -> Int32 {
        let episodes = FewShot(
            ways: try a.int("ways"), shots: try a.int("shots"), episodes: try a.int("episodes"), queries: try a.int("queries"),
            seed: try SharedOptions.seed(a))
        let splitting = try Splitting(a),
            rounds = try JudgedEncoder(a, pool: a.choice("pool"), splitting).rounds(splitting, seed: episodes.seed)
        var bar = ProgressBar(total: episodes.episodes * rounds.count), before = 0
        let result = try FewShot.Result(
            rounds.map { round in
                defer { before += episodes.episodes }
                return try episodes.run(training: round.train, test: round.test) { done, _ in
                    bar.update(label: "episodes", completed: before + done) { [] }
                }
            })
        bar.finish()
        let images = JudgedEncoder.judged(rounds)
        print(
            try a.flag("json")
                ? jsonLine([
                    ("pool", .string(try a.string("pool"))), ("ways", .integer(episodes.ways)), ("shots", .integer(episodes.shots)),
                    ("episodes", .integer(result.episodes)),
                    ("acc1", .double(result.mean)), ("interval95", .double(result.interval)),
                    ("standard_error", .double(result.interval / 1.96)), ("images", .integer(images.images)),
                    ("classes", .integer(images.classes)), ("chance", .double(1 / Double(episodes.ways)))
                ])
                : String(
                    format: "\(try a.string("pool")), %d-way %d-shot, %d episodes: Acc@1 %.3f ± %.3f (%d images, %d classes, chance %.3f)",
                    episodes.ways,
                    episodes.shots, result.episodes,
                    result.mean, result.interval / 1.96, images.images, images.classes, 1 / Double(episodes.ways)))
        return 0
    }
}
