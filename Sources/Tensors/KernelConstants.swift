import CurricleCInstructions

/// Numbers that the compiler and the kernels must agree on, as the kernels' header has them.
package enum KernelConstants {
    /// Floats whose squares are added up to one number, where a gradient's norm is taken.
    package static let squareChunk = Int(CURRICLE_SQUARE_CHUNK)
    /// Scalars of a step: learning rate, step size, 1/√(1−β₂ᵗ), gradient scale.
    package static let stepScalars = Int(CURRICLE_STEP_SCALARS)
    /// Sums that the masker's losses take of each image.
    package static let maskerTerms = Int(CURRICLE_MASKER_TERMS)
    /// The masker's losses: recon, gauss, kl, diversity, total.
    package static let maskerLosses = Int(CURRICLE_MASKER_LOSSES)
}
