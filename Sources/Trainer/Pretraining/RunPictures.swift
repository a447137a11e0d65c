import CurricleEngine
import CurricleModels
import CurricleVision

/// Masks and reconstructions of a fixed handful of images, drawn the same way at each epoch.
///
/// A row an image: original, masked, reconstruction, reconstruction with the visible patches, and the masker's scores.
/// Of a model that predicts normalised patches, the reconstruction is shown with the true patches' mean and deviation.
package struct RunPictures {
    package let images: HeldImages
    package let settings: PretrainSettings
    package static let most = 8
    /// Columns of the drawn sheet.
    package static let originals = 0, masks = 1, reconstructions = 2

    package func draw(_ model: ModelRuntime) throws -> Picture {
        let count = min(RunPictures.most, images.samples.count)
        let outcome = try images.outcome(images: count, model, settings.step, seed: settings.seed)
        let pictures = PatchPictures(grid: images.grid, normalization: settings.normalization)
        let rows = pictures.rows(images, outcome, count: count, normalized: settings.step.normalizedTargets, scores: true)
        return try PictureSheet(images.grid).draw(rows)
    }
}
