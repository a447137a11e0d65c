import Engine
import Models
import Settings
import Storage

extension StepOptions {
    package static let declared: [Setting<StepOptions>] = [
        Setting(\.maskRatio, .maskRatio, "R", in: 0...1, "share of patches removed", section: .training, isInWeights: true),
        Setting(\.masking, .masking, "KIND", "learned (CL-MAE) or random (MAE)", section: .training, isInWeights: true),
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
        let kept = model.kept(maskRatio: maskRatio)
        guard kept < 1 || kept >= model.patches else { return nil }
        return "mask ratio \(maskRatio) keeps \(kept) of \(model.patches) patches: at least 1 must be kept and 1 removed"
    }
}
