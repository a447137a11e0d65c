import CurricleEngine
import CurricleModels
import CurricleSettings
import CurricleStorage
import CurricleVision

extension ModelConfiguration {
    /// A preset, and the sizes that differ from it.
    package static let declared: [Setting<ModelConfiguration>] = [preset] + encoderSizes + decoderSizes

    /// Sizes that a preset has, each of which may be changed.
    package static let encoderSizes: [Setting<ModelConfiguration>] = [
        Setting(.imageSize, "N", .wholes(1...65536, counts: 1...2), "pixels of a side, or height,width", section: .model, isDerived: true) {
            $0.imageHeight == $0.imageWidth ? .integer($0.imageHeight) : .string("\($0.imageHeight),\($0.imageWidth)")
        } set: {
            guard case .wholes(let sides) = $1 else { return false }
            ($0.imageHeight, $0.imageWidth) = (sides[0], sides[sides.count - 1])
            return true
        },
        size(\.patchSize, "patch-size", "pixels of a patch's side"),
        size(\.channels, "channels", "of the images"),
        size(\.embedWidth, "embed-dim", "encoder width"),
        size(\.depth, "depth", "encoder blocks", most: 1024),
        size(\.heads, .heads, "encoder heads")
    ]

    package static let decoderSizes: [Setting<ModelConfiguration>] = [
        size(\.decoderWidth, "decoder-embed-dim", "decoder width"),
        size(\.decoderDepth, "decoder-depth", "decoder blocks", most: 1024),
        size(\.decoderHeads, .decoderHeads, "decoder heads")
    ]

    /// A named set of sizes.
    package static let preset: Setting<ModelConfiguration> = Setting(
        "model", "PRESET", .word(of: presets.map(\.name)), "sizes: " + presets.map(\.name).joined(separator: ", "), section: .model,
        record: .never
    ) { model in
        presets.first { $0.configuration == model }.map { .string($0.name) }
    } set: {
        guard case .text(let name) = $1, let configuration = preset(name) else { return false }
        $0 = configuration
        return true
    }

    private static func size(
        _ path: WritableKeyPath<ModelConfiguration, Int> & Sendable, _ name: SettingName, _ help: String, most: Int = 65536
    ) -> Setting<ModelConfiguration> {
        Setting(path, name, "N", in: 1...most, help, section: .model, isDerived: true)
    }
}

extension PixelNormalization {
    package static let declared: [Setting<PixelNormalization>] = [
        values(\.mean, .mean, "M[,M…]", -1e6...1e6, "pixel mean, one for all channels or one each"),
        values(\.std, .standardDeviation, "S[,S…]", 1e-6...1e6, "pixel deviation, likewise")
    ]

    private static func values(
        _ path: WritableKeyPath<PixelNormalization, [Float]> & Sendable, _ name: SettingName, _ placeholder: String,
        _ range: ClosedRange<Double>, _ help: String
    ) -> Setting<PixelNormalization> {
        Setting(name, placeholder, .numbers(range, counts: 1...65536), help, section: .images, isDerived: true) {
            .string($0[keyPath: path].map(\.description).joined(separator: ","))
        } set: {
            guard case .numbers(let values) = $1 else { return false }
            $0[keyPath: path] = values.map { Float($0) }
            return true
        }
    }

    /// ImageNet's for colour; a middle grey for other channel counts.
    package static func standard(channels: Int) -> PixelNormalization {
        channels == 3 ? .imageNet : PixelNormalization(mean: [0.5], std: [0.5])
    }

    /// What was not given becomes the standard for so many channels.
    package mutating func settle(channels: Int, isGiven: (SettingName) -> Bool) {
        let standard = PixelNormalization.standard(channels: channels)
        if !isGiven(.mean) { mean = standard.mean }
        if !isGiven(.standardDeviation) { std = standard.std }
    }

    /// What is wrong with the numbers of values, or nil.
    package func problem(channels: Int) -> Message? {
        func wrong(_ name: SettingName, _ count: Int) -> Message? {
            count == 1 || count == channels ? nil : "\(name) has \(count) values for \(channels) channels: give 1, or one a channel"
        }
        return wrong(.mean, mean.count) ?? wrong(.standardDeviation, std.count)
    }
}

extension DecodeOptions {
    package static let declared: [Setting<DecodeOptions>] = [
        Setting(
            \.appliesOrientation, "apply-orientation", "turn photographs upright by their EXIF orientation, which the reference ignores",
            section: .images, record: .whereItDiffers),
        Setting(
            "background", "COLOUR", .notation("#rrggbb, white or black"),
            "#rrggbb, white or black: put it under what is transparent, instead of dropping the alpha", section: .images
        ) {
            $0.background.map { .string("\($0)") }
        } set: {
            guard case .text(let text) = $1, let colour = BackgroundColor(text) else { return false }
            $0.background = colour
            return true
        },
        Setting(
            "fast-decode", "read JPEGs at 1/2, 1/4 or 1/8 of their size where the shorter side stays at least twice the model's",
            section: .images, record: .whereItDiffers
        ) {
            $0.fastDecode != nil
        } set: {
            $0.fastDecode = $1 ? 0 : nil
        }
    ]

    /// What follows from a model: reduced decoding goes by the size that it takes.
    /// - Parameters:
    ///   - size: the longer side of the model's images.
    ///   - channels: theirs.
    package mutating func settle(size: Int, channels: Int) {
        self.channels = channels
        if fastDecode != nil { fastDecode = 2 * size }
    }
}
