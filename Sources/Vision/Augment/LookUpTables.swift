/// Operations in which a sample of the result depends on the sample's value, and perhaps on the picture's histogram.
///
/// Source: Pillow's `ImageOps` and `ImageEnhance`; equal to them bit for bit.

extension PixelImage {
    /// Replaces each sample by its entry in a table of 256, the same for all channels.
    mutating func look(up table: [UInt8]) { look(up: [[UInt8]](repeating: table, count: channels)) }

    /// Replaces each sample by its entry in its channel's table of 256.
    mutating func look(up tables: [[UInt8]]) {
        let (channels, joined) = (channels, tables.flatMap { $0 })
        pixels.withUnsafeMutableBufferPointer { pixels in
            joined.withUnsafeBufferPointer { table in
                for pixel in stride(from: 0, to: pixels.count, by: channels) {
                    for channel in 0..<channels { pixels[pixel + channel] = table[256 * channel + Int(pixels[pixel + channel])] }
                }
            }
        }
    }

    /// How often each value occurs: [C][256].
    var histograms: [[Int]] {
        var counts = [Int](repeating: 0, count: 256 * channels)
        for pixel in stride(from: 0, to: pixels.count, by: channels) {
            for channel in 0..<channels { counts[256 * channel + Int(pixels[pixel + channel])] += 1 }
        }
        return (0..<channels).map { Array(counts[(256 * $0)..<(256 * ($0 + 1))]) }
    }
}

/// All values as they are.
private let identity = (0...255).map { UInt8($0) }

/// Stretches each channel from its smallest and largest value to 0 and 255.
func autoContrast(_ image: inout PixelImage) {
    image.look(
        up: image.histograms.map { histogram in
            guard let low = histogram.firstIndex(where: { $0 > 0 }), let high = histogram.lastIndex(where: { $0 > 0 }), low < high else {
                return identity
            }
            let scale = 255 / Double(high - low), offset = -Double(low) * scale
            return (0...255).map { UInt8(min(max(Double($0) * scale + offset, 0), 255)) }
        })
}

/// Makes each channel's values about equally frequent.
func equalize(_ image: inout PixelImage) {
    image.look(
        up: image.histograms.map { histogram in
            let used = histogram.filter { $0 > 0 }
            let step = (used.reduce(0, +) - (used.last ?? 0)) / 255
            guard used.count > 1, step > 0 else { return identity }
            var sum = step / 2
            return histogram.map { count in
                defer { sum += count }
                return UInt8(min(sum / step, 255))
            }
        })
}

func invert(_ image: inout PixelImage) { image.look(up: identity.reversed()) }

/// Keeps the highest `bits` (0…8) of each sample.
func posterize(_ image: inout PixelImage, bits: Int) {
    let mask = UInt8(truncatingIfNeeded: 255 << (8 - min(max(bits, 0), 8)))
    image.look(up: identity.map { $0 & mask })
}

/// Inverts samples of `threshold` (0…256) and above.
func solarize(_ image: inout PixelImage, threshold: Int) { image.look(up: identity.map { Int($0) < threshold ? $0 : 255 - $0 }) }

/// Adds `amount` to samples below 128, up to 255.
func solarizeAdd(_ image: inout PixelImage, amount: Int) {
    image.look(up: identity.map { $0 < 128 ? UInt8(min(max(Int($0) + amount, 0), 255)) : $0 })
}

/// Goes from black (factor 0) through the picture (1) beyond it.
func adjustBrightness(_ image: inout PixelImage, factor: Float) { image.look(up: identity.map { blend(0, $0, factor) }) }

/// Goes from the mean grey (factor 0) through the picture (1) beyond it.
func adjustContrast(_ image: inout PixelImage, factor: Float) {
    let grey = image.luminance
    let sum = grey.reduce(0) { $0 + Int($1) }
    let mean = UInt8(Double(sum) / Double(grey.count) + 0.5)
    image.look(up: identity.map { blend(mean, $0, factor) })
}
