import CurricleModels

/// What stands for an image.
package enum Pooling: String, Sendable, CaseIterable {
    /// The class token, or the mean of the patch tokens, after the encoder's final norm.
    case cls, mean
    /// The mean of the patch tokens *before* the final norm, through a norm of its own: `fc_norm`, the file's where it has one, else a
    /// fresh one (γ 1, β 0). CL-MAE's `main_zeroshot.py` takes it unless it is told otherwise (`global_pool=True`).
    case normalizedMean = "fc_norm"
    /// Both, one behind the other.
    case clsAndMean = "cls+mean"
    /// No encoder at all: the normalised pixels of the resized image, to compare with.
    case pixels
    /// No encoder either: the square roots of the shares of the resized image's pixels in 6×6×6 boxes of colour (of grey in 6); Euclidean
    /// distances of them are Hellinger's of the histograms.
    case colour

    /// What an encoder gives for it; nil for what takes none.
    package var ofEncoder: FeaturePooling? {
        switch self {
        case .cls: .cls
        case .mean, .normalizedMean: .mean
        case .clsAndMean: .clsAndMean
        case .pixels, .colour: nil
        }
    }
}
