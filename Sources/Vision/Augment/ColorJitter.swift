import CurricleRandomness

/// Random brightness, contrast, saturation and hue, in a random order.
///
/// Source: torchvision's `ColorJitter` on a PIL image.
package struct ColorJitter: Sendable, Equatable, Codable {
    /// Factors are drawn from max(0, 1 − strength)…1 + strength; 0 leaves the picture as it is.
    package var brightness: Double
    package var contrast: Double
    package var saturation: Double
    /// Turns are drawn from −hue…hue of the circle; 0…0.5.
    package var hue: Double

    package init(brightness: Double = 0, contrast: Double = 0, saturation: Double = 0, hue: Double = 0) {
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
    }

    func apply(to image: inout PixelImage, using random: inout Philox) {
        let order = random.permutation(4)
        func factor(_ strength: Double) -> Float { Float(random.uniform(max(0, 1 - strength), 1 + strength)) }
        // All are drawn, whatever the order and the strengths.
        let factors = (
            brightness: factor(brightness), contrast: factor(contrast), saturation: factor(saturation), turn: random.uniform(-hue, hue)
        )
        for adjustment in order {
            switch adjustment {
            case 0: if brightness > 0 { adjustBrightness(&image, factor: factors.brightness) }
            case 1: if contrast > 0 { adjustContrast(&image, factor: factors.contrast) }
            case 2: if saturation > 0 { adjustSaturation(&image, factor: factors.saturation) }
            default: if hue > 0 { adjustHue(&image, by: factors.turn) }
            }
        }
    }
}
