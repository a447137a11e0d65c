/// Decodes a JPEG, PNG or WebP file in memory to 8-bit RGB, by default as Pillow's `Image.open(…).convert("RGB")` does:
/// no EXIF rotation, no colour management, alpha dropped.
///
/// One choice differs from Pillow: 16-bit grey keeps its high byte, where Pillow clips every value above 255 to white.
/// - Parameters:
///   - bytes: the whole file; its first bytes tell the format, not its name.
///   - name: what errors call it.
///   - options: orientation, a background for what is transparent, JPEGs at a reduced size.
/// - Returns: [H, W, 3]. Sides of 1…16384 and at most 64 megapixels, checked before anything is allocated.
public func decodeImage(bytes: [UInt8], name: String, options: DecodeOptions = DecodeOptions()) throws(VisionError) -> PixelImage {
    let image: PixelImage, exif: [UInt8]
    if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
        image = try decodeJPEG(bytes, name: name, shortestSide: options.fastDecode)
        exif = options.appliesOrientation ? exifBlock(ofJPEG: bytes) : []
    } else if bytes.starts(with: PNGStream.signature) {
        (image, exif) = try decodePNG(bytes, name: name, background: options.background)
    } else if isWebP(bytes) {
        image = try decodeWebP(bytes, name: name, background: options.background)
        exif = options.appliesOrientation ? exifBlock(ofWebP: bytes) : []
    } else if bytes.isEmpty {
        throw .truncated(name: name, reason: "the file is empty")
    } else {
        throw .unsupportedFormat(name: name, reason: "is neither JPEG, PNG nor WebP by its first bytes")
    }
    return options.appliesOrientation ? upright(image, orientation: orientation(ofEXIF: exif)) : image
}

/// Decodes the file at `path`; see `decodeImage`.
public func loadImage(at path: String, options: DecodeOptions = DecodeOptions()) throws(VisionError) -> PixelImage {
    try decodeImage(bytes: readFile(path, limit: 1 << 30), name: path, options: options)
}
