import Engine
import Models
import Runtime
import Terminal
import Vision

/// Options that say what a model looks like, shared by the commands.
enum ModelOptions {
    /// Preset and sizes.
    static func sizes(section: String = "Options") -> [Option] {
        [
            .value("model", "PRESET", ModelConfiguration.presets.map(\.name).joined(separator: ", "), fallback: "tiny-p16", section: section),
            .value("image-size", "N", "pixels, or height,width", section: section),
            .value("patch-size", "N", "pixels", section: section),
            .value("channels", "N", "of the images", section: section),
            .value("embed-dim", "N", "encoder width", section: section),
            .value("depth", "N", "encoder blocks", section: section),
            .value("num-heads", "N", "encoder heads", section: section),
            .value("decoder-embed-dim", "N", "decoder width", section: section),
            .value("decoder-depth", "N", "decoder blocks", section: section),
            .value("decoder-num-heads", "N", "decoder heads", section: section),
        ]
    }

    static let memoryLimit = Option.value(
        "memory-limit", "BYTES", "most memory the process may take (512M, 2G, 1.5G; powers of 1024): the batch is cut in pieces, or parts are computed twice, as is cheapest", section: "Run")

    static let microBatch = Option.value(
        "micro-batch", "N", "compute a batch in pieces of N images, their gradients added up (default: whole, or as --memory-limit needs)", section: "Run")

    /// A preset, changed by the sizes that are given.
    static func configuration(_ a: Arguments) throws -> ModelConfiguration {
        let presets = ModelConfiguration.presets.map(\.name)
        var c = ModelConfiguration.preset(try a.choice("model", of: presets)) ?? ModelConfiguration.presets[0].configuration
        let sizes = 1...65536
        if let size = try imageSize(a) { (c.imageHeight, c.imageWidth) = size }
        c.patchSize = try a.intIfGiven("patch-size", in: sizes) ?? c.patchSize
        c.channels = try a.intIfGiven("channels", in: sizes) ?? c.channels
        c.embedWidth = try a.intIfGiven("embed-dim", in: sizes) ?? c.embedWidth
        c.depth = try a.intIfGiven("depth", in: sizes) ?? c.depth
        c.heads = try a.intIfGiven("num-heads", in: sizes) ?? c.heads
        c.decoderWidth = try a.intIfGiven("decoder-embed-dim", in: sizes) ?? c.decoderWidth
        c.decoderDepth = try a.intIfGiven("decoder-depth", in: sizes) ?? c.decoderDepth
        c.decoderHeads = try a.intIfGiven("decoder-num-heads", in: sizes) ?? c.decoderHeads
        return c
    }

    /// `--image-size N` or `HEIGHT,WIDTH`.
    static func imageSize(_ a: Arguments) throws -> (Int, Int)? {
        guard let values = try a.doublesIfGiven("image-size", in: 1...65536, counts: 1...2) else { return nil }
        guard values.allSatisfy({ $0 == $0.rounded() }) else { throw LearningError.configuration("--image-size takes whole numbers") }
        return (Int(values[0]), Int(values[values.count - 1]))
    }

    /// `--threads N`, or all processors.
    static func threads(_ a: Arguments) throws -> Int { try a.intIfGiven("threads", in: 1...1024) ?? Machine.processors }

    static func mean(_ a: Arguments) throws -> [Float]? { try a.doublesIfGiven("mean", in: -1e6...1e6)?.map { Float($0) } }
    static func deviation(_ a: Arguments) throws -> [Float]? { try a.doublesIfGiven("std", in: 1e-6...1e6)?.map { Float($0) } }

    /// `--mean` and `--std`, each filled up by the default.
    static func normalization(_ a: Arguments, channels: Int) throws -> PixelNormalization {
        let standard = defaultNormalization(channels: channels)
        return PixelNormalization(mean: try mean(a) ?? standard.mean, std: try deviation(a) ?? standard.std)
    }

    /// ImageNet's for colour; a middle grey for other channel counts.
    static func defaultNormalization(channels: Int) -> PixelNormalization {
        channels == 3 ? .imageNet : PixelNormalization(mean: [0.5], std: [0.5])
    }
}
