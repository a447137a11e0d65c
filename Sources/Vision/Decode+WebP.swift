import CurricleCWebP

func isWebP(_ file: [UInt8]) -> Bool {
    file.count >= 12 && file.starts(with: Array("RIFF".utf8)) && file[8..<12].elementsEqual(Array("WEBP".utf8))
}

/// WebP, lossy or lossless, to RGB; of an animation its first frame. Alpha is dropped, or composited on `background`.
/// - Parameter keepsAlpha: returns four channels for a picture that has alpha and gets no background.
func decodeWebP(_ file: [UInt8], name: String, background: BackgroundColor?, keepsAlpha: Bool = false) throws(VisionError) -> PixelImage {
    let promised = 8 + (4..<8).reversed().reduce(0) { $0 << 8 | Int(file[$1]) }
    guard promised <= file.count else {
        throw .truncated(name: name, reason: "the WebP header promises \(promised) bytes and \(file.count) are there")
    }
    var features = WebPBitstreamFeatures()
    let status = WebPGetFeatures(file, file.count, &features)
    if status == VP8_STATUS_UNSUPPORTED_FEATURE {
        throw .unsupportedFormat(name: name, reason: "is of a WebP kind the decoder does not know")
    }
    if status == VP8_STATUS_NOT_ENOUGH_DATA { throw .truncated(name: name, reason: "the WebP stream ends inside its headers") }
    guard status == VP8_STATUS_OK else { throw .corrupt(name: name, reason: "its WebP headers") }
    let (width, height) = (Int(features.width), Int(features.height))
    try PixelImage.checkDimensions(width: width, height: height, name: name)

    if features.has_animation != 0 {
        guard let pixels = firstFrame(of: file, width: width, height: height) else { throw .corrupt(name: name, reason: "its WebP frames") }
        if keepsAlpha && background == nil && features.has_alpha != 0 {
            return PixelImage(width: width, height: height, channels: 4, pixels: pixels)
        }
        return background?.under(pixels, width: width, height: height)
            ?? PixelImage(width: width, height: height, fromRGBA: pixels) { value, _, _ in UInt8(value) }
    }
    let channels = (background != nil || keepsAlpha) && features.has_alpha != 0 ? 4 : 3
    var decoded = false
    let pixels = [UInt8](unsafeUninitializedCapacity: width * height * channels) { output, count in
        let stride = Int32(width * channels)
        let result =
            channels == 4
            ? WebPDecodeRGBAInto(file, file.count, output.baseAddress, output.count, stride)
            : WebPDecodeRGBInto(file, file.count, output.baseAddress, output.count, stride)
        decoded = result != nil
        count = decoded ? width * height * channels : 0
    }
    guard decoded else { throw .corrupt(name: name, reason: "its WebP pixels") }
    if channels == 4, let background { return background.under(pixels, width: width, height: height) }
    return PixelImage(width: width, height: height, channels: channels, pixels: pixels)
}

/// The first frame of an animation on its canvas [H, W, 4], transparent where the frame does not reach; nil if it is damaged.
private func firstFrame(of file: [UInt8], width: Int, height: Int) -> [UInt8]? {
    file.withUnsafeBufferPointer { bytes in
        var options = WebPAnimDecoderOptions()
        guard WebPAnimDecoderOptionsInit(&options) != 0 else { return nil }
        options.color_mode = MODE_RGBA
        // The decoder reads from this memory as long as it lives.
        var data = WebPData(bytes: bytes.baseAddress, size: bytes.count)
        guard let decoder = WebPAnimDecoderNew(&data, &options) else { return nil }
        defer { WebPAnimDecoderDelete(decoder) }
        var info = WebPAnimInfo()
        guard WebPAnimDecoderGetInfo(decoder, &info) != 0, info.canvas_width == width, info.canvas_height == height else { return nil }
        var (canvas, time): (UnsafeMutablePointer<UInt8>?, Int32) = (nil, 0)
        guard WebPAnimDecoderGetNext(decoder, &canvas, &time) != 0, let canvas else { return nil }
        return Array(UnsafeBufferPointer(start: canvas, count: 4 * width * height))
    }
}

/// The EXIF chunk; empty if there is none.
func exifBlock(ofWebP file: [UInt8]) -> [UInt8] {
    file.withUnsafeBufferPointer { bytes in
        var data = WebPData(bytes: bytes.baseAddress, size: bytes.count)
        guard let container = WebPDemux(&data) else { return [] }
        defer { WebPDemuxDelete(container) }
        var chunk = WebPChunkIterator()
        defer { WebPDemuxReleaseChunkIterator(&chunk) }
        guard WebPDemuxGetChunk(container, "EXIF", 1, &chunk) != 0 else { return [] }
        return Array(UnsafeBufferPointer(start: chunk.chunk.bytes, count: chunk.chunk.size))
    }
}
