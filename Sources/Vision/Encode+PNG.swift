import CurricleCPNG

/// Encodes a grey (1 channel) or RGB (3 channels) picture as a PNG file.
///
/// - Throws: `cannotEncode` for other channels, for sides libpng refuses, or when it fails.
package func encodePNG(_ image: PixelImage) throws(VisionError) -> [UInt8] {
    guard image.channels == 1 || image.channels == 3 else { throw .cannotEncode(reason: "the image has \(image.channels) channels") }
    guard image.width <= 1_000_000, image.height <= 1_000_000 else { throw .cannotEncode(reason: "a side is longer than 1,000,000 pixels") }
    var description = png_image()
    description.version = 1  // PNG_IMAGE_VERSION
    description.width = UInt32(image.width)
    description.height = UInt32(image.height)
    description.format = image.channels == 3 ? 2 : 0  // PNG_FORMAT_RGB, PNG_FORMAT_GRAY
    defer { png_image_free(&description) }

    // zlib's bound for incompressible data, plus headers and 12 bytes for each IDAT of libpng's 8 KiB buffer.
    let raw = (image.width * image.channels + 1) * image.height
    let bound = raw + raw / 8 + raw / 64 + raw / 256 + 4096
    var written = false
    let file = [UInt8](unsafeUninitializedCapacity: bound) { output, count in
        var size = UInt(bound)
        written = png_image_write_to_memory(&description, output.baseAddress, &size, 0, image.pixels, 0, nil) != 0
        count = written ? Int(size) : 0
    }
    guard written else { throw .cannotEncode(reason: message(of: description)) }
    return file
}
