/// Cuts an image into normalised patches.
///
/// Source: MAE's `patchify`; the order inside a patch is (row, column, channel), unlike the (channel, row, column) of `patch_embed.proj`.
/// - Parameters:
///   - image: [H, W, C] of the grid's size; one channel is copied to each of the model's.
///   - patches: [L, P], all of it is written.
package func patchify(
    _ image: PixelImage, grid: PatchGrid, normalization: PixelNormalization, into patches: UnsafeMutableBufferPointer<Float>
) {
    precondition(image.height == grid.imageHeight && image.width == grid.imageWidth, "the image must have the grid's size")
    precondition(image.channels == grid.channels || image.channels == 1, "the image must have one channel or the grid's")
    precondition(patches.count >= grid.count * grid.patchWidth, "patches must hold [L, P]")
    let (scale, shift) = normalization.scaleAndShift(channels: grid.channels)
    // One row of one patch is contiguous in the image and in the patch, so scale and shift are laid out for such a row.
    let segment = grid.patchSize * grid.channels
    let scales = (0..<segment).map { scale[$0 % grid.channels] }
    let shifts = (0..<segment).map { shift[$0 % grid.channels] }
    let line = grid.imageWidth * grid.channels
    image.pixels.withUnsafeBufferPointer { pixels in
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: line) { spread in
            for y in 0..<grid.imageHeight {
                let source: UnsafeBufferPointer<UInt8>
                if image.channels == grid.channels {
                    source = UnsafeBufferPointer(rebasing: pixels[(y * line)..<((y + 1) * line)])
                } else {
                    for i in 0..<line { spread[i] = pixels[y * grid.imageWidth + i / grid.channels] }
                    source = UnsafeBufferPointer(spread)
                }
                for column in 0..<grid.columns {
                    let target = ((y / grid.patchSize) * grid.columns + column) * grid.patchWidth + (y % grid.patchSize) * segment
                    normalizeSegment(source, from: column * segment, scales: scales, shifts: shifts, into: patches, at: target)
                }
            }
        }
    }
}

/// out[i] = Float(in[i]) · scales[i] + shifts[i]: multiply, then add, in vectors and in the tail.
@inline(__always)
private func normalizeSegment(
    _ source: UnsafeBufferPointer<UInt8>, from first: Int, scales: [Float], shifts: [Float], into target: UnsafeMutableBufferPointer<Float>,
    at place: Int
) {
    scales.withUnsafeBytes { scales in
        shifts.withUnsafeBytes { shifts in
            let input = UnsafeRawBufferPointer(source)
            let output = UnsafeMutableRawBufferPointer(target)
            let count = scales.count / 4
            var i = 0
            while i + 8 <= count {
                let bytes = input.loadUnaligned(fromByteOffset: first + i, as: SIMD8<UInt8>.self)
                let scale = scales.loadUnaligned(fromByteOffset: 4 * i, as: SIMD8<Float>.self)
                let shift = shifts.loadUnaligned(fromByteOffset: 4 * i, as: SIMD8<Float>.self)
                let value = SIMD8<Float>(SIMD8<Int32>(truncatingIfNeeded: bytes)) * scale + shift
                output.storeBytes(of: value, toByteOffset: 4 * (place + i), as: SIMD8<Float>.self)
                i += 8
            }
            while i < count {
                let scale = scales.load(fromByteOffset: 4 * i, as: Float.self)
                let shift = shifts.load(fromByteOffset: 4 * i, as: Float.self)
                target[place + i] = Float(source[first + i]) * scale + shift
                i += 1
            }
        }
    }
}

/// Cuts planes of numbers [C, H, W] into patches [L, P], (row, column, channel) inside a patch.
package func patchify(planes: UnsafeBufferPointer<Float>, grid: PatchGrid, into patches: UnsafeMutableBufferPointer<Float>) {
    precondition(planes.count >= grid.channels * grid.imageHeight * grid.imageWidth, "planes must hold [C, H, W]")
    precondition(patches.count >= grid.count * grid.patchWidth, "patches must hold [L, P]")
    forEachSegment(grid) { plane, patch in
        for column in 0..<grid.patchSize { patches[patch + column * grid.channels] = planes[plane + column] }
    }
}

/// Puts patches [L, P] back together as planes [C, H, W].
package func unpatchify(_ patches: UnsafeBufferPointer<Float>, grid: PatchGrid) -> [Float] {
    precondition(patches.count >= grid.count * grid.patchWidth, "patches must hold [L, P]")
    var planes = [Float](repeating: 0, count: grid.channels * grid.imageHeight * grid.imageWidth)
    forEachSegment(grid) { plane, patch in
        for column in 0..<grid.patchSize { planes[plane + column] = patches[patch + column * grid.channels] }
    }
    return planes
}

/// Every run of one channel, one row, one patch: its first place in [C, H, W] and its first in [L, P], where it goes on in steps of C.
private func forEachSegment(_ grid: PatchGrid, _ body: (_ plane: Int, _ patch: Int) -> Void) {
    let segment = grid.patchSize * grid.channels
    for channel in 0..<grid.channels {
        for y in 0..<grid.imageHeight {
            for column in 0..<grid.columns {
                let plane = (channel * grid.imageHeight + y) * grid.imageWidth + column * grid.patchSize
                let patch = ((y / grid.patchSize) * grid.columns + column) * grid.patchWidth + (y % grid.patchSize) * segment + channel
                body(plane, patch)
            }
        }
    }
}

/// Puts normalised patches [L, P] back together as a picture: (value · std + mean) · 255, rounded, clamped to 0…255 (not-a-number becomes
/// 0).
package func unpatchify(_ patches: UnsafeBufferPointer<Float>, grid: PatchGrid, normalization: PixelNormalization) -> PixelImage {
    precondition(patches.count >= grid.count * grid.patchWidth, "patches must hold [L, P]")
    let (scale, shift) = normalization.scaleAndShift(channels: grid.channels)
    let segment = grid.patchSize * grid.channels
    var pixels = [UInt8](repeating: 0, count: grid.imageHeight * grid.imageWidth * grid.channels)
    for y in 0..<grid.imageHeight {
        for column in 0..<grid.columns {
            let patch = ((y / grid.patchSize) * grid.columns + column) * grid.patchWidth + (y % grid.patchSize) * segment
            let pixel = (y * grid.imageWidth + column * grid.patchSize) * grid.channels
            for i in 0..<segment {
                let channel = i % grid.channels
                let value = ((patches[patch + i] - shift[channel]) / scale[channel]).rounded()
                pixels[pixel + i] = value > 0 ? UInt8(min(value, 255)) : 0
            }
        }
    }
    return PixelImage(width: grid.imageWidth, height: grid.imageHeight, channels: grid.channels, pixels: pixels)
}
