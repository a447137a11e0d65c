import CurricleDatasets
import Foundation
import CurricleReports
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleTerminal
import CurricleTrainer
import CurricleVision
import CurricleWeights

/// Options of the commands that draw what a model makes of images.
enum PictureOptions {
    static func all(weights: String = "a run's model.safetensors, or any file that import reads") -> [Option] {
        EncoderOptions.all(weights: weights) + [
            SharedOptions.images("data", "images: anything that pretrain takes; labels are not needed"),
            DataOptions.split,
            .value("images", "N", .whole(1...10_000), "how many, the first of the data", fallback: "8"),
            SharedOptions.output("FILE.png", "the picture"),
            SharedOptions.json
        ] + DataOptions.decoding + [SharedOptions.threads()]
    }

    /// Options of the commands that mask images and rebuild them.
    static let masks: [Option] =
        WeightsOptions.decoder
        + PretrainSettings.declared.named("mask-ratio", "norm-pix-loss").options(PretrainSettings()).map { option in
            option.defaulting(to: nil).adding("(default: the file's\(option.fallback.map { ", or \($0)" } ?? ""))")
        }
        + [SharedOptions.seed]

    static func count(_ a: Arguments) throws -> Int { try a.int("images") }

    /// - Parameters size, channels: the longer side of the model's images and their channels, where they are known.
    static func source(_ a: Arguments, size: Int, channels: Int = 3) throws -> any ImageSource {
        try DataOptions.open(a.string("data"), role: DataOptions.role(a), DataOptions.decoding(a, size: size, channels: channels))
    }

    static func images(_ a: Arguments, for description: WeightsDescription) throws -> HeldImages {
        let source = try source(
            a, size: max(description.model.imageHeight, description.model.imageWidth), channels: description.model.channels)
        WeightsOptions.say(description.notes)
        let images = try HeldImages(first: count(a), of: source, for: description)
        warn(of: images.broken)
        return images
    }

    static func warn(of broken: [String]) {
        for line in broken { tell("left out: \(line)") }
    }

    static func choices(_ a: Arguments) throws -> Reconstructor.Choices {
        var choices = Reconstructor.Choices()
        let size = try WeightsOptions.imageSize(a)
        choices.key = try WeightsOptions.key(a)
        choices.heads = try a.intIfGiven("num-heads")
        choices.decoderHeads = try a.intIfGiven("decoder-num-heads")
        (choices.imageHeight, choices.imageWidth) = (size?.height, size?.width)
        choices.mean = try WeightsOptions.mean(a)
        choices.deviation = try WeightsOptions.deviation(a)
        choices.maskRatio = try a.doubleIfGiven("mask-ratio")
        choices.normalizedTargets = a.isGiven("norm-pix-loss") ? try a.flag("norm-pix-loss") : nil
        choices.seed = try SharedOptions.seed(a)
        return choices
    }

    static func write(_ picture: Picture, _ a: Arguments) throws -> String {
        let path = try a.string("output")
        try DurableFile.write(picture.png, to: path)
        return path
    }
}
