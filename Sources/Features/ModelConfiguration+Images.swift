import Models
import Vision

extension ModelConfiguration {
    /// Patches of the model's images.
    /// - Throws: `VisionError.invalidGrid` where the sizes make none.
    public var grid: PatchGrid {
        get throws(VisionError) { try PatchGrid.validated(imageHeight: imageHeight, imageWidth: imageWidth, patchSize: patchSize, channels: channels) }
    }

    /// Hands over all images of a source in its order, resized to the model's size, batch by batch.
    /// - Parameters:
    ///   - images: of a batch, at most.
    ///   - augmented: how they are changed besides; nil for not at all.
    ///   - strict: whether to stop at a broken image; else another one stands for it: a batch says which images it holds.
    ///   - report: told of each broken image.
    ///   - body: takes a batch; false ends the pass.
    /// - Throws: `VisionError`, or what `body` throws.
    package func forEachBatch(
        of source: any ImageSource, _ normalization: PixelNormalization, images: Int, augmented: FeatureAugmentation? = nil, strict: Bool,
        report: (String) -> Void, _ body: (Batch) throws -> Bool
    ) throws {
        let pipeline = ImagePipeline(
            grid: try grid, augmentation: .none, normalization: normalization, seed: augmented?.seed ?? 0, training: augmented?.augmentation)
        let loader = BatchLoader(
            source: source, pipeline: pipeline, batchSize: min(images, source.count), dropLast: false, shuffle: false, seed: 0, workers: 1, prefetch: 2, strict: strict)
        defer { loader.stop() }
        loader.start(epoch: augmented?.epoch ?? 0)
        while let batch = try loader.next() {
            batch.skipped.forEach(report)
            if try !body(batch) { return }
        }
    }
}
