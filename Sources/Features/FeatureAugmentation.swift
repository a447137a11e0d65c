import CurricleVision

/// How pictures are changed before their features are computed: drawn anew for each epoch.
package struct FeatureAugmentation: Sendable {
    package var augmentation: TrainingAugmentation
    package var seed: UInt64
    package var epoch: Int
    package init(_ augmentation: TrainingAugmentation, seed: UInt64, epoch: Int) {
        self.augmentation = augmentation
        self.seed = seed
        self.epoch = epoch
    }
}
