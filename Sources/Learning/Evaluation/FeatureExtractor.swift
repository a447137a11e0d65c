import Models
import Runtime
import Vision

/// What stands for an image.
public enum Pooling: String, Sendable, CaseIterable {
    /// The class token, the mean of the patch tokens, or both, after the encoder's final norm.
    case cls, mean
    case clsAndMean = "cls+mean"
    /// No encoder at all: the normalised pixels of the resized image, to compare with.
    case pixels
}

/// How pictures are changed before their features are computed: drawn anew for each epoch.
public struct FeatureAugmentation: Sendable {
    public var augmentation: TrainingAugmentation
    public var seed: UInt64
    public var epoch: Int
    public init(_ augmentation: TrainingAugmentation, seed: UInt64, epoch: Int) {
        self.augmentation = augmentation
        self.seed = seed
        self.epoch = epoch
    }
}

/// Computes features of whole images (no mask) with an encoder's weights.
public final class FeatureExtractor {
    public let description: WeightsDescription
    let model: ModelRuntime

    /// - Parameters:
    ///   - weights: a file of any layout that ``Checkpoint`` reads.
    ///   - layer: blocks that tokens pass before the final norm, from 1: what comes behind is not even loaded; nil for all.
    public convenience init(
        weights path: String, heads: Int? = nil, imageHeight: Int? = nil, imageWidth: Int? = nil, mean: [Float]? = nil, deviation: [Float]? = nil, layer: Int? = nil, threads: Int, isa: ISA
    ) throws {
        let file = try Checkpoint(path: path)
        var description = try WeightsDescription(file, heads: heads, imageHeight: imageHeight, imageWidth: imageWidth, mean: mean, deviation: deviation)
        if let layer {
            try description.requireLayer(layer)
            description.model.depth = layer
        }
        let position = try WeightsFile.encoderPosition(file, description.model)
        let model = try ModelRuntime(description.model, parts: .encoder, encoderPosition: position, trains: false, threads: threads, isa: isa)
        try WeightsFile.load(file, into: model)
        self.init(model, description)
    }

    /// With weights that stand in memory already: those of a run that goes on, or fresh ones.
    public init(_ model: ModelRuntime, _ description: WeightsDescription) {
        self.model = model
        self.description = description
    }

    /// Features and labels of all images of a labelled source, in its order.
    /// - Throws: `LearningError.configuration` where an image has no label.
    public func labelled(
        _ source: any ImageSource, pool: Pooling, batchSize: Int = 64, augmented: FeatureAugmentation? = nil, progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> LabelledFeatures {
        let labels = (0..<source.count).compactMap { source.label(at: $0) }
        guard labels.count == source.count else {
            let name = source.count > 0 ? source.name(at: 0) : "the data"
            throw LearningError.configuration("\(name): images have no labels: give a folder per class, a list with classes, shards with .cls members, or a dataset's own label files")
        }
        let features = try features(source, pool: pool, batchSize: batchSize, augmented: augmented, progress: progress)
        return try LabelledFeatures(features: features, width: width(pool), labels: labels)
    }

    /// Numbers that stand for an image.
    public func width(_ pool: Pooling) -> Int {
        let m = description.model
        return switch pool {
        case .cls, .mean: m.embedWidth
        case .clsAndMean: 2 * m.embedWidth
        case .pixels: m.patches * m.patchWidth
        }
    }

    /// Features [images, width], row-major.
    public func features(
        _ source: any ImageSource, pool: Pooling, batchSize: Int = 64, augmented: FeatureAugmentation? = nil, progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> [Float] {
        let m = description.model
        let grid = try m.grid
        let pipeline = ImagePipeline(grid: grid, augmentation: .none, normalization: description.normalization, seed: augmented?.seed ?? 0, training: augmented?.augmentation)
        let loader = BatchLoader(
            source: source, pipeline: pipeline, batchSize: min(batchSize, source.count), dropLast: false, shuffle: false, seed: 0, workers: 1, prefetch: 2, strict: true)
        defer { loader.stop() }
        loader.start(epoch: augmented?.epoch ?? 0)
        let width = width(pool)
        var out: [Float] = []
        out.reserveCapacity(source.count * width)
        while let batch = try loader.next() {
            defer { progress(out.count / width, source.count) }
            guard let kind = FeaturePooling(rawValue: pool.rawValue) else { // pixels
                out += batch.patches
                continue
            }
            let executable = try model.features(images: batch.samples.count, [kind])
            _ = try model.session.run(executable, batch: UnsafeRawBufferPointer(batch.patches))
            out += model.result(pool.rawValue, of: executable)
        }
        return out
    }
}
