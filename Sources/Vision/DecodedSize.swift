import CurricleCTurboJPEG
import CurricleCWebP

/// Bytes that a JPEG, PNG or WebP takes once it is decoded, from its first bytes alone; nil where they do not say.
/// - Parameters:
///   - start: as much of the file as is at hand.
///   - options: what it would be decoded with.
package func decodedBytes(start: [UInt8], options: DecodeOptions) -> Int? {
    guard let (width, height, channels) = storedSize(start, options: options), width > 0, height > 0 else { return nil }
    return width * height * channels
}

private func storedSize(_ start: [UInt8], options: DecodeOptions) -> (width: Int, height: Int, channels: Int)? {
    if start.starts(with: [0xFF, 0xD8, 0xFF]) { return jpegSize(start, shortestSide: options.fastDecode) }
    let channels = options.channels == 4 || options.background != nil ? 4 : 3
    if start.starts(with: PNGStream.signature), start.count >= 24 {
        func number(at place: Int) -> Int { start[place..<(place + 4)].reduce(0) { $0 << 8 | Int($1) } }
        return (number(at: 16), number(at: 20), channels)  // IHDR comes first
    }
    var features = WebPBitstreamFeatures()
    guard isWebP(start), WebPGetFeatures(start, start.count, &features) == VP8_STATUS_OK else { return nil }
    return (Int(features.width), Int(features.height), channels)
}

private func jpegSize(_ start: [UInt8], shortestSide: Int?) -> (width: Int, height: Int, channels: Int)? {
    guard let decoder = tjInitDecompress() else { return nil }
    defer { tjDestroy(decoder) }
    var (width, height, subsampling, colorSpace) = (Int32(0), Int32(0), Int32(-1), Int32(-1))
    _ = tjDecompressHeader3(decoder, start, UInt(start.count), &width, &height, &subsampling, &colorSpace)
    guard width > 0, height > 0, colorSpace >= 0 else { return nil }
    let reduction = Int(largestReduction(ofSide: Int(min(width, height)), to: shortestSide))
    let isInk = colorSpace == Int32(TJCS_CMYK.rawValue) || colorSpace == Int32(TJCS_YCCK.rawValue)
    // Inks, and colours of them.
    return ((Int(width) + reduction - 1) / reduction, (Int(height) + reduction - 1) / reduction, isInk ? 7 : 3)
}
