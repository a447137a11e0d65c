import Foundation

/// Where a result's point (x, y) lies in the picture: (a·x + b·y + c, d·x + e·y + f), pixels' centres at halves.
struct AffineMap: Sendable, Equatable {
    var a = 1.0, b = 0.0, c = 0.0
    var d = 0.0, e = 1.0, f = 0.0

    static func shear(x: Double) -> AffineMap { AffineMap(b: x) }
    static func shear(y: Double) -> AffineMap { AffineMap(d: y) }
    static func translation(x: Double, y: Double) -> AffineMap { AffineMap(c: x, f: y) }

    /// Anticlockwise about the centre of a picture of this size, as Pillow's `rotate`: sine and cosine are rounded to 15 decimals.
    static func rotation(degrees: Double, width: Int, height: Int) -> AffineMap {
        let turn = degrees.truncatingRemainder(dividingBy: 360)
        let angle = -((turn < 0 ? turn + 360 : turn) * (.pi / 180))
        var map = AffineMap(a: rounded(cos(angle)), b: rounded(sin(angle)), d: rounded(-sin(angle)), e: rounded(cos(angle)))
        let (x, y) = (Double(width) / 2, Double(height) / 2)
        map.c = map.a * -x + map.b * -y + x
        map.f = map.d * -x + map.e * -y + y
        return map
    }

    private static func rounded(_ value: Double) -> Double { Double(String(format: "%.15f", value)) ?? value }
}

/// How values between pixels are found.
package enum Interpolation: String, Sendable, Codable { case bilinear, bicubic }

/// Moves a picture's content; its size stays.
///
/// Source: Pillow's `Image.transform` (Geometry.c: cubic with a = −1, double precision, fractions cut off), equal to it bit for bit.
/// - Parameters:
///   - fill: a value for each channel, where the result shows what lies outside.
func transformed(_ image: PixelImage, by map: AffineMap, interpolation: Interpolation, fill: [UInt8]) -> PixelImage {
    precondition(fill.count == image.channels, "a fill has a value for each channel")
    let (width, height, channels) = (image.width, image.height, image.channels)
    var result = PixelImage(width: width, height: height, color: fill)
    image.pixels.withUnsafeBufferPointer { input in
        result.pixels.withUnsafeMutableBufferPointer { output in
            for row in 0..<height {
                for column in 0..<width {
                    let (x, y) = (Double(column) + 0.5, Double(row) + 0.5)
                    let sourceX = map.a * x + map.b * y + map.c, sourceY = map.d * x + map.e * y + map.f
                    guard sourceX >= 0, sourceX < Double(width), sourceY >= 0, sourceY < Double(height) else { continue }
                    let place = (row * width + column) * channels
                    for first in stride(from: 0, to: channels, by: 4) {
                        let lanes = min(4, channels - first)
                        let sampler = Sampler(input: input, width: width, height: height, channels: channels, first: first, lanes: lanes)
                        let value =
                            interpolation == .bicubic
                            ? sampler.cubic(sourceX - 0.5, sourceY - 0.5) : sampler.linear(sourceX - 0.5, sourceY - 0.5)
                        for lane in 0..<lanes { output[place + first + lane] = UInt8(min(max(value[lane], 0), 255)) }
                    }
                }
            }
        }
    }
    return result
}

/// Reads a picture between its pixels, up to four channels at once.
private struct Sampler {
    let input: UnsafeBufferPointer<UInt8>
    let width: Int, height: Int, channels: Int
    let first: Int, lanes: Int

    /// The pixel in a row, the nearest one where the column lies outside.
    @inline(__always)
    private func pixel(_ row: Int, _ column: Int) -> SIMD4<Double> {
        let place = (row * width + min(max(column, 0), width - 1)) * channels + first
        if lanes == 3 { return SIMD4(Double(input[place]), Double(input[place + 1]), Double(input[place + 2]), 0) }
        var value = SIMD4<Double>()
        for lane in 0..<lanes { value[lane] = Double(input[place + lane]) }
        return value
    }

    func linear(_ x: Double, _ y: Double) -> SIMD4<Double> {
        let (column, row) = (Int(x.rounded(.down)), Int(y.rounded(.down)))
        let (dx, dy) = (x - Double(column), y - Double(row))
        func across(_ row: Int) -> SIMD4<Double> {
            let (left, right) = (pixel(row, column), pixel(row, column + 1))
            return left + (right - left) * dx
        }
        let upper = across(max(row, 0))
        let lower = row + 1 < height ? across(row + 1) : upper
        return upper + (lower - upper) * dy
    }

    func cubic(_ x: Double, _ y: Double) -> SIMD4<Double> {
        let (column, row) = (Int(x.rounded(.down)) - 1, Int(y.rounded(.down)) - 1)
        let (dx, dy) = (x - Double(column + 1), y - Double(row + 1))
        func across(_ row: Int) -> SIMD4<Double> {
            cubicBetween(pixel(row, column), pixel(row, column + 1), pixel(row, column + 2), pixel(row, column + 3), dx)
        }
        let first = across(min(max(row, 0), height - 1))
        // A row outside repeats the one before it.
        func next(_ row: Int, after previous: SIMD4<Double>) -> SIMD4<Double> { row >= 0 && row < height ? across(row) : previous }
        let second = next(row + 1, after: first)
        let third = next(row + 2, after: second)
        return cubicBetween(first, second, third, next(row + 3, after: third), dy)
    }
}

/// The cubic through b (at 0) and c (at 1) with a = −1, in Pillow's order of operations.
@inline(__always)
private func cubicBetween(_ a: SIMD4<Double>, _ b: SIMD4<Double>, _ c: SIMD4<Double>, _ d: SIMD4<Double>, _ t: Double) -> SIMD4<Double> {
    let linear = c - a
    let square = 2 * (a - b) + c - d
    let cube = b - a - c + d
    return b + t * (linear + t * (square + t * cube))
}
