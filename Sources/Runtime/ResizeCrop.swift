import CSupport

/// The library's own resize and centre crop for evaluation, `curricle_resize_crop`.
/// - Parameters:
///   - pixels: [height, width, channels], packed; sides of 1…16384, 1…4 channels.
///   - output: [outputHeight, outputWidth, channels], all written.
/// - Throws: `RuntimeError.badProgram` for sizes that are not possible.
package func resizeCrop(
    _ pixels: UnsafeBufferPointer<UInt8>, width: Int, height: Int, channels: Int, outputWidth: Int, outputHeight: Int,
    into output: UnsafeMutableBufferPointer<UInt8>
) throws(RuntimeError) {
    let sizes = [outputWidth, outputHeight, width, height, channels].map { Int32(clamping: $0) }
    let bytes = curricle_resize_crop_workspace(sizes[0], sizes[1], sizes[2], sizes[3], sizes[4])
    guard bytes > 0, pixels.count == width * height * channels, output.count == outputWidth * outputHeight * channels else {
        throw .badProgram("a picture of \(width)×\(height) with \(channels) channels cannot be made \(outputWidth)×\(outputHeight)")
    }
    let workspace = try Memory(bytes: bytes, purpose: "resizing a picture")
    let status = curricle_resize_crop(
        output.baseAddress, sizes[0], sizes[1], pixels.baseAddress, width * channels, sizes[2], sizes[3], sizes[4], workspace.base)
    guard status == CURRICLE_OK else { throw .badProgram(String(cString: curricle_status_text(status))) }
}
