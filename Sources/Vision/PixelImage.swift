/// A picture of 8-bit samples, `pixels` in [H, W, C] order (interleaved), rows packed.
package struct PixelImage: Sendable, Equatable {
    package let width: Int
    package let height: Int
    package let channels: Int
    /// [H, W, C]; its count is always width · height · channels.
    package var pixels: [UInt8] {
        didSet { precondition(pixels.count == width * height * channels, "an image keeps its size") }
    }

    /// - Precondition: sizes are at least 1 and `pixels` has width · height · channels samples.
    ///   (Decoders check their input before they get here and throw; this is for code, not for files.)
    package init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
        precondition(
            width > 0 && height > 0 && channels > 0 && pixels.count == width * height * channels,
            "pixel count must be width·height·channels")
        self.width = width
        self.height = height
        self.channels = channels
        self.pixels = pixels
    }

    /// A picture of one colour; `color` has one value per channel.
    package init(width: Int, height: Int, color: [UInt8]) {
        var pixels: [UInt8] = []
        pixels.reserveCapacity(width * height * color.count)
        for _ in 0..<(width * height) { pixels.append(contentsOf: color) }
        self.init(width: width, height: height, channels: color.count, pixels: pixels)
    }

    /// No side of a decoded picture may be longer.
    package static let maximumSide = 16384
    /// No decoded picture may have more pixels: 64 Mi.
    package static let maximumArea = 64 << 20

    /// Checks a header's claim before anything is allocated for it.
    package static func checkDimensions(width: Int, height: Int, name: String) throws(VisionError) {
        guard (1...maximumSide).contains(width), (1...maximumSide).contains(height), width * height <= maximumArea else {
            throw .badDimensions(name: name, width: width, height: height)
        }
    }
}

/// A rectangle of whole pixels, measured from the top left corner.
package struct CropBox: Sendable, Equatable {
    package var top: Int
    package var left: Int
    package var height: Int
    package var width: Int

    package init(top: Int, left: Int, height: Int, width: Int) {
        self.top = top
        self.left = left
        self.height = height
        self.width = width
    }
}

extension CropBox {
    /// The whole of `image`.
    package init(whole image: PixelImage) { self.init(top: 0, left: 0, height: image.height, width: image.width) }

    /// The part of the box inside `image`; at least one pixel, the nearest, when they do not meet.
    func clamped(to image: PixelImage) -> CropBox {
        let top = min(max(self.top, 0), image.height - 1)
        let left = min(max(self.left, 0), image.width - 1)
        let bottom = min(max(self.top + height, top + 1), image.height)
        let right = min(max(self.left + width, left + 1), image.width)
        return CropBox(top: top, left: left, height: bottom - top, width: right - left)
    }
}
