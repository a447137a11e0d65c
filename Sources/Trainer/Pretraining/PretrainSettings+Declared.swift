import CurricleEngine
import CurricleGraph
import CurricleModels
import CurricleSettings
import CurricleStorage
import CurricleVision
import CurricleWeights

extension PretrainSettings {
    package static let declared: [Setting<PretrainSettings>] =
        ModelConfiguration.declared.map { $0.at(\.model) }
        + batches
        + StepOptions.declared.map { $0.at(\.step) }
        + [
            Setting(
                \.curriculum, .curriculum, "KIND",
                "the factor that the masker's reconstruction loss is multiplied by: linear from 1 (partner) to -1 (adversary), as in the "
                    + "paper; partner (1), neutral (0) or adversary (-1) throughout; or reverse, from -1 to 1", section: .training,
                record: .whereItDiffers),
            Setting(
                \.maskerEvery, .maskerEvery, "K", in: 1...1_000_000, "train the masker at each K-th step only", section: .training,
                record: .whereItDiffers)
        ]
        + rates
        + [
            grouping,
            clipping,
            Setting(\.augmentation, "augment", "KIND", "mae (random crop and flip), flip or none", section: .images)
        ]
        + PixelNormalization.declared.map { $0.at(\.normalization).adding("(default: ImageNet's for 3 channels, else 0.5)") }
        + numbers
        + [
            seeding("parameters, order, crops and random masks"),
            Setting(\.dropLast, .dropLast, "leave out a last batch that is smaller", section: .training)
        ]
        + DecodeOptions.declared.map { $0.at(\.decoding) }
        + [
            Setting(
                \.pieceImages, .pieceImages, "N", in: 1...1_000_000,
                "compute a batch in pieces of N images, their gradients added up (default: whole, or as a limit on memory needs)",
                section: .run),
            Setting(
                .memoryLimit, "BYTES", .bytes(1...(1 << 60)),
                "most memory the process may take (512M, 2G, 1.5G; powers of 1024): the batch is cut in pieces, or parts are "
                    + "computed twice, as is cheapest",
                section: .run
            ) {
                $0.memoryLimit.map { .string("\($0)") }
            } set: {
                guard case .whole(let bytes) = $1 else { return false }
                $0.memoryLimit = bytes
                return true
            },
            Setting(\.onNonfinite, .onNonfinite, "WHAT", "stop, or skip the step and go on", section: .training, record: .never),
            Setting(
                \.snapshotEpochs, .snapshotEpochs, "EPOCHS", in: 1...Int.max,
                "epochs between permanent snapshots of the weights (default of a run of less than 50 epochs: an eighth of them)",
                section: .run, record: .never),
            Setting(
                \.pictures, .pictures, "N", in: 0...Int.max,
                "epochs whose pictures of masks and reconstructions are kept, spread over the run; 0 for none", section: .run,
                record: .never),
            Setting(
                \.knnEpochs, .knnEpochs, "EPOCHS", in: 0...Int.max,
                "epochs between looks at the features' kNN accuracy, on the data's labelled parts; 0 "
                    + "for none", section: .run, record: .never),
            Setting(\.passOrder, .passOrder, "KIND", PassOrder.help, section: .images, record: .whereItDiffers),
            Setting(\.preprocessing, .preprocessing, "KIND", "with --knn-every: " + Preprocessing.help, section: .images, record: .never),
            Setting(
                \.saveEverySteps, "save-every-steps", "N", in: 0...Int.max,
                "steps between states to resume from; 0: at the end of epochs only", section: .run, record: .never)
        ]
        + stopping

    package var entries: [(key: String, value: LogValue)] { declaredEntries }

    package mutating func settle(isGiven: (SettingName) -> Bool) {
        settleSchedule(isGiven: isGiven)
        // What a film strip of a short run needs.
        if !isGiven(.snapshotEpochs), schedule.epochs < snapshotEpochs { snapshotEpochs = max(1, schedule.epochs / 8) }
        normalization.settle(channels: model.channels, isGiven: isGiven)
        decoding.settle(size: max(model.imageHeight, model.imageWidth), channels: model.channels)
    }
}
