import CurricleDatasets
import CurricleRuntime
import CurricleVision

/// Images that a classifier takes for something else, as a sheet, read row by row.
package enum WrongPictures {
    /// The most that are shown, in rows of so many.
    package static let most = 48
    private static let columns = 8

    /// - Parameter samples: the images, the surest mistake first.
    package static func sheet(_ source: any ImageSource, _ samples: [Int], _ shape: Encoder.Shape) throws -> Picture {
        let grid = try PatchGrid.validated(
            imageHeight: shape.height, imageWidth: shape.width, patchSize: shape.patch, channels: shape.channels)
        let sheet = PictureSheet(grid)
        let pipeline = ImagePipeline(grid: grid, augmentation: .none, normalization: PixelNormalization(mean: [0.5], std: [0.5]), seed: 0)
        let images = try samples.prefix(most).map { sample in
            scaled(pipeline.prepared(try source.image(at: sample), epoch: 0, sample: sample), by: sheet.factor)
        }
        let rows = stride(from: 0, to: images.count, by: columns).map { Array(images[$0..<min(images.count, $0 + columns)]) }
        return try Picture(tile(rows, padding: PictureSheet.padding))
    }
}
