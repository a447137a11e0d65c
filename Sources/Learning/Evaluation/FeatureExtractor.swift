import Models
import Runtime
import Vision

/// What stands for an image: the class token, or the mean of the patch tokens, after the encoder's final norm.
public enum Pooling: String, Sendable, CaseIterable { case cls, mean }

/// Computes features of whole images (no mask) with an encoder's weights.
public final class FeatureExtractor {
    public let description: WeightsDescription
    let model: ModelRuntime

    /// - Parameter weights: a safetensors file under the reference's names.
    public convenience init(
        weights path: String, heads: Int? = nil, imageHeight: Int? = nil, imageWidth: Int? = nil, mean: [Float]? = nil, deviation: [Float]? = nil, threads: Int, isa: ISA
    ) throws {
        let file = try TensorFile(path: path)
        let description = try WeightsDescription(file, heads: heads, imageHeight: imageHeight, imageWidth: imageWidth, mean: mean, deviation: deviation)
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
    public func labelled(_ source: any ImageSource, pool: Pooling, batchSize: Int = 64, progress: (Int, Int) -> Void = { _, _ in }) throws -> LabelledFeatures {
        let labels = (0..<source.count).compactMap { source.label(at: $0) }
        guard labels.count == source.count else {
            throw LearningError.configuration("\(source.count > 0 ? source.name(at: 0) : "the data"): images have no labels: give a folder per class, or IDX labels")
        }
        let features = try features(source, pool: pool, batchSize: batchSize, progress: progress)
        return try LabelledFeatures(features: features, width: description.model.embedWidth, labels: labels)
    }

    /// Features [images, D], row-major.
    public func features(_ source: any ImageSource, pool: Pooling, batchSize: Int = 64, progress: (Int, Int) -> Void = { _, _ in }) throws -> [Float] {
        let m = description.model
        let grid = try PatchGrid.validated(imageHeight: m.imageHeight, imageWidth: m.imageWidth, patchSize: m.patchSize, channels: m.channels)
        let pipeline = ImagePipeline(grid: grid, augmentation: .none, normalization: description.normalization, seed: 0)
        let loader = BatchLoader(
            source: source, pipeline: pipeline, batchSize: min(batchSize, source.count), dropLast: false, shuffle: false, seed: 0, workers: 1, prefetch: 2, strict: true)
        defer { loader.stop() }
        loader.start(epoch: 0)
        var out: [Float] = []
        out.reserveCapacity(source.count * m.embedWidth)
        while let batch = try loader.next() {
            let executable = try model.features(images: batch.samples.count, cls: pool == .cls, mean: pool == .mean)
            _ = try model.session.run(executable, batch: UnsafeRawBufferPointer(batch.patches))
            out += model.result(pool.rawValue, of: executable)
            progress(out.count / m.embedWidth, source.count)
        }
        return out
    }
}
