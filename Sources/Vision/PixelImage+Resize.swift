import CSupport

/// Crops, then resizes with Pillow's antialiased bicubic filter, bit for bit.
///
/// Source: Pillow's `ImagingResample` (Resample.c), the resize that MAE's PIL pipeline applies; `CSupport/resample.c` is the implementation.
/// - Parameters:
///   - image: any number of channels; each is resampled for itself.
///   - box: what to keep; parts outside of the image are left out.
///   - width: of the result, at least 1.
///   - height: of the result, at least 1.
/// - Returns: [height, width, C]. A box that already has this size is copied unchanged, as Pillow does.
public func resizeBicubic(_ image: PixelImage, box: CropBox, width: Int, height: Int) -> PixelImage {
    precondition((1...65536).contains(width) && (1...65536).contains(height), "a resized image has sides of 1…65536")
    let kept = box.clamped(to: image)
    guard image.channels <= 4 else { return resizeInGroups(image, kept, width: width, height: height) }
    let pixels = [UInt8](unsafeUninitializedCapacity: width * height * image.channels) { output, count in
        resample(image, kept, width: width, height: height, into: output)
        count = width * height * image.channels
    }
    return PixelImage(width: width, height: height, channels: image.channels, pixels: pixels)
}

/// The resampler takes up to four channels at a time, so more go through it in groups of four.
private func resizeInGroups(_ image: PixelImage, _ box: CropBox, width: Int, height: Int) -> PixelImage {
    var pixels = [UInt8](repeating: 0, count: width * height * image.channels)
    for first in stride(from: 0, to: image.channels, by: 4) {
        let channels = first..<min(first + 4, image.channels)
        let part = channelsOf(image, channels, in: box)
        let group = resizeBicubic(part, box: CropBox(whole: part), width: width, height: height)
        for pixel in 0..<(width * height) {
            for (place, channel) in channels.enumerated() { pixels[pixel * image.channels + channel] = group.pixels[pixel * channels.count + place] }
        }
    }
    return PixelImage(width: width, height: height, channels: image.channels, pixels: pixels)
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

private func resample(_ image: PixelImage, _ box: CropBox, width: Int, height: Int, into output: UnsafeMutableBufferPointer<UInt8>) {
    let sizes = (Int32(width), Int32(height), Int32(box.width), Int32(box.height), Int32(image.channels))
    let workspaceBytes = curricle_resize_workspace(sizes.0, sizes.1, sizes.2, sizes.3, sizes.4)
    let stride = image.width * image.channels
    withUnsafeTemporaryAllocation(byteCount: workspaceBytes, alignment: 8) { workspace in
        image.pixels.withUnsafeBufferPointer { input in
            guard let start = input.baseAddress, let result = output.baseAddress else { return }
            _ = curricle_resize_bicubic(
                result, sizes.0, sizes.1, start + box.top * stride + box.left * image.channels, stride, sizes.2, sizes.3, sizes.4, workspace.baseAddress)
        }
    }
}

/// torchvision's `Resize(resizeTo)` (bicubic, antialiased) and `CenterCrop((height, width))`, with its rounding.
///
/// The shorter side becomes `resizeTo`, the longer `Int(resizeTo · long / short)`; the crop starts at `round((H − height) / 2)` with halves to even;
/// where the resized image is smaller than the crop, zeros are added. An image that already has the target size is returned as it is.
/// For evaluation as in MAE: `resizeTo = size · 256 / 224`, see `evaluationResize`.
public func resizeShorterSideAndCentreCrop(_ image: PixelImage, height: Int, width: Int, resizeTo: Int) -> PixelImage {
    if image.height == height && image.width == width { return image }
    let short = min(image.height, image.width)
    let long = max(image.height, image.width)
    // A needle of a picture must not ask for a side no allocation can hold: far beyond any crop it is cut off anyway.
    let newLong = min(Int(Double(resizeTo) * Double(long) / Double(short)), 65536)
    let tall = image.height > image.width
    let resized = resizeBicubic(image, box: CropBox(whole: image), width: tall ? resizeTo : newLong, height: tall ? newLong : resizeTo)
    return centreCrop(resized, height: height, width: width)
}

/// The shorter side to resize to before a centre crop to `height` × `width`, at MAE's ratio 256 / 224.
///
/// Square targets: `Int(size · 256 / 224)`. Others: the smallest shorter side at which both target sides, times 256 / 224, are covered.
public func evaluationResize(of image: PixelImage, height: Int, width: Int) -> Int {
    if height == width { return height * 256 / 224 }
    let scale = max(Double(height) / Double(image.height), Double(width) / Double(image.width)) * 256 / 224
    return max(1, Int((scale * Double(min(image.height, image.width))).rounded(.up)))
}

/// torchvision's `CenterCrop`, zeros round an image that is too small.
func centreCrop(_ image: PixelImage, height: Int, width: Int) -> PixelImage {
    if image.height == height && image.width == width { return image }
    let top = cropStart(image.height, height)
    let left = cropStart(image.width, width)
    let channels = image.channels
    var pixels = [UInt8](repeating: 0, count: height * width * channels)
    let firstColumn = max(0, -left)
    let endColumn = min(width, image.width - left)
    for row in max(0, -top)..<min(height, image.height - top) {
        let source = ((row + top) * image.width + firstColumn + left) * channels
        let target = (row * width + firstColumn) * channels
        let length = (endColumn - firstColumn) * channels
        pixels.replaceSubrange(target..<(target + length), with: image.pixels[source..<(source + length)])
    }
    return PixelImage(width: width, height: height, channels: channels, pixels: pixels)
}

/// Where a centred crop of `target` begins; negative when `size` is smaller and zeros come first.
private func cropStart(_ size: Int, _ target: Int) -> Int {
    if size < target { return -((target - size) / 2) }
    return Int((Double(size - target) / 2).rounded(.toNearestOrEven))
}
