/// A picture as a PNG file.
package struct Picture: Sendable, Equatable {
    package let png: [UInt8]
    package let height: Int
    package let width: Int

    package init(_ image: PixelImage) throws(VisionError) {
        png = try encodePNG(image)
        height = image.height
        width = image.width
    }
}

/// Rows of panels as one picture; panels of small images are enlarged, pixel by pixel.
package struct PictureSheet {
    package static let padding = 4
    /// Pixels of a panel's side for one of its image's.
    package let factor: Int

    package init(_ grid: PatchGrid) { factor = max(1, 96 / max(grid.imageHeight, grid.imageWidth)) }

    package func draw(_ rows: [[PixelImage]]) throws(VisionError) -> Picture {
        try Picture(tile(rows.map { $0.map { scaled($0, by: factor) } }, padding: PictureSheet.padding))
    }

    /// The panels of a column of a sheet that was drawn, one below the other, with what is between them and to their left; nil where
    /// it has no such column.
    /// - Parameters height, width: of an image before it was enlarged.
    package func column(_ index: Int, of sheet: PixelImage, height: Int, width: Int) -> PixelImage? {
        let columns = width * factor + PictureSheet.padding, left = index * columns
        guard index >= 0, left + columns <= sheet.width, sheet.height >= height * factor else { return nil }
        let rows = (0..<sheet.height).map { y in
            sheet.pixels[((y * sheet.width + left) * sheet.channels)..<((y * sheet.width + left + columns) * sheet.channels)]
        }
        return PixelImage(width: columns, height: sheet.height, channels: sheet.channels, pixels: rows.flatMap { $0 })
    }
}

/// An image as it is, or narrowed where it is wider than a page shows it.
package func narrowed(_ image: PixelImage, to width: Int) -> PixelImage {
    guard image.width > width else { return image }
    return resizeBicubic(image, box: CropBox(whole: image), width: width, height: max(1, image.height * width / image.width))
}

/// Draws what a model sees and makes of an image's patches: the same way in a run's pictures and for the commands.
package struct PatchPictures {
    package let grid: PatchGrid
    package let normalization: PixelNormalization

    package init(grid: PatchGrid, normalization: PixelNormalization) {
        self.grid = grid
        self.normalization = normalization
    }

    /// Patches [L, P] as the image that they are.
    package func image(_ patches: [Float]) -> PixelImage {
        patches.withUnsafeBufferPointer { unpatchify($0, grid: grid, normalization: normalization) }
    }

    /// The image with its removed patches in grey.
    package func masked(_ patches: [Float], visible: Set<Int>) -> PixelImage {
        var out = image(patches)
        for patch in 0..<grid.count where !visible.contains(patch) {
            for y in 0..<grid.patchSize {
                let row = (patch / grid.columns * grid.patchSize + y) * out.width + patch % grid.columns * grid.patchSize
                for i in (row * out.channels)..<((row + grid.patchSize) * out.channels) { out.pixels[i] = 128 }
            }
        }
        return out
    }

    /// Original, masked, reconstruction, and reconstruction with the visible patches.
    /// - Parameters truth, predicted: patches [L, P].
    /// - Parameter normalized: the predictions are of patches normalised by their own mean and deviation.
    package func reconstruction(_ truth: [Float], _ predicted: [Float], visible: Set<Int>, normalized: Bool) -> [PixelImage] {
        let shown = normalized ? denormalized(predicted, by: truth) : predicted
        let both = zip(truth, shown).enumerated().map { visible.contains($0.offset / grid.patchWidth) ? $0.element.0 : $0.element.1 }
        return [image(truth), masked(truth, visible: visible), image(shown), image(both)]
    }

    /// Predictions of normalised patches with the true patches' mean and deviation.
    package func denormalized(_ predicted: [Float], by truth: [Float]) -> [Float] {
        let statistics = truth.withUnsafeBufferPointer { PatchStatistics(of: $0, patchWidth: grid.patchWidth) }
        var shown = predicted
        shown.withUnsafeMutableBufferPointer { denormalizePatches($0, patchWidth: grid.patchWidth, statistics: statistics) }
        return shown
    }

    /// One number a patch as colours, from dark blue (the smallest) to yellow (the largest).
    package func heat(_ values: some Collection<Float>) -> PixelImage {
        heatmap(values: Array(values), rows: grid.rows, columns: grid.columns, cell: grid.patchSize)
    }
}
