import CurricleEngine
import Testing
import CurricleVision
@testable import CurricleFeatures

struct ColourHistogramTests {
    /// Every level of a byte, through the normalisation and back: as many boxes as colours say, by integers alone.
    @Test("shares of colours, as counted from the bytes", arguments: [1, 3])
    func shares(channels: Int) throws {
        let normalization = PixelNormalization(
            mean: channels == 1 ? [0.3] : [0.485, 0.456, 0.406], std: channels == 1 ? [0.2] : [0.229, 0.224, 0.225])
        let images = 3, pixels = 512
        let bytes = (0..<(images * pixels * channels)).map { i in (i * (i / (pixels * channels) + 1) * 37 + i / 7) % 256 }
        func at(_ values: [Float], _ c: Int) -> Float { values.count == 1 ? values[0] : values[c] }
        let values = bytes.enumerated().map { i, byte in
            (Float(byte) / 255 - at(normalization.mean, i % channels)) / at(normalization.std, i % channels)
        }
        let found = try ColourHistogram(normalization, channels: channels).features(values, images: images)
        let boxes = channels == 1 ? 6 : 216
        for image in 0..<images {
            var counts = [Int](repeating: 0, count: boxes)
            for pixel in 0..<pixels {
                let colour = (0..<channels).map { bytes[(image * pixels + pixel) * channels + $0] * 6 / 256 }
                counts[colour.reduce(0) { $0 * 6 + $1 }] += 1
            }
            for box in 0..<boxes {
                let share = found[image * boxes + box]
                #expect(abs(Double(share * share) * Double(pixels) - Double(counts[box])) < 1e-3)
            }
        }
        #expect(Set(bytes).count == 256)
    }

    @Test("images of other channels have no colours") func channels() {
        #expect(throws: LearningError.self) { _ = try ColourHistogram(PixelNormalization(mean: [0.5], std: [0.5]), channels: 2) }
    }
}
