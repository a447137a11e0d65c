import CurricleCPNG

/// Any PNG to RGB: palette, 1…16 bits, interlaced; gamma and profiles ignored.
///
/// Alpha and transparent colours are dropped, or composited on `background`. 16-bit samples that have either are rounded by libpng
/// (grey with alpha is not): at most one level from Pillow's.
/// - Parameter keepsAlpha: returns four channels for a picture that has alpha or transparent colours.
/// - Returns: the picture, whether it is stored in grey, and the file's EXIF block (empty if there is none).
func decodePNG(
    _ file: [UInt8], name: String, background: BackgroundColor?, keepsAlpha: Bool = false
) throws(VisionError) -> (PixelImage, isGrey: Bool, exif: [UInt8]) {
    let stream = try PNGStream(file, keepsTransparency: background != nil || keepsAlpha, name: name)
    let isGrey = stream.colorType & 2 == 0
    let (width, height) = (stream.width, stream.height)
    if stream.hasAlpha || stream.hasTransparency {
        let pixels = try decodeAlpha(stream, name: name)
        if keepsAlpha && background == nil {
            return (PixelImage(width: width, height: height, channels: 4, pixels: pixels), isGrey, stream.exif)
        }
        let image =
            background?.under(pixels, width: width, height: height)
            ?? PixelImage(width: width, height: height, fromRGBA: pixels) { value, _, _ in UInt8(value) }
        return (image, isGrey && (background?.isGrey ?? true), stream.exif)
    }
    let pixels =
        stream.bitDepth == 16
        ? try decodeSamples(stream, name: name).map { UInt8($0 >> 8) }
        : try decodeBytes(stream, channels: 3, name: name)
    return (PixelImage(width: width, height: height, channels: 3, pixels: pixels), isGrey, stream.exif)
}

/// [H, W, 4] bytes of a picture that has alpha, not multiplied in.
private func decodeAlpha(_ original: PNGStream, name: String) throws(VisionError) -> [UInt8] {
    var stream = original
    guard stream.bitDepth == 16 && stream.colorType == 4 else { return try decodeBytes(stream, channels: 4, name: name) }
    stream.relabelGreyAlpha16()
    var pixels = try decodeBytes(stream, channels: 4, name: name)
    // Now grey's high and low byte, then alpha's.
    for pixel in stride(from: 0, to: pixels.count, by: 4) {
        (pixels[pixel + 1], pixels[pixel + 2], pixels[pixel + 3]) = (pixels[pixel], pixels[pixel], pixels[pixel + 2])
    }
    return pixels
}

/// [H, W, 3 or 4] bytes, alpha (when asked for) not multiplied in.
private func decodeBytes(_ stream: PNGStream, channels: Int, name: String) throws(VisionError) -> [UInt8] {
    var problem: VisionError?
    let pixels = [UInt8](unsafeUninitializedCapacity: stream.width * stream.height * channels) { output, count in
        output.update(repeating: 0)
        // Values of 16 bits are taken as they are instead of as linear light.
        problem = decode(stream, format: channels == 4 ? 3 : 2, flags: 4, into: output.baseAddress, name: name)
        count = stream.width * stream.height * channels
    }
    if let problem { throw problem }
    return pixels
}

/// [H, W, 3] 16-bit samples of a 16-bit file, unchanged (linear in, linear out).
private func decodeSamples(_ stream: PNGStream, name: String) throws(VisionError) -> [UInt16] {
    var problem: VisionError?
    let samples = [UInt16](unsafeUninitializedCapacity: stream.width * stream.height * 3) { output, count in
        output.update(repeating: 0)
        problem = decode(stream, format: 6, flags: 0, into: output.baseAddress, name: name)
        count = stream.width * stream.height * 3
    }
    if let problem { throw problem }
    return samples
}

/// One image by libpng's simple interface.
/// - Parameters:
///   - format: PNG_FORMAT_RGB (2), PNG_FORMAT_RGBA (3) or PNG_FORMAT_LINEAR_RGB (6): macros that Swift does not see.
///   - flags: PNG_IMAGE_FLAG_16BIT_sRGB (4) or none.
private func decode(_ stream: PNGStream, format: UInt32, flags: UInt32, into output: UnsafeMutableRawPointer?, name: String) -> VisionError?
{
    var image = png_image()
    image.version = 1  // PNG_IMAGE_VERSION
    defer { png_image_free(&image) }
    // libpng keeps reading from this memory between the two calls.
    return stream.bytes.withUnsafeBytes { bytes in
        guard png_image_begin_read_from_memory(&image, bytes.baseAddress, bytes.count) != 0 else { return pngError(image, name: name) }
        guard Int(image.width) == stream.width, Int(image.height) == stream.height else {
            return .corrupt(name: name, reason: "its sizes contradict each other")
        }
        image.format = format
        image.flags |= flags
        guard png_image_finish_read(&image, nil, output, 0, nil) != 0 else { return pngError(image, name: name) }
        return nil
    }
}

private func pngError(_ image: png_image, name: String) -> VisionError {
    let reason = message(of: image)
    let early = ["not enough", "read error", "beyond end"].contains { reason.lowercased().contains($0) }
    return early ? .truncated(name: name, reason: reason) : .corrupt(name: name, reason: reason)
}

func message(of image: png_image) -> String {
    withUnsafeBytes(of: image.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}
