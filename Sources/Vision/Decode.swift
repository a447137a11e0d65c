/// Decodes a JPEG, PNG or WebP file in memory to 8-bit RGB, by default as Pillow's `Image.open(…).convert("RGB")` does:
/// no EXIF rotation, no colour management, alpha dropped.
///
/// One choice differs from Pillow, on purpose: 16-bit grey keeps its high byte, where Pillow clips every value above 255 to white.
/// - Parameters:
///   - bytes: the whole file; its first bytes tell the format, not its name.
///   - name: what errors call it.
///   - options: orientation, a background for what is transparent, JPEGs at a reduced size.
/// - Returns: [H, W, 3], or 1 or 4 channels where the options ask for as many and the picture has them. Sides of 1…16384 and at most 64
///   megapixels, checked before anything is allocated.
package func decodeImage(bytes: [UInt8], name: String, options: DecodeOptions = DecodeOptions()) throws(VisionError) -> PixelImage {
    let keepsAlpha = options.channels == 4
    var image: PixelImage, exif: [UInt8], isGrey = false
    if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
        (image, isGrey) = try decodeJPEG(bytes, name: name, shortestSide: options.fastDecode)
        exif = options.appliesOrientation ? exifBlock(ofJPEG: bytes) : []
    } else if bytes.starts(with: PNGStream.signature) {
        (image, isGrey, exif) = try decodePNG(bytes, name: name, background: options.background, keepsAlpha: keepsAlpha)
    } else if isWebP(bytes) {
        image = try decodeWebP(bytes, name: name, background: options.background, keepsAlpha: keepsAlpha)
        exif = options.appliesOrientation ? exifBlock(ofWebP: bytes) : []
    } else if bytes.isEmpty {
        throw .truncated(name: name, reason: "the file is empty")
    } else if let foreign = ForeignFile(bytes) {
        throw .foreignFile(path: name, what: foreign.what, advice: foreign.advice)
    } else {
        throw .unsupportedFormat(name: name, reason: "is neither JPEG, PNG nor WebP by its first bytes")
    }
    if options.channels == 1, isGrey { image = image.grey }
    return options.appliesOrientation ? upright(image, orientation: orientation(ofEXIF: exif)) : image
}

package func loadImage(at path: String, options: DecodeOptions = DecodeOptions()) throws(VisionError) -> PixelImage {
    try loadImage(at: ByteName(path), options: options)
}

/// Decodes the file at `path`; see `decodeImage`.
package func loadImage(at path: ByteName, options: DecodeOptions = DecodeOptions()) throws(VisionError) -> PixelImage {
    try decodeImage(bytes: readFile(path, limit: 1 << 30), name: "\(path)", options: options)
}
