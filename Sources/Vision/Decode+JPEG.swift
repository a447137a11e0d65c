import CurricleCTurboJPEG

/// Baseline or progressive JPEG to RGB: accurate DCT and smooth ("fancy") upsampling, which are libjpeg's defaults and so Pillow's.
///
/// Where the decoder warns of what touches no pixel it decodes again without the cause, as it tells its first warning only.
/// - Parameter shortestSide: decodes at the largest reduction (½, ¼, ⅛) whose shorter side is at least that; nil for the full size.
/// - Returns: the picture, and whether it is stored in grey.
func decodeJPEG(_ bytes: [UInt8], name: String, shortestSide: Int?) throws(VisionError) -> (PixelImage, isGrey: Bool) {
    try decode(bytes, name: name, shortestSide: shortestSide, isMended: false)
}

private func decode(_ bytes: [UInt8], name: String, shortestSide: Int?, isMended: Bool) throws(VisionError) -> (PixelImage, isGrey: Bool) {
    guard let decoder = tjInitDecompress() else { throw .corrupt(name: name, reason: "the JPEG decoder did not start") }
    defer { tjDestroy(decoder) }

    var (fullWidth, fullHeight, subsampling, colorSpace) = (Int32(0), Int32(0), Int32(-1), Int32(-1))
    let status = tjDecompressHeader3(decoder, bytes, UInt(bytes.count), &fullWidth, &fullHeight, &subsampling, &colorSpace)
    // An uncommon subsampling is reported as a failure after sizes and colour space were found; decoding does not need its name.
    if status != 0 && (fullWidth == 0 || fullHeight == 0 || colorSpace < 0) { throw jpegError(decoder, name: name) }
    try PixelImage.checkDimensions(width: Int(fullWidth), height: Int(fullHeight), name: name)
    let reduction = largestReduction(ofSide: Int(min(fullWidth, fullHeight)), to: shortestSide)
    let (width, height) = ((fullWidth + reduction - 1) / reduction, (fullHeight + reduction - 1) / reduction)

    let isInk = colorSpace == Int32(TJCS_CMYK.rawValue) || colorSpace == Int32(TJCS_YCCK.rawValue)
    let channels = isInk ? 4 : 3
    let format = isInk ? TJPF_CMYK : TJPF_RGB
    var decoded: Int32 = 0
    let pixels = [UInt8](unsafeUninitializedCapacity: Int(width) * Int(height) * channels) { output, count in
        decoded = tjDecompress2(
            decoder, bytes, UInt(bytes.count), output.baseAddress, width, 0, height, Int32(format.rawValue),
            TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS)
        // A stream that ends early leaves rows unwritten; they are never shown, because that is an error below.
        count = Int(width) * Int(height) * channels
    }
    if decoded != 0 {
        guard isHarmlessWarning(decoder) else { throw jpegError(decoder, name: name) }
        guard isMended || endsWithMarker(bytes), let sound = isMended ? bytes : mendedJPEG(bytes) else {
            throw jpegError(decoder, name: name)
        }
        if sound != bytes { return try decode(sound, name: name, shortestSide: shortestSide, isMended: true) }
    }
    let image = PixelImage(width: Int(width), height: Int(height), channels: 3, pixels: isInk ? rgb(fromInk: pixels) : pixels)
    return (image, colorSpace == Int32(TJCS_GRAY.rawValue))
}

/// The largest of 8, 4 and 2 by which a side may be divided (rounded up, as libjpeg does) and still be as long as is wanted; else 1.
func largestReduction(ofSide side: Int, to wanted: Int?) -> Int32 {
    guard let wanted else { return 1 }
    return [8, 4, 2].first { (side + $0 - 1) / $0 >= max(wanted, 1) }.map(Int32.init) ?? 1
}

private func message(_ decoder: tjhandle) -> String {
    tjGetErrorStr2(decoder).map { String(cString: $0) } ?? "no reason given"
}

private func jpegError(_ decoder: tjhandle, name: String) -> VisionError {
    let reason = message(decoder)
    let early = ["premature end", "empty input"].contains { reason.lowercased().contains($0) }
    if early { return .truncated(name: name, reason: reason) }
    if reason.contains("Unsupported") { return .unsupportedFormat(name: name, reason: reason) }
    return .corrupt(name: name, reason: reason)
}

/// What libjpeg says of a stream whose pixels are all there, so that Pillow shows it: bytes too many before a marker (cameras), a scan
/// header of a baseline picture with other limits than 0 and 63 (Samsung's phones), versions of JFIF and Adobe's colour transforms that are
/// not known.
private func isHarmlessWarning(_ decoder: tjhandle) -> Bool {
    let harmless = [
        "extraneous bytes before marker", "Invalid SOS parameters for sequential", "unknown JFIF revision number",
        "Unknown Adobe color transform"
    ]
    return tjGetErrorCode(decoder) == Int32(TJERR_WARNING.rawValue) && harmless.contains(where: message(decoder).contains)
}

/// Bytes too many behind a scan's last pixel cannot be told from it, so there the end of the stream is looked for.
private func endsWithMarker(_ bytes: [UInt8]) -> Bool {
    let tail = bytes.suffix(1 << 16)
    return zip(tail, tail.dropFirst()).contains { $0 == 0xFF && $1 == 0xD9 }
}

/// Pillow's CMYK to RGB: stored inverted as Adobe does, (255 − k) · (255 − ink) with rounding.
private func rgb(fromInk pixels: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(pixels.count / 4 * 3)
    for pixel in stride(from: 0, to: pixels.count, by: 4) {
        let paper = Int(pixels[pixel + 3])
        for channel in 0..<3 {
            let product = (255 - Int(pixels[pixel + channel])) * paper + 128
            result.append(UInt8(max(0, paper - ((product >> 8) + product) >> 8)))
        }
    }
    return result
}
