import Settings

/// Settings that messages name: a setting that is to be changed, or what else a user may say of files and runs.
extension SettingName {
    // Of runs.
    static let batchSize: SettingName = "batch-size"
    static let decoderHeads: SettingName = "decoder-num-heads"
    static let diversityWeight: SettingName = "lambda-diversity"
    static let dropLast: SettingName = "drop-last"
    static let dropPath: SettingName = "drop-path"
    static let epochs: SettingName = "epochs"
    static let gaussWeight: SettingName = "lambda-gauss"
    static let heads: SettingName = "num-heads"
    static let imageSize: SettingName = "image-size"
    static let knnEpochs: SettingName = "knn-every"
    static let learningRate: SettingName = "lr"
    static let learningRatePer256: SettingName = "blr"
    static let maskRatio: SettingName = "mask-ratio"
    static let masking: SettingName = "masking"
    static let mean: SettingName = "mean"
    static let memoryLimit: SettingName = "memory-limit"
    static let normalizedTargets: SettingName = "norm-pix-loss"
    static let onNonfinite: SettingName = "on-nonfinite"
    static let pieceImages: SettingName = "micro-batch"
    static let snapshotEpochs: SettingName = "save-ckpt-freq"
    static let standardDeviation: SettingName = "std"
    static let warmupEpochs: SettingName = "warmup-epochs"

    // Of what is asked for besides.
    static let data: SettingName = "data"
    static let exportedPart: SettingName = "part"
    static let knnTest: SettingName = "knn-test"
    static let knnTraining: SettingName = "knn-train"
    static let layer: SettingName = "layer"
    static let layout: SettingName = "layout"
    static let neighbours: SettingName = "neighbours"
    static let preprocessing: SettingName = "preprocess"
    static let resume: SettingName = "resume"
}
