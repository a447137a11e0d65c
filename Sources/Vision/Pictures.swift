/// Rows of images as one picture, for film strips and panels.
///
/// - Parameters:
///   - images: rows; rows may differ in length, images in size: each stands at the top left of its cell, cells have the largest image's
///     size.
///   - padding: pixels between the images and round them.
///   - background: the grey level of what is empty.
/// - Returns: RGB; grey images are copied to the three channels. A single background pixel when there is no image.
package func tile(_ images: [[PixelImage]], padding: Int, background: UInt8 = 255) -> PixelImage {
    let all = images.flatMap { $0 }
    let columns = images.map(\.count).max() ?? 0
    let cellWidth = (all.map(\.width).max() ?? 0) + padding
    let cellHeight = (all.map(\.height).max() ?? 0) + padding
    let width = max(1, columns * cellWidth + padding)
    let height = max(1, images.count * cellHeight + padding)
    var canvas = PixelImage(width: width, height: height, color: [background, background, background])
    for (row, line) in images.enumerated() {
        for (column, image) in line.enumerated() {
            paste(image, onto: &canvas, top: padding + row * cellHeight, left: padding + column * cellWidth)
        }
    }
    return canvas
}

/// Copies an image onto an RGB canvas; what would lie outside is left out.
func paste(_ image: PixelImage, onto canvas: inout PixelImage, top: Int, left: Int) {
    let (width, height) = (min(image.width, canvas.width - left), min(image.height, canvas.height - top))
    let canvasWidth = canvas.width
    guard width > 0, height > 0 else { return }
    canvas.pixels.withUnsafeMutableBufferPointer { pixels in
        for y in 0..<height {
            for x in 0..<width {
                for channel in 0..<3 {
                    let source = (y * image.width + x) * image.channels + min(channel, image.channels - 1)
                    pixels[((top + y) * canvasWidth + left + x) * 3 + channel] = image.pixels[source]
                }
            }
        }
    }
}

/// Each pixel as a square of `factor` × `factor` pixels.
package func scaled(_ image: PixelImage, by factor: Int) -> PixelImage {
    precondition(factor >= 1, "a factor is at least 1")
    let (width, height, channels) = (image.width * factor, image.height * factor, image.channels)
    let pixels = [UInt8](unsafeUninitializedCapacity: width * height * channels) { output, count in
        for y in 0..<height {
            for x in 0..<width {
                for channel in 0..<channels {
                    output[(y * width + x) * channels + channel] =
                        image.pixels[((y / factor) * image.width + x / factor) * channels + channel]
                }
            }
        }
        count = width * height * channels
    }
    return PixelImage(width: width, height: height, channels: channels, pixels: pixels)
}

/// Values as colours, dark blue (smallest) by green to yellow (largest).
///
/// - Parameters:
///   - values: [rows, columns]; not-a-number is drawn grey.
///   - cell: side of one value's square in pixels.
/// - Returns: RGB, [rows · cell, columns · cell]. When all values are equal, the middle colour.
package func heatmap(values: [Float], rows: Int, columns: Int, cell: Int) -> PixelImage {
    precondition(rows >= 1 && columns >= 1 && cell >= 1 && values.count == rows * columns, "values must be [rows, columns]")
    let finite = values.filter(\.isFinite)
    let (low, high) = (finite.min() ?? 0, finite.max() ?? 0)
    let range = Double(high) - Double(low)
    var pixels: [UInt8] = []
    pixels.reserveCapacity(values.count * 3)
    for value in values {
        if value.isNaN {
            pixels += [128, 128, 128]
        } else {
            let clamped = Double(min(max(value, low), high))
            pixels += viridis(range > 0 ? (clamped - Double(low)) / range : 0.5)
        }
    }
    return scaled(PixelImage(width: columns, height: rows, channels: 3, pixels: pixels), by: cell)
}

/// Nine points of matplotlib's viridis (CC0), its lightness even and rising.
private let viridisPoints: [(Double, Double, Double)] = [
    (68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141), (39, 173, 129), (92, 200, 99), (170, 220, 50), (253, 231, 37)
]

/// The colour at a place in 0…1, linear between the points.
func viridis(_ place: Double) -> [UInt8] {
    let scaled = min(max(place, 0), 1) * Double(viridisPoints.count - 1)
    let first = min(Int(scaled), viridisPoints.count - 2)
    let part = scaled - Double(first)
    let (a, b) = (viridisPoints[first], viridisPoints[first + 1])
    return [(a.0, b.0), (a.1, b.1), (a.2, b.2)].map { UInt8(($0 + ($1 - $0) * part).rounded()) }
}
