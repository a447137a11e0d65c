/// What stands for an image.
public enum Pooling: String, Sendable, CaseIterable {
    /// The class token, the mean of the patch tokens, or both, after the encoder's final norm.
    case cls, mean
    case clsAndMean = "cls+mean"
    /// No encoder at all: the normalised pixels of the resized image, to compare with.
    case pixels
}
