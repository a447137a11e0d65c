import CurricleEngine
import CurricleGraph
import CurricleModels
import CurricleSettings
import CurricleStorage
import CurricleVision
import CurricleWeights

extension FinetuneSettings {
    package static let declared: [Setting<FinetuneSettings>] =
        batches
        + [
            Setting(
                "pool", "KIND", .word(of: ["mean", "cls"]),
                "what the head sees: mean (of the patch tokens, through a norm of its own) or cls (class token) "
                    + "(default: as the file's head, else mean)",
                section: .training, isDerived: true
            ) {
                .string($0.model.normalizesPooled == true ? "mean" : "cls")
            } set: {
                $0.model.normalizesPooled = $1 == .text("mean") ? true : nil
                return true
            }
        ]
        + rates
        + [
            Setting(
                \.layerDecay, "layer-decay", "D", in: 0...1, "factor of the learning rate from one layer to the one before it",
                section: .training),
            Setting(
                \.dropPath, .dropPath, "R", in: 0...1,
                "share of residual branches left out at random in the last block; in earlier ones less", section: .training),
            grouping,
            clipping,
            Setting(
                \.mixing.mixup, "mixup", "A", in: 0...4, "blend pairs of images, their share from Beta(A, A); 0 for never", section: .images
            ),
            Setting(
                \.mixing.cutmix, "cutmix", "A", in: 0...4, "or paste a part of one into the other, likewise; 0 for never", section: .images),
            Setting(\.mixing.smoothing, "smoothing", "S", in: 0...1, "share of a label that all classes get", section: .images),
            Setting(
                \.augmentation, "augment", "KIND",
                "finetune (crop of 8 to 100 % of the area, flip, aa and reprob), mae (crop of 20 to 100 % and flip), flip or none",
                section: .images),
            Setting(
                "aa", "POLICY",
                .notation("e.g. rand-m9-mstd0.5-inc1 (m magnitude, mstd its deviation, n layers, p probability), or none"),
                "RandAugment in timm's words, or none", section: .images
            ) {
                .string($0.randAugment?.text ?? "none")
            } set: {
                guard case .text(let text) = $1 else { return false }
                let policy = RandAugment(text)
                guard policy != nil || text == "none" else { return false }
                $0.randAugment = policy
                return true
            },
            Setting(\.erasing, "reprob", "P", in: 0...1, "how likely a part of a picture is erased", section: .images)
        ]
        + PixelNormalization.declared.map { $0.at(\.normalization) }
        + numbers
        + [
            seeding("the head, order, augmentation, mixing and drop path, and what is held out"),
            Setting(\.preprocessing, .preprocessing, "KIND", Preprocessing.help, section: .images, record: .whereItDiffers),
            Setting(\.passOrder, .passOrder, "KIND", PassOrder.help, section: .images, record: .whereItDiffers),
            Setting(
                .holdout, "SHARE", .number(0.001...0.999),
                "instead of --test: judge on this share of the images of --train, drawn in each class by --seed, and learn from the others",
                section: .run, record: .whereItDiffers, isDerived: true
            ) {
                $0.holdout.map { .double($0) }
            } set: {
                guard case .number(let share) = $1 else { return false }
                $0.holdout = share
                return true
            }
        ]
        + DecodeOptions.declared.map { $0.at(\.decoding) }
        + stopping

    /// What the weights and the images decide, then what is set.
    package var entries: [(key: String, value: LogValue)] {
        ModelConfiguration.encoderSizes.compactMap { size in size.recorded(model, defaults: model).map { (size.name, $0) } }
            + [("classes", .integer(classes.count)), ("class-names", .string(classes.joined(separator: ",")))] + declaredEntries
    }

    package mutating func settle(isGiven: (SettingName) -> Bool) {
        settleSchedule(isGiven: isGiven)
        decoding.settle(size: max(model.imageHeight, model.imageWidth), channels: model.channels)
        // Neither is done with another augmentation.
        if augmentation != .finetune { (randAugment, erasing) = (nil, 0) }
    }
}
