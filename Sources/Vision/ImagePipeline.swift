import CurricleRandomness

/// How a picture that is not augmented, or only mirrored, gets the model's size.
package enum Preprocessing: String, Sendable, CaseIterable, Codable {
    /// MAE's evaluation: the shorter side resized, then the centre cropped, see `evaluationResize`; pictures of the model's size too.
    case reference = "eval"
    /// The same, but a picture that has the model's size stays as it is.
    case unlessFitting = "fit"
    /// Pictures must have the model's size.
    case none

    /// What its options say of it.
    package static let help =
        "how judged pictures get the model's size: eval (as the reference: shorter side resized, centre cropped; pictures of that "
        + "size too), "
        + "fit (these stay as they are) or none (all must have it)"
}

/// From a decoded picture to the model's patches: augment, resize, normalise, cut.
///
/// Every choice is a function of (seed, epoch, sample): threads, workers, order and resume change nothing.
package struct ImagePipeline: Sendable {
    package let grid: PatchGrid
    package let augmentation: Augmentation
    package let normalization: PixelNormalization
    package let seed: UInt64
    /// For training a classifier: takes the place of `augmentation`. Its `problem` must be nil.
    package let training: TrainingAugmentation?
    package let preprocessing: Preprocessing
    /// Of every resize but those of `training`.
    package let passOrder: PassOrder

    package init(
        grid: PatchGrid, augmentation: Augmentation, normalization: PixelNormalization, seed: UInt64, training: TrainingAugmentation? = nil,
        preprocessing: Preprocessing = .unlessFitting, passOrder: PassOrder = .pillow13
    ) {
        self.grid = grid
        self.preprocessing = preprocessing
        self.passOrder = passOrder
        self.augmentation = augmentation
        self.training = training
        self.normalization = normalization
        self.seed = seed
    }

    /// - Throws: `channelMismatch` unless the image has one channel or the grid's; `invalidNormalization`; `wrongSize` where the size must
    ///   fit already.
    package func check(_ image: PixelImage, name: String) throws(VisionError) {
        guard image.channels == 1 || image.channels == grid.channels else {
            throw .channelMismatch(name: name, has: image.channels, wants: grid.channels)
        }
        try normalization.validate(channels: grid.channels)
        guard preprocessing != .none || training != nil || augmentation == .mae || fits(image) else {
            throw .wrongSize(
                name: name, width: image.width, height: image.height, wantedWidth: grid.imageWidth, wantedHeight: grid.imageHeight)
        }
    }

    private func fits(_ image: PixelImage) -> Bool { (image.width, image.height) == (grid.imageWidth, grid.imageHeight) }

    /// The picture at the grid's size, augmented; its channels are kept.
    /// - Parameter sample: the image's index in its dataset.
    package func prepared(_ image: PixelImage, epoch: Int, sample: Int) -> PixelImage {
        var random = Philox(seed: seed, stream: RandomStream.augmentation.at(epoch: epoch, sample: sample))
        return prepared(image, using: &random)
    }

    private func prepared(_ image: PixelImage, using random: inout Philox) -> PixelImage {
        if let training {
            return training.prepared(image, height: grid.imageHeight, width: grid.imageWidth, mean: normalization.mean, using: &random)
        }
        var result: PixelImage
        switch augmentation {
        case .mae:
            let box = CropBox.random(width: image.width, height: image.height, using: &random)
            result = resizeBicubic(image, box: box, width: grid.imageWidth, height: grid.imageHeight, order: passOrder)
        case .flip, .none:
            let resizeTo = evaluationResize(of: image, height: grid.imageHeight, width: grid.imageWidth)
            result =
                preprocessing != .reference && fits(image)
                ? image
                : resizeShorterSideAndCentreCrop(
                    image, height: grid.imageHeight, width: grid.imageWidth, resizeTo: resizeTo, order: passOrder)
        }
        if augmentation != .none && random.uniform() < 0.5 { flipHorizontally(&result) }
        return result
    }

    /// The prepared picture's patches [L, P].
    /// - Precondition: `check` passes.
    package func patches(of image: PixelImage, epoch: Int, sample: Int, into patches: UnsafeMutableBufferPointer<Float>) {
        var random = Philox(seed: seed, stream: RandomStream.augmentation.at(epoch: epoch, sample: sample))
        patchify(prepared(image, using: &random), grid: grid, normalization: normalization, into: patches)
        training?.erasing?.apply(to: patches, grid: grid, using: &random)
    }
}

/// What random numbers are for; each use has a stream of its own.
package enum RandomStream: UInt32 {
    case order = 0x6F72_6465  // "orde"
    case augmentation = 0x6175_676D  // "augm"
    case mixing = 0x6D69_7869  // "mixi"
    case substitute = 0x7375_6273  // "subs"

    package func at(epoch: Int, sample: Int = 0) -> (UInt32, UInt32, UInt32) {
        (UInt32(truncatingIfNeeded: epoch), UInt32(truncatingIfNeeded: sample), rawValue)
    }
}
