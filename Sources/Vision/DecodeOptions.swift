/// How files become pictures, where it may differ from Pillow's `Image.open(…).convert("RGB")`; the default is that.
package struct DecodeOptions: Sendable, Equatable {
    /// Turns a picture upright by its EXIF orientation (JPEG, PNG's eXIf, WebP), as Pillow's `ImageOps.exif_transpose` does; XMP is not
    /// read.
    package var appliesOrientation = false
    /// What shows through transparent pixels; nil drops the alpha instead, whatever colours lie under it.
    package var background: BackgroundColor?
    /// The shortest side that is wanted at least, in pixels: larger JPEGs are decoded at ½, ¼ or ⅛ of their size, which costs less and
    /// changes pixels. The largest reduction is taken whose shorter side is not below.
    package var fastDecode: Int?
    /// Channels that the model wants: for 1 a picture that is stored in grey is `convert("L")`, for 4 one that has transparency is
    /// `convert("RGBA")` (unless there is a background). All else is RGB.
    package var channels = 3

    package init(appliesOrientation: Bool = false, background: BackgroundColor? = nil, fastDecode: Int? = nil, channels: Int = 3) {
        self.channels = channels
        self.appliesOrientation = appliesOrientation
        self.background = background
        self.fastDecode = fastDecode
    }
}

/// An opaque colour.
package struct BackgroundColor: Sendable, Equatable, CustomStringConvertible {
    package var red: UInt8
    package var green: UInt8
    package var blue: UInt8

    package init(red: UInt8, green: UInt8, blue: UInt8) {
        self.red = red
        self.green = green
        self.blue = blue
    }

    /// Reads `#rrggbb`, `white` or `black`; nil for anything else.
    package init?(_ text: String) {
        switch text {
        case "white": self.init(red: 255, green: 255, blue: 255)
        case "black": self.init(red: 0, green: 0, blue: 0)
        default:
            let digits = text.dropFirst()
            guard text.first == "#", digits.count == 6, digits.allSatisfy(\.isHexDigit), let value = UInt32(digits, radix: 16) else {
                return nil
            }
            self.init(red: UInt8(value >> 16), green: UInt8(value >> 8 & 255), blue: UInt8(value & 255))
        }
    }

    var isGrey: Bool { red == green && green == blue }

    /// `#rrggbb`.
    package var description: String {
        "#" + [red, green, blue].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Lays pixels over the colour.
    ///
    /// Source: Pillow's `paste` with a mask: (a·x + (255 − a)·colour) / 255, rounded, in integers.
    /// - Parameters:
    ///   - pixels: [H, W, 4], alpha last and not multiplied in.
    /// - Returns: [H, W, 3].
    func under(_ pixels: [UInt8], width: Int, height: Int) -> PixelImage {
        let color = [Int(red), Int(green), Int(blue)]
        return PixelImage(width: width, height: height, fromRGBA: pixels) { value, alpha, channel in
            let sum = alpha * value + (255 - alpha) * color[channel] + 128
            return UInt8(truncatingIfNeeded: (sum >> 8 + sum) >> 8)
        }
    }
}

extension PixelImage {
    /// One channel of a picture whose three are equal: Pillow's `convert("L")` of it.
    var grey: PixelImage {
        PixelImage(width: width, height: height, channels: 1, pixels: stride(from: 0, to: pixels.count, by: channels).map { pixels[$0] })
    }

    /// RGB of RGBA pixels [H, W, 4]: each sample a function of itself, its pixel's alpha and its channel.
    @inline(__always)
    init(width: Int, height: Int, fromRGBA pixels: [UInt8], _ sample: (_ value: Int, _ alpha: Int, _ channel: Int) -> UInt8) {
        let count = width * height
        let result = [UInt8](unsafeUninitializedCapacity: 3 * count) { output, filled in
            for pixel in 0..<count {
                let alpha = Int(pixels[4 * pixel + 3])
                for channel in 0..<3 { output[3 * pixel + channel] = sample(Int(pixels[4 * pixel + channel]), alpha, channel) }
            }
            filled = 3 * count
        }
        self.init(width: width, height: height, channels: 3, pixels: result)
    }
}
