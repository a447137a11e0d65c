import Vision

/// How pictures are changed before their features are computed: drawn anew for each epoch.
public struct FeatureAugmentation: Sendable {
    public var augmentation: TrainingAugmentation
    public var seed: UInt64
    public var epoch: Int
    public init(_ augmentation: TrainingAugmentation, seed: UInt64, epoch: Int) {
        self.augmentation = augmentation
        self.seed = seed
        self.epoch = epoch
    }
}
