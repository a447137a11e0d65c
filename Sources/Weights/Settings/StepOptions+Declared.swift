import CurricleEngine
import CurricleModels
import CurricleSettings
import CurricleStorage

extension StepOptions {
    package static let declared: [Setting<StepOptions>] = [
        Setting(\.maskRatio, .maskRatio, "R", in: 0...1, "share of patches removed", section: .training, isInWeights: true),
        Setting(
            \.masking, .masking, "KIND",
            "which patches go: learned (CL-MAE); or without a masker random (MAE), block (rectangles, BEiT) or color (blobs of band-passed "
                + "noise, ColorMAE)", section: .training, isInWeights: true),
        Setting(
            \.objective, .masker, "KIND",
            "what the masker learns: curriculum (CL-MAE's losses through the frozen autoencoder) or rank (which of two removed patches had "
                + "the larger error, HPM: half the work; a share that grows to half of the removed patches are the hardest, the rest random)",
            section: .training, record: .whereItDiffers),
        Setting(
            \.maskNoise, .maskNoise, "T", in: 0...1000,
            "Gumbel noise of scale T on the masker's logits, so that masks vary; falls to 0 by the last epoch", section: .training,
            record: .whereItDiffers),
        Setting(
            \.uniformity, .uniformity, "W", in: 0...1e6,
            "weight of a loss that keeps the images' features apart (U-MAE; 0.01): the mean cos² over pairs of a batch", section: .training,
            record: .whereItDiffers),
        Setting(
            \.normalizedTargets, .normalizedTargets, "predict patches normalised by their own mean and deviation", section: .training,
            isInWeights: true),
        Setting(\.weights.gauss, .gaussWeight, "L", in: 0...1e6, "weight of the loss that drives scores from 1/2", section: .training),
        Setting(\.weights.kl, "lambda-kl", "L", in: 0...1e6, "weight of the loss that holds the mean score at 1/4", section: .training),
        Setting(
            \.klReduction, "kl-reduction", "KIND",
            "the KL loss of a batch: sum over its images, as in the reference, so that its weight beside the other losses grows with "
                + "the batch; or mean, so that it does not",
            section: .training, record: .whereItDiffers),
        Setting(\.weights.diversity, .diversityWeight, "L", in: 0...1e6, "weight of the loss that keeps masks apart", section: .training)
    ]

    /// What weights files say of how they were trained: the keys of their metadata.
    package static let metadataKeys = declared.filter(\.isInWeights).map { Setting<StepOptions>.metadataKey($0.name) }
    package static let normalizedTargetsKey = Setting<StepOptions>.metadataKey("\(SettingName.normalizedTargets)")

    /// As a weights file's metadata.
    package var metadata: [String: String] { Dictionary(uniqueKeysWithValues: StepOptions.declared.compactMap { $0.metadata(self) }) }

    /// What a weights file says of how it was trained; where it says nothing, the default.
    package init(weights metadata: [String: String]) {
        self.init()
        for setting in StepOptions.declared { setting.read(metadata, into: &self) }
    }

    /// What is wrong with them for a model's patches, or nil.
    package func problem(_ model: ModelConfiguration) -> Message? {
        if maskNoise > 0, masking.isGiven { return "\(.masking, masking.rawValue) has no masker: leave out \(.maskNoise)" }
        if maskNoise > 0, objective == .rank { return "\(.masker, objective.rawValue) draws its masks already: leave out \(.maskNoise)" }
        if objective == .rank, masking.isGiven { return "\(.masking, masking.rawValue) has no masker: leave out \(.masker)" }
        let kept = model.kept(maskRatio: maskRatio)
        guard kept < 1 || kept >= model.patches else { return nil }
        return "mask ratio \(maskRatio) keeps \(kept) of \(model.patches) patches: at least 1 must be kept and 1 removed"
    }
}
