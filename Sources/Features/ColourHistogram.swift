import CurricleEngine
import CurricleVision

/// Which colours an image has, and how much of each: what no learning is needed for, and what features are to beat.
struct ColourHistogram {
    /// Boxes of a channel.
    private static let boxes = 6
    private let scale: [Float], shift: [Float]

    /// Numbers that stand for an image.
    static func width(channels: Int) -> Int { channels == 1 ? boxes : boxes * boxes * boxes }

    /// - Throws: `LearningError.configuration` for images that are neither grey nor RGB.
    init(_ normalization: PixelNormalization, channels: Int) throws(LearningError) {
        guard channels == 1 || channels == 3 else {
            throw .configuration(
                "images of \(channels) channels are neither grey nor of colours: take the features \(Pooling.pixels.rawValue)")
        }
        func each(_ values: [Float]) -> [Float] { values.count == 1 ? Array(repeating: values[0], count: channels) : values }
        (scale, shift) = (each(normalization.std), each(normalization.mean))
    }

    /// √(share of pixels in a box), [images, boxes], red the slowest, of normalised values [.., channels].
    func features(_ values: [Float], images: Int) -> [Float] {
        let channels = scale.count, width = ColourHistogram.width(channels: channels), pixels = values.count / images / channels
        var counts = [Float](repeating: 0, count: images * width)
        for image in 0..<images {
            for pixel in 0..<pixels {
                var box = 0
                for channel in 0..<channels {
                    let value = values[(image * pixels + pixel) * channels + channel] * scale[channel] + shift[channel]
                    let level = Int((min(max(value, 0), 1) * 255).rounded())
                    box = box * ColourHistogram.boxes + level * ColourHistogram.boxes / 256
                }
                counts[image * width + box] += 1
            }
        }
        return counts.map { ($0 / Float(pixels)).squareRoot() }
    }
}
