import CSupport

/// Which pass of a resize comes first.
package enum PassOrder: String, Sendable, CaseIterable, Codable {
    /// As in Pillow 13: the vertical one where the height loses more than twice the pixels that the width does.
    case pillow13
    /// Always the horizontal one, as in Pillow up to 12. Where the orders differ some bytes differ by one.
    case horizontalFirst = "pillow12"

    /// What its options say of it.
    package static let help =
        "which Pillow's resize: pillow13 (vertically first where the height loses more than twice the pixels that the width does) or "
        + "pillow12 (always "
        + "horizontally first, as up to 12: some bytes differ by one)"
}

/// Crops, then resizes with Pillow's antialiased bicubic filter, bit for bit.
///
/// Source: Pillow's `ImagingResample` (Resample.c, version 13.0), the resize that MAE's PIL pipeline applies; `CSupport/resample.c` is the
/// implementation.
/// - Parameters:
///   - image: any number of channels; each is resampled for itself.
///   - box: what to keep; parts outside of the image are left out.
///   - width: of the result, at least 1.
///   - height: of the result, at least 1.
///   - order: of the two passes.
/// - Returns: [height, width, C]. A box that already has this size is copied unchanged, as Pillow does.
package func resizeBicubic(_ image: PixelImage, box: CropBox, width: Int, height: Int, order: PassOrder = .pillow13) -> PixelImage {
    precondition((1...65536).contains(width) && (1...65536).contains(height), "a resized image has sides of 1…65536")
    return resizeBicubic(
        image, box: box, width: width, height: height, part: CropBox(top: 0, left: 0, height: height, width: width), order: order)
}

/// The same, but only a part of the result is made.
/// - Parameter part: inside the resized picture.
func resizeBicubic(_ image: PixelImage, box: CropBox, width: Int, height: Int, part: CropBox, order: PassOrder) -> PixelImage {
    let kept = box.clamped(to: image)
    guard image.channels <= 4 else { return resizeInGroups(image, kept, width: width, height: height, part: part, order: order) }
    var resize = curricle_resize()
    (resize.input_width, resize.input_height, resize.channels) = (Int32(kept.width), Int32(kept.height), Int32(image.channels))
    (resize.output_width, resize.output_height) = (Int32(width), Int32(height))
    (resize.left, resize.top, resize.width, resize.height) = (Int32(part.left), Int32(part.top), Int32(part.width), Int32(part.height))
    resize.horizontal_first = order == .horizontalFirst ? 1 : 0
    let stride = image.width * image.channels
    let pixels = [UInt8](unsafeUninitializedCapacity: part.width * part.height * image.channels) { output, count in
        withUnsafeTemporaryAllocation(byteCount: curricle_resize_workspace(&resize), alignment: 8) { workspace in
            image.pixels.withUnsafeBufferPointer { input in
                guard let start = input.baseAddress, let result = output.baseAddress else { return }
                _ = curricle_resize_bicubic(
                    result, start + kept.top * stride + kept.left * image.channels, stride, &resize, workspace.baseAddress)
            }
        }
        count = part.width * part.height * image.channels
    }
    return PixelImage(width: part.width, height: part.height, channels: image.channels, pixels: pixels)
}

/// The resampler takes up to four channels at a time, so more go through it in groups of four.
private func resizeInGroups(_ image: PixelImage, _ box: CropBox, width: Int, height: Int, part: CropBox, order: PassOrder) -> PixelImage {
    var pixels = [UInt8](repeating: 0, count: part.width * part.height * image.channels)
    for first in stride(from: 0, to: image.channels, by: 4) {
        let channels = first..<min(first + 4, image.channels)
        let some = channelsOf(image, channels, in: box)
        let group = resizeBicubic(some, box: CropBox(whole: some), width: width, height: height, part: part, order: order)
        for pixel in 0..<(part.width * part.height) {
            for (place, channel) in channels.enumerated() {
                pixels[pixel * image.channels + channel] = group.pixels[pixel * channels.count + place]
            }
        }
    }
    return PixelImage(width: part.width, height: part.height, channels: image.channels, pixels: pixels)
}

/// Some channels of a part of an image: [box.height, box.width, channels.count].
private func channelsOf(_ image: PixelImage, _ channels: Range<Int>, in box: CropBox) -> PixelImage {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(box.height * box.width * channels.count)
    for row in box.top..<(box.top + box.height) {
        for column in box.left..<(box.left + box.width) {
            let pixel = (row * image.width + column) * image.channels
            pixels.append(contentsOf: image.pixels[(pixel + channels.lowerBound)..<(pixel + channels.upperBound)])
        }
    }
    return PixelImage(width: box.width, height: box.height, channels: channels.count, pixels: pixels)
}

/// torchvision's `Resize(resizeTo)` (bicubic, antialiased) and `CenterCrop((height, width))`, with its rounding.
///
/// The shorter side becomes `resizeTo`, the longer `Int(resizeTo · long / short)`; the crop starts at `round((H − height) / 2)` with halves
/// to even; where the resized image is smaller than the crop, zeros are added. For evaluation as in MAE see `evaluationResize`.
/// What the crop leaves out is not even computed, so a needle of a picture costs no more than any other.
package func resizeShorterSideAndCentreCrop(
    _ image: PixelImage, height: Int, width: Int, resizeTo: Int, order: PassOrder = .pillow13
) -> PixelImage {
    let short = min(image.height, image.width), long = max(image.height, image.width)
    let newLong = Int(Double(resizeTo) * Double(long) / Double(short))
    let (newWidth, newHeight) = image.height > image.width ? (resizeTo, newLong) : (newLong, resizeTo)
    let part = CropBox(
        top: max(0, cropStart(newHeight, height)), left: max(0, cropStart(newWidth, width)), height: min(height, newHeight),
        width: min(width, newWidth))
    let resized = resizeBicubic(image, box: CropBox(whole: image), width: newWidth, height: newHeight, part: part, order: order)
    return padded(resized, height: height, width: width)
}

/// The shorter side to resize to before a centre crop to `height` × `width`, as MAE does.
///
/// Square targets: `Int(size · 256 / 224)` up to 224 pixels, the size itself above. Others: the smallest shorter side at which both target
/// sides, times 256 / 224 where the shorter of them is at most 224, are covered.
package func evaluationResize(of image: PixelImage, height: Int, width: Int) -> Int {
    func beforeCrop(_ side: Double) -> Double { min(height, width) > 224 ? side : side * 256 / 224 }
    if height == width { return Int(beforeCrop(Double(height))) }
    let scale = beforeCrop(max(Double(height) / Double(image.height), Double(width) / Double(image.width)))
    return max(1, Int((scale * Double(min(image.height, image.width))).rounded(.up)))
}

/// Zeros round an image that is smaller than is wanted, as torchvision's `CenterCrop` adds them.
private func padded(_ image: PixelImage, height: Int, width: Int) -> PixelImage {
    if image.height == height && image.width == width { return image }
    let (top, left, row) = ((height - image.height) / 2, (width - image.width) / 2, image.width * image.channels)
    var pixels = [UInt8](repeating: 0, count: height * width * image.channels)
    for y in 0..<image.height {
        let target = ((y + top) * width + left) * image.channels
        pixels.replaceSubrange(target..<(target + row), with: image.pixels[(y * row)..<((y + 1) * row)])
    }
    return PixelImage(width: width, height: height, channels: image.channels, pixels: pixels)
}

/// Where a centred crop of `target` begins; negative when `size` is smaller and zeros come first.
private func cropStart(_ size: Int, _ target: Int) -> Int {
    if size < target { return -((target - size) / 2) }
    return Int((Double(size - target) / 2).rounded(.toNearestOrEven))
}
