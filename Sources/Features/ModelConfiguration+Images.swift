import CurricleDatasets
import CurricleModels
import CurricleVision

extension ModelConfiguration {
    /// Patches of the model's images.
    /// - Throws: `VisionError.invalidGrid` where the sizes make none.
    package var grid: PatchGrid {
        get throws(VisionError) {
            try PatchGrid.validated(imageHeight: imageHeight, imageWidth: imageWidth, patchSize: patchSize, channels: channels)
        }
    }

    /// Hands over all images of a source in its order, resized to the model's size, batch by batch: for measurements, so a broken image's
    /// slot stays empty (`Batch.missing`), and no other image counts in its place.
    /// - Parameters:
    ///   - images: of a batch, at most.
    ///   - augmented: how they are changed besides; nil for not at all.
    ///   - preprocessing: how they get the model's size.
    ///   - passOrder: of resizes.
    ///   - strict: whether to stop at a broken image.
    ///   - report: told of each broken image.
    ///   - body: takes a batch, which holds an image at least; false ends the pass.
    /// - Throws: `VisionError`, also where no image can be read; or what `body` throws.
    package func forEachBatch(
        of source: any ImageSource, _ normalization: PixelNormalization, images: Int, augmented: FeatureAugmentation? = nil,
        preprocessing: Preprocessing = .reference, passOrder: PassOrder = .pillow13, strict: Bool,
        report: (String) -> Void, _ body: (Batch) throws -> Bool
    ) throws {
        let pipeline = ImagePipeline(
            grid: try grid, augmentation: .none, normalization: normalization, seed: augmented?.seed ?? 0,
            training: augmented?.augmentation,
            preprocessing: preprocessing, passOrder: passOrder)
        let loader = BatchLoader(
            source: source, pipeline: pipeline, batchSize: min(images, source.count), dropLast: false, shuffle: false, seed: 0, workers: 1,
            prefetch: 2,
            broken: strict ? .refuse : .leaveOut)
        defer { loader.stop() }
        loader.start(epoch: augmented?.epoch ?? 0)
        var first: String?, isEmpty = true
        while let batch = try loader.next() {
            batch.skipped.forEach(report)
            first = first ?? batch.skipped.first
            if batch.images.isEmpty { continue }
            isEmpty = false
            if try !body(batch) { return }
        }
        if isEmpty, let first { throw VisionError.noReadableImage(count: source.count, firstReason: first) }
    }
}
