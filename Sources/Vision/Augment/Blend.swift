/// Pillow's `Image.blend`: degenerate + factor · (value − degenerate) in single precision, clipped, its fraction cut off.
func blend(_ degenerate: UInt8, _ value: UInt8, _ factor: Float) -> UInt8 {
    let blended = Float(degenerate) + factor * Float(Int(value) - Int(degenerate))
    return UInt8(min(max(blended, 0), 255))
}

extension PixelImage {
    /// Blends each sample with what `degenerate` has in its place.
    @inline(__always)
    mutating func blend(factor: Float, from degenerate: (_ place: Int) -> UInt8) {
        pixels.withUnsafeMutableBufferPointer { pixels in
            for place in pixels.indices { pixels[place] = CurricleVision.blend(degenerate(place), pixels[place], factor) }
        }
    }

    /// Grey values [H, W] by ITU-R 601 with Pillow's weights; other than three channels: the first.
    var luminance: [UInt8] {
        let channels = channels
        return pixels.withUnsafeBufferPointer { pixels in
            [UInt8](unsafeUninitializedCapacity: pixels.count / channels) { output, count in
                count = pixels.count / channels
                for pixel in 0..<count {
                    let place = pixel * channels
                    output[pixel] =
                        channels == 3
                        ? UInt8(
                            truncatingIfNeeded: (Int(pixels[place]) * 19595 + Int(pixels[place + 1]) * 38470 + Int(pixels[place + 2]) * 7471
                                + 0x8000) >> 16)
                        : pixels[place]
                }
            }
        }
    }
}

/// Goes from grey (factor 0) through the picture (1) beyond it. Only pictures of three channels have colours.
///
/// Source: Pillow's `ImageEnhance.Color`, bit for bit.
func adjustSaturation(_ image: inout PixelImage, factor: Float) {
    guard image.channels == 3 else { return }
    image.luminance.withUnsafeBufferPointer { grey in image.blend(factor: factor) { grey[$0 / 3] } }
}

/// Goes from a smoothed picture (factor 0) through the picture (1) to a sharpened one.
///
/// Source: Pillow's `ImageEnhance.Sharpness`, bit for bit.
func adjustSharpness(_ image: inout PixelImage, factor: Float) {
    smoothed(image).withUnsafeBufferPointer { smooth in image.blend(factor: factor) { smooth[$0] } }
}

/// Pillow's `ImageFilter.SMOOTH`: each pixel five times and its eight neighbours once, over 13; the border is left as it is.
private func smoothed(_ image: PixelImage) -> [UInt8] {
    let (side, middle): (Float, Float) = (1 / 13, 5 / 13)
    let (line, channels) = (image.width * image.channels, image.channels)
    guard image.width > 2, image.height > 2 else { return image.pixels }
    var result = image.pixels
    image.pixels.withUnsafeBufferPointer { input in
        result.withUnsafeMutableBufferPointer { output in
            func across(_ place: Int, _ centre: Float) -> Float {
                Float(input[place - channels]) * side + Float(input[place]) * centre + Float(input[place + channels]) * side
            }
            for y in 1..<(image.height - 1) {
                for place in (y * line + channels)..<((y + 1) * line - channels) {
                    // The row below first: the last bit depends on the order.
                    let sum = ((0.5 + across(place + line, side)) + across(place, middle)) + across(place - line, side)
                    output[place] = UInt8(min(max(sum, 0), 255))
                }
            }
        }
    }
    return result
}
