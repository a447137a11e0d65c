/// How an image is cut into L patches of P numbers.
package struct PatchGrid: Sendable, Equatable {
    package let imageHeight: Int
    package let imageWidth: Int
    package let patchSize: Int
    /// Channels of the model's input.
    package let channels: Int

    /// - Precondition: sizes at least 1, both image sides multiples of `patchSize`. For numbers a user gave, see `validated`.
    package init(imageHeight: Int, imageWidth: Int, patchSize: Int, channels: Int) {
        let problem = PatchGrid.problem(imageHeight: imageHeight, imageWidth: imageWidth, patchSize: patchSize, channels: channels)
        precondition(problem == nil, problem ?? "")
        self.imageHeight = imageHeight
        self.imageWidth = imageWidth
        self.patchSize = patchSize
        self.channels = channels
    }

    /// The grid, or `invalidGrid` when the numbers do not make one.
    package static func validated(imageHeight: Int, imageWidth: Int, patchSize: Int, channels: Int) throws(VisionError) -> PatchGrid {
        if let problem = problem(imageHeight: imageHeight, imageWidth: imageWidth, patchSize: patchSize, channels: channels) {
            throw .invalidGrid(reason: problem)
        }
        return PatchGrid(imageHeight: imageHeight, imageWidth: imageWidth, patchSize: patchSize, channels: channels)
    }

    private static func problem(imageHeight: Int, imageWidth: Int, patchSize: Int, channels: Int) -> String? {
        let sides = 1...PixelImage.maximumSide
        guard sides.contains(imageHeight), sides.contains(imageWidth), sides.contains(patchSize), (1...256).contains(channels) else {
            return
                "sides must be 1…\(PixelImage.maximumSide) and channels 1…256, not \(imageHeight)×\(imageWidth), patch \(patchSize), "
                + "\(channels) channels"
        }
        guard imageHeight % patchSize == 0, imageWidth % patchSize == 0 else {
            return "\(imageHeight)×\(imageWidth) is not a whole number of \(patchSize)×\(patchSize) patches"
        }
        return nil
    }

    package var rows: Int { imageHeight / patchSize }
    package var columns: Int { imageWidth / patchSize }
    /// L, the number of patches.
    package var count: Int { rows * columns }
    /// P, the numbers of a patch: p · p · channels.
    package var patchWidth: Int { patchSize * patchSize * channels }

    /// Where a pixel's first channel lies in an image's patches [L, P].
    func place(row: Int, column: Int) -> Int {
        let patch = row / patchSize * columns + column / patchSize
        return patch * patchWidth + (row % patchSize * patchSize + column % patchSize) * channels
    }
}
