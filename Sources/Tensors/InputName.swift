/// The name of a tensor that the caller gives at each run of a program.
package struct InputName: RawRepresentable, Sendable, Hashable, CustomStringConvertible, ExpressibleByStringLiteral {
    package let rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }
    package init(stringLiteral name: String) { rawValue = name }
    package var description: String { rawValue }
}

extension InputName {
    /// [N, L, P] a batch's patches
    package static let patches: InputName = "patches"
    /// [N, L] int32, patches to keep first: a mask chosen outside
    package static let order: InputName = "order"
    /// [N, 1, L] the masker's scores, where another program made them
    package static let scores: InputName = "scores"
    /// [N, L] the patches' errors, where another program made them
    package static let errors: InputName = "errors"
    /// the gradient that a program's backward pass begins with, of the value it is given for
    package static let upstream: InputName = "upstream"
    /// [N, C] what a classifier should say of each image: shares of the classes
    package static let targets: InputName = "targets"
    /// [1, 2·depth, N] what each image's residual branches are multiplied by (drop path): 0 or 1 / (1 − rate)
    package static let branchScales: InputName = "branchScales"
    /// [N, H, W, C] uint8
    package static let pixels: InputName = "pixels"
    /// [2, C] what pixels are multiplied by, and what is added then
    package static let pixelScaleShift: InputName = "pixelScaleShift"
    /// [N, 1, L] what patches are drawn by: added to the scores' logits, or sorted by itself
    package static let maskNoise: InputName = "maskNoise"
    /// [1] of the removed patches, the share that goes by score
    package static let hardShare: InputName = "hardShare"
    /// [1] the curriculum factor λ_cl
    package static let curriculum: InputName = "curriculum"
    /// [4] learning rate, step size, 1/√(1−β₂ᵗ), gradient scale
    package static let step: InputName = "step"
    /// [1] the number of the update, from 1: what the rounding of moments is drawn by
    package static let updateNumber: InputName = "updateNumber"
    /// [chunks] sums of squares of a group's gradients, where several ranks made them
    package static let squares: InputName = "squares"
}
