import Foundation
import Learning
import Runtime
import Terminal
import Vision

/// Options of the commands that draw what a model makes of images.
enum PictureOptions {
    static func all(weights: String = "a run's model.safetensors, or any file that import reads") -> [Option] {
        EncoderOptions.all(weights: weights) + [
            .value("data", "PATH", "images: anything that pretrain takes; labels are not needed"),
            DataOptions.split,
            .value("images", "N", "how many, the first of the data", fallback: "8"),
            .value("output", "FILE.png", "the picture", short: "o"),
            .value("threads", "N", "threads of the team (default: all processors)"),
            .flag("json", "print JSON instead of text: an object, or one a file"),
        ] + DataOptions.decoding()
    }

    /// Options of the commands that mask images and rebuild them.
    static let masks: [Option] = [
        .value("decoder-num-heads", "N", "decoder heads, where the file does not say"),
        .value("mask-ratio", "R", "share of patches removed (default: the file's, or 0.75)"),
        .flag("norm-pix-loss", "the decoder predicts normalised patches, where the file does not say"),
        .value("seed", "N", "decides random masks", fallback: "0"),
    ]

    static func count(_ a: Arguments) throws -> Int { try a.int("images", in: 1...10_000) }

    /// - Parameters size, channels: the longer side of the model's images and their channels, where they are known.
    static func source(_ a: Arguments, size: Int, channels: Int = 3) throws -> any ImageSource {
        try DataOptions.open(a.string("data"), role: DataOptions.role(a), DataOptions.decoding(a, size: size, channels: channels))
    }

    static func images(_ a: Arguments, for description: WeightsDescription) throws -> HeldImages {
        let source = try source(a, size: max(description.model.imageHeight, description.model.imageWidth), channels: description.model.channels)
        let images = try HeldImages(first: count(a), of: source, for: description)
        warn(of: images.broken)
        return images
    }

    static func warn(of broken: [String]) {
        for line in broken { FileHandle.standardError.write(Data("left out: \(line)\n".utf8)) }
    }

    static func choices(_ a: Arguments) throws -> Reconstructor.Choices {
        var choices = Reconstructor.Choices()
        let sizes = 1...65536, size = try ModelOptions.imageSize(a)
        choices.heads = try a.intIfGiven("num-heads", in: sizes)
        choices.decoderHeads = try a.intIfGiven("decoder-num-heads", in: sizes)
        (choices.imageHeight, choices.imageWidth) = (size?.0, size?.1)
        choices.mean = try ModelOptions.mean(a)
        choices.deviation = try ModelOptions.deviation(a)
        choices.maskRatio = try a.doubleIfGiven("mask-ratio", in: 0...1)
        choices.normalizedTargets = a.isGiven("norm-pix-loss") ? try a.flag("norm-pix-loss") : nil
        choices.seed = UInt64(try a.int("seed", in: 0...Int.max))
        return choices
    }

    static func write(_ picture: Picture, _ a: Arguments) throws -> String {
        let path = try a.string("output")
        try DurableFile.write(picture.png, to: path)
        return path
    }
}
