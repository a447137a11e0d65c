import Models
import Runtime
import Vision

/// Masks and reconstructions of a fixed handful of images, drawn the same way at each epoch.
///
/// A row an image: original, masked, reconstruction, reconstruction with the visible patches, and the masker's scores.
/// Of a model that predicts normalised patches, the reconstruction is shown with the true patches' mean and deviation.
struct RunPictures {
    let images: HeldImages
    let settings: PretrainSettings
    static let most = 8

    private var grid: PatchGrid { images.grid }

    struct Picture {
        let png: [UInt8]
        let height: Int
        let width: Int
    }

    func draw(_ model: ModelRuntime, epoch: Int) throws -> Picture {
        let count = min(RunPictures.most, images.samples.count), each = grid.count * grid.patchWidth
        let kept = settings.model.kept(maskRatio: settings.step.maskRatio)
        let outcome = try images.outcome(images: count, model, settings.step, seed: settings.seed)
        let (ranks, predictions, scores) = (outcome.order, outcome.predictions, outcome.scores)
        let rows = (0..<count).map { i -> [PixelImage] in
            let truth = images.patches(of: i)
            let visible = Set(ranks[(i * grid.count)..<(i * grid.count + kept)])
            var predicted = Array(predictions[(i * each)..<((i + 1) * each)])
            if settings.step.normalizedTargets {
                truth.withUnsafeBufferPointer { t in
                    predicted.withUnsafeMutableBufferPointer {
                        denormalizePatches($0, patchWidth: grid.patchWidth, statistics: PatchStatistics(of: t, patchWidth: grid.patchWidth))
                    }
                }
            }
            let both = zip(truth, predicted).enumerated().map { visible.contains($0.offset / grid.patchWidth) ? $0.element.0 : $0.element.1 }
            var panels = [image(truth), masked(image(truth), visible), image(predicted), image(both)]
            if !scores.isEmpty {
                panels.append(heatmap(values: Array(scores[(i * grid.count)..<((i + 1) * grid.count)]), rows: grid.rows, columns: grid.columns, cell: grid.patchSize))
            }
            return panels
        }
        let factor = max(1, 96 / max(grid.imageHeight, grid.imageWidth))
        let picture = tile(rows.map { $0.map { scaled($0, by: factor) } }, padding: 4)
        return Picture(png: try encodePNG(picture), height: picture.height, width: picture.width)
    }

    private func image(_ patches: [Float]) -> PixelImage {
        patches.withUnsafeBufferPointer { unpatchify($0, grid: grid, normalization: settings.normalization) }
    }

    /// Removed patches in grey.
    private func masked(_ image: PixelImage, _ visible: Set<Int>) -> PixelImage {
        var out = image
        for patch in 0..<grid.count where !visible.contains(patch) {
            for y in 0..<grid.patchSize {
                let row = (patch / grid.columns * grid.patchSize + y) * image.width + patch % grid.columns * grid.patchSize
                for i in (row * image.channels)..<((row + grid.patchSize) * image.channels) { out.pixels[i] = 128 }
            }
        }
        return out
    }
}
