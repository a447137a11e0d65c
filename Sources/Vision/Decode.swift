/// Decodes a JPEG or PNG file in memory to 8-bit RGB, as Pillow's `Image.open(…).convert("RGB")` does: no EXIF rotation, no colour management, alpha dropped.
///
/// One choice differs from Pillow: 16-bit grey keeps its high byte, where Pillow clips every value above 255 to white.
/// - Parameters:
///   - bytes: the whole file; its first bytes tell the format, not its name.
///   - name: what errors call it.
/// - Returns: [H, W, 3]. Sides of 1…16384 and at most 64 megapixels, checked before anything is allocated.
public func decodeImage(bytes: [UInt8], name: String) throws(VisionError) -> PixelImage {
    if bytes.starts(with: [0xFF, 0xD8, 0xFF]) { return try decodeJPEG(bytes, name: name) }
    if bytes.starts(with: PNGStream.signature) { return try decodePNG(bytes, name: name) }
    if bytes.isEmpty { throw .truncated(name: name, reason: "the file is empty") }
    throw .unsupportedFormat(name: name, reason: "is neither JPEG nor PNG by its first bytes")
}

/// Decodes the file at `path`; see `decodeImage`.
public func loadImage(at path: String) throws(VisionError) -> PixelImage {
    try decodeImage(bytes: readFile(path, limit: 1 << 30), name: path)
}
