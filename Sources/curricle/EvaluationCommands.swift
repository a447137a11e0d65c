import Foundation
import Learning
import Runtime
import Terminal
import Vision

/// What the evaluation commands share: their options, and the features of a training and a test set.
enum Evaluation {
    static let options: [Option] = [
        .value("weights", "FILE", "safetensors file: a run's model.safetensors, or any with the reference's names", short: "w"),
        .value("train", "PATH", "labelled images to compare with or learn from"),
        .value("test", "PATH", "labelled images to judge"),
        .value("pool", "KIND", "cls (class token) or mean (of the patch tokens)", fallback: "cls"),
        .value("batch-size", "N", "images a batch", fallback: "64"),
        .value("threads", "N", "threads of the team (default: all processors)"),
        .value("num-heads", "N", "encoder heads, where the file does not say"),
        .value("image-size", "N", "pixels, or height,width, where the file does not say"),
        .value("patch-size", "N", "pixels; checked against the file"),
        .value("mean", "M[,M…]", "pixel mean (default: the file's)"),
        .value("std", "S[,S…]", "pixel deviation (default: the file's)"),
        .flag("json", "print one JSON object"),
    ] + DataOptions.decoding()

    static func features(_ a: Arguments) throws -> (train: LabelledFeatures, test: LabelledFeatures) {
        let size = try ModelOptions.imageSize(a), pool: Pooling = try a.choice("pool"), batch = try a.int("batch-size", in: 1...100_000)
        let path = try a.string("weights")
        let extractor = try FeatureExtractor(
            weights: path, heads: a.intIfGiven("num-heads", in: 1...65536), imageHeight: size?.0, imageWidth: size?.1,
            mean: ModelOptions.mean(a), deviation: ModelOptions.deviation(a), threads: a.intIfGiven("threads", in: 1...1024) ?? Machine.processors, isa: ISA.named(nil))
        if let patch = try a.intIfGiven("patch-size", in: 1...65536), patch != extractor.description.model.patchSize {
            throw LearningError.file(path: path, reason: "has patches of \(extractor.description.model.patchSize) pixels, not \(patch)")
        }
        let model = extractor.description.model, decoding = try DataOptions.decoding(a, size: max(model.imageHeight, model.imageWidth))
        let train = try openDataset(at: a.string("train"), role: .train, decoding: decoding)
        let test = try openDataset(at: a.string("test"), role: .test, decoding: decoding)
        // A test set may lack the last classes; folders' names must otherwise be the same, in the same order.
        guard zip(train.classNames, test.classNames).allSatisfy(==) else {
            throw LearningError.configuration("\(try a.string("test")): its classes are not those of \(try a.string("train"))")
        }
        var bar = ProgressBar(total: train.count + test.count)
        let trainFeatures = try extractor.labelled(train, pool: pool, batchSize: batch) { done, _ in bar.update(label: "features", completed: done) { [] } }
        let testFeatures = try extractor.labelled(test, pool: pool, batchSize: batch) { done, _ in bar.update(label: "features", completed: train.count + done) { [] } }
        bar.finish()
        return (trainFeatures, testFeatures)
    }
}

/// k nearest neighbours by Euclidean distance, as the reference judges.
enum NearestNeighboursCommand {
    static let command = Command(
        name: "knn", summary: "judge features by k nearest neighbours",
        options: Evaluation.options + [.value("neighbours", "K", "neighbours that vote", fallback: "5", short: "k")],
        example: "curricle knn --weights run/model.safetensors --train data --test data --pool cls")

    static func run(_ a: Arguments) throws -> Int32 {
        let k = try a.int("neighbours", in: 1...1_000_000)
        let (train, test) = try Evaluation.features(a)
        let accuracy = try NearestNeighbours(training: train, k: k).accuracy(on: test)
        if try a.flag("json") {
            print("{\"acc1\": \(accuracy.top1), \"acc_nn\": \(accuracy.anyNeighbour)}")
        } else {
            print("kNN (k \(k), Euclidean) on \(test.count) images, against \(train.count): Acc@1 \(accuracy.top1), Acc@NN \(accuracy.anyNeighbour)")
        }
        return 0
    }
}

/// A closed-form linear probe.
enum ProbeCommand {
    static let command = Command(
        name: "probe", summary: "judge features by a linear probe",
        options: Evaluation.options + [.value("method", "KIND", "ridge: closed form on standardised features", fallback: "ridge")],
        example: "curricle probe --method ridge --weights run/model.safetensors --train data --test data --pool mean")

    static func run(_ a: Arguments) throws -> Int32 {
        _ = try a.choice("method", of: ["ridge"])
        let (train, test) = try Evaluation.features(a)
        let accuracy = try RidgeProbe(training: train).accuracy(on: test)
        print(try a.flag("json") ? "{\"acc1\": \(accuracy)}" : "ridge probe on \(test.count) images, learned from \(train.count): Acc@1 \(accuracy)")
        return 0
    }
}
