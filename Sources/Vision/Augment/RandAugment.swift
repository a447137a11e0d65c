import Foundation
import CurricleRandomness

/// RandAugment (Cubuk et al., 2020): some operations, chosen at random, at about one strength.
///
/// Source: timm's `rand-m9-mstd0.5-inc1`, which MAE fine-tunes with; `RandAugment()` is that.
package struct RandAugment: Sendable, Equatable, Codable {
    /// Strength 0…10.
    package var magnitude = 9.0
    /// Deviation of a strength drawn anew for each operation.
    package var deviation = 0.5
    /// Operations a picture.
    package var layers = 2
    /// How likely each of them is then done.
    package var probability = 0.5
    package var interpolation = Interpolation.bicubic

    package init() {}

    /// From timm's text, e.g. `rand-m9-mstd0.5-inc1`: magnitude m, its deviation mstd, layers n, probability p. `inc1` must be in it, as
    /// the operations here are those whose effect grows with the strength. Nil for anything else.
    package init?(_ text: String) {
        var parts = text.split(separator: "-").map(String.init)
        guard parts.first == "rand", parts.contains("inc1") else { return nil }
        deviation = 0
        parts.removeAll { $0 == "rand" || $0 == "inc1" }
        for part in parts {
            let name = String(part.prefix { $0.isLetter })
            guard let value = Double(part.dropFirst(name.count)), value.isFinite else { return nil }
            switch name {
            case "m": magnitude = value
            case "mstd": deviation = value
            case "p": probability = value
            case "n":
                guard let count = Int(exactly: value) else { return nil }
                layers = count
            default: return nil
            }
        }
    }

    /// In timm's text.
    package var text: String {
        func short(_ number: Double) -> String { Int(exactly: number).map(String.init) ?? number.description }
        return "rand-m\(short(magnitude))-n\(layers)-p\(short(probability))-mstd\(short(deviation))-inc1"
    }

    /// The operations whose effect grows with the strength; timm's names in brackets where they differ.
    package enum Operation: String, Sendable, CaseIterable, Codable {
        case autoContrast, equalize, invert, rotate
        /// (PosterizeIncreasing)
        case posterize
        /// (SolarizeIncreasing)
        case solarize
        case solarizeAdd
        /// (ColorIncreasing)
        case color
        /// (ContrastIncreasing)
        case contrast
        /// (BrightnessIncreasing)
        case brightness
        /// (SharpnessIncreasing)
        case sharpness
        case shearX, shearY
        /// (TranslateXRel, TranslateYRel)
        case translateX, translateY

        /// Whether the strength has a sign, drawn by tossing a coin.
        var isSigned: Bool {
            switch self {
            case .autoContrast, .equalize, .invert, .posterize, .solarize, .solarizeAdd: false
            case .rotate, .color, .contrast, .brightness, .sharpness, .shearX, .shearY, .translateX, .translateY: true
            }
        }
    }

    /// - Parameter fill: a value for each channel, for what comes in from outside; timm takes the pixel mean.
    func apply(to image: inout PixelImage, fill: [UInt8], using random: inout Philox) {
        for _ in 0..<layers {
            let operation = Operation.allCases[random.integer(below: Operation.allCases.count)]
            guard random.uniform() < probability else { continue }
            let strength = min(max(magnitude + deviation * random.normal(), 0), 10)
            let isNegative = operation.isSigned && random.uniform() < 0.5
            RandAugment.apply(operation, to: &image, magnitude: strength, isNegative: isNegative, interpolation: interpolation, fill: fill)
        }
    }

    /// One operation at a strength of 0…10.
    static func apply(
        _ operation: Operation, to image: inout PixelImage, magnitude: Double, isNegative: Bool, interpolation: Interpolation, fill: [UInt8]
    ) {
        let level = magnitude / 10
        func signed(_ value: Double) -> Double { isNegative ? -value : value }
        // 1 changes nothing; strengths lead away from it, to 0.1 or to 1.9.
        let enhancement = Float(max(0.1, 1 + signed(level * 0.9)))
        func move(_ map: AffineMap) { image = transformed(image, by: map, interpolation: interpolation, fill: fill) }
        switch operation {
        case .autoContrast: autoContrast(&image)
        case .equalize: equalize(&image)
        case .invert: invert(&image)
        case .posterize: posterize(&image, bits: 4 - Int(level * 4))
        case .solarize: solarize(&image, threshold: 256 - min(256, Int(level * 256)))
        case .solarizeAdd: solarizeAdd(&image, amount: min(128, Int(level * 110)))
        case .color: adjustSaturation(&image, factor: enhancement)
        case .contrast: adjustContrast(&image, factor: enhancement)
        case .brightness: adjustBrightness(&image, factor: enhancement)
        case .sharpness: adjustSharpness(&image, factor: enhancement)
        case .rotate:
            let degrees = signed(level * 30)
            if degrees != 0 { move(.rotation(degrees: degrees, width: image.width, height: image.height)) }
        case .shearX: move(.shear(x: signed(level * 0.3)))
        case .shearY: move(.shear(y: signed(level * 0.3)))
        case .translateX: move(.translation(x: signed(level * 0.45) * Double(image.width), y: 0))
        case .translateY: move(.translation(x: 0, y: signed(level * 0.45) * Double(image.height)))
        }
    }
}
