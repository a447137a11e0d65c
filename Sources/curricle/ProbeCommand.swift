import CurricleEngine
import CurricleEvaluation
import CurricleFeatures
import Foundation
import CurricleModels
import CurricleSettings
import CurricleStorage
import CurricleTerminal
import CurricleTrainer
import CurricleVision
import CurricleWeights

/// A linear probe: in closed form, or trained as MAE does.
enum ProbeCommand {
    enum Method: String, CaseIterable { case ridge, lars }

    static let command = Command(
        name: "probe", summary: "judge features by a linear probe",
        options: JudgedEncoder.options + Splitting.options + [
            .value(
                "method", "KIND", .word(of: Method.self),
                "ridge (closed form on standardised features) or lars (batch norm and linear layer, trained)", fallback: "ridge"),
            .value(
                "penalty", "L", .number(1e-12...1e12),
                "ridge: weight of the penalty, which is multiplied by the number of training images (scikit-learn's alpha is L times "
                    + "that number) "
                    + "(default: of half decades from 1e-6 to 100 the one of least leave-one-out error)"),
            .value(
                "probe-batch-size", "N", .whole(2...10_000_000), "lars: images a step (MAE's recipe for ImageNet: 16384)", fallback: "64"),
            .value("lr", "LR", .number(0...1e6), "lars: peak learning rate (MAE's 0.1 per 256 images, at 16384)", fallback: "6.4"),
            .value("epochs", "N", .whole(1...1_000_000), "lars: passes over the features", fallback: "90"),
            .value(
                "warmup-epochs", "N", .number(0...1e6),
                "lars: epochs of linear warm-up (default: 10, or a ninth of --epochs where that is less)"),
            .value(
                "augment", "KIND", .word(of: ["none", "mae"]),
                "lars: none, or mae (a crop of 8 to 100 % of the area and a flip, new in each epoch: features are computed again for each)",
                fallback: "none"),
            .value(
                "save", "FILE", .path(.file),
                "keep encoder and probe as a classifier for predict and compile --head; its probabilities are the softmax of the scores: lars "
                    + "is trained on them, ridge's say which class is likelier, not how likely"),
            SharedOptions.seed
        ],
        example: "curricle probe --method lars --weights run/model.safetensors --train data --test data --pool mean")

    static func run(_ a: Arguments) throws -> Int32 {
        let method: Method = try a.choice("method"), penalty = try a.doubleIfGiven("penalty"), epochs = try a.int("epochs")
        let recipe = LinearProbe.Recipe(
            batchSize: try a.int("probe-batch-size"), epochs: epochs,
            warmupEpochs: try a.doubleIfGiven("warmup-epochs") ?? min(10, Double(epochs) / 9), rate: try a.double("lr"),
            seed: try SharedOptions.seed(a))
        guard recipe.warmupEpochs < Double(recipe.epochs) else {
            throw LearningError.configuration("--warmup-epochs must be less than --epochs")
        }
        let kept = try KeptProbe(a)
        let isAugmented = try a.string("augment") == "mae"
        if isAugmented, method == .ridge { throw LearningError.configuration("--augment mae goes with --method lars") }
        let splitting = try Splitting(a), evaluation = try JudgedEncoder(a, pool: a.choice("pool"), splitting)
        let rounds = try evaluation.rounds(splitting, seed: recipe.seed, augmentationSeed: isAugmented ? recipe.seed : nil)
        var right = 0.0, penalties: [Double] = []
        for round in rounds {
            let accuracy: Double, head: LinearHead
            switch method {
            case .ridge:
                let probe = try RidgeProbe(training: round.train, penalty: penalty)
                penalties.append(probe.penalty)
                (accuracy, head) = (try probe.accuracy(on: round.test), probe.head)
            case .lars:
                let probe = try trained(recipe, round, evaluation, isAugmented: isAugmented)
                (accuracy, head) = (try probe.accuracy(on: round.test), probe.head)
            }
            try kept?.write(head, evaluation)
            right += (accuracy * Double(round.test.count)).rounded()
        }
        let images = JudgedEncoder.judged(rounds), accuracy = right / Double(images.images)
        if try a.flag("json") {
            let chosen: [(key: String, value: LogValue)] = penalties.isEmpty ? [] : [("penalties", .numbers(penalties))]
            print(
                jsonLine(
                    [("method", .string(method.rawValue)), ("pool", .string(try a.string("pool"))), ("acc1", .double(accuracy))]
                        + images.fields(accuracy) + chosen))
            return 0
        }
        let learned =
            rounds.count == 1
            ? "learned from \(rounds[0].train.count) images"
            : "each image by what was learned from \(rounds.count - 1) of \(rounds.count) folds"
        print("\(method.rawValue) probe of \(try a.string("pool")), \(learned): Acc@1 \(images.text(accuracy))")
        if !penalties.isEmpty {
            let texts = penalties.map { String(format: "%.3g", $0) }.joined(separator: ", ")
            print(
                "penalty \(texts)" + (penalty == nil ? ", by the least leave-one-out error" : "") + ", times the number of training images")
        }
        return 0
    }

    /// Where a probe is to be kept.
    private struct KeptProbe {
        private let path: String, pool: Pooling, pooling: FeaturePooling
        private let weights: Checkpoint

        /// - Throws: `LearningError.configuration` for what no classifier can be made of.
        init?(_ a: Arguments) throws {
            guard let path = try a.stringIfGiven("save") else { return nil }
            let pool: Pooling = try a.choice("pool")
            if a.isGiven("folds") {
                throw LearningError.configuration("--folds makes several probes: leave out --save, or give --holdout")
            }
            guard let pooling = pool.ofEncoder else {
                throw LearningError.configuration("--save keeps an encoder's probe: --pool \(pool) has none")
            }
            if try a.isGiven("layer") || a.string("precision") != Precision.float32.rawValue {
                throw LearningError.configuration("--save keeps the whole encoder in float32: leave out --layer and --precision")
            }
            if a.isGiven("keep") { throw LearningError.configuration("--save keeps a classifier of whole images: leave out --keep") }
            (self.path, self.pool, self.pooling) = (path, pool, pooling)
            weights = try WeightsOptions.checkpoint(a, a.string("weights"))
            try WeightsDescription.requireTrainable(weights)
        }

        func write(_ head: LinearHead, _ evaluation: JudgedEncoder) throws {
            let names = evaluation.train.classNames
            let classes = head.classes.map { names.indices.contains($0) ? names[$0] : ByteName("\($0)") }
            let classifier = try TrainedClassifier(
                encoder: weights, evaluation.extractor.description, pool: pooling, normalizesMean: pool == .normalizedMean,
                classes: classes, weights: head.weights, bias: head.bias, isa: evaluation.extractor.isa)
            try classifier.write(to: path)
            tell("\(path): encoder and probe, for curricle predict and compile --head")
        }
    }

    private static func trained(
        _ recipe: LinearProbe.Recipe, _ round: JudgedEncoder.Round, _ evaluation: JudgedEncoder, isAugmented: Bool
    ) throws -> LinearProbe {
        var bar = ProgressBar(total: recipe.epochs)
        defer { bar.finish() }
        return try LinearProbe(
            training: round.train, recipe: recipe,
            again: { epoch in
                guard isAugmented, epoch > 0 else { return nil }
                return try evaluation.features(round.images, epoch: epoch, seed: recipe.seed) { done, total in
                    bar.update(label: "probe", completed: epoch) { ["features of \(done) of \(total) images"] }
                }
            }
        ) { done, _, loss in bar.update(label: "probe", completed: done) { [String(format: "loss %.4f", loss)] } }
    }
}
