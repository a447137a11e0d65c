import Testing
@testable import CurricleDatasets
@testable import CurricleVision

@Suite struct ChannelStatisticsTests {
    /// In two passes over floating-point numbers, as numpy's mean and std.
    func reference(_ images: [PixelImage]) -> (mean: [Double], deviation: [Double]) {
        let channels = images[0].channels
        let samples = (0..<channels).map { channel in
            images.flatMap { image in stride(from: channel, to: image.pixels.count, by: channels).map { Double(image.pixels[$0]) / 255 } }
        }
        let means = samples.map { $0.reduce(0, +) / Double($0.count) }
        let deviations = zip(samples, means).map { values, mean in
            (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
        }
        return (means, deviations)
    }

    struct Pictures: ImageSource {
        let images: [PixelImage?]
        var count: Int { images.count }
        let classNames: [ByteName] = []
        func label(at index: Int) -> Int? { nil }
        func name(at index: Int) -> ByteName { "picture#\(index)" }
        func image(at index: Int) throws(VisionError) -> PixelImage {
            guard let image = images[index] else { throw .corrupt(name: "\(name(at: index))", reason: "made so") }
            return image
        }
    }

    @Test("equals two passes", arguments: [1, 3, 7]) func equalsTwoPasses(_ channels: Int) {
        let images = (1...600).map { noise(height: 1 + $0 % 5, width: 2 + $0 % 7, channels: channels, seed: UInt32($0)) }
        let (found, broken) = ChannelStatistics.over(Pictures(images: images))
        let expected = reference(images)
        #expect(
            broken.isEmpty && found.images == 600 && found.channels == channels
                && found.pixels == images.reduce(0) { $0 + $1.width * $1.height })
        for channel in 0..<channels {
            #expect(
                abs(found.mean[channel] - expected.mean[channel]) < 1e-12
                    && abs(found.deviation[channel] - expected.deviation[channel]) < 1e-12)
        }
    }

    @Test("constants have no deviation") func constantsHaveNoDeviation() {
        let (found, _) = ChannelStatistics.over(Pictures(images: [PixelImage(width: 300, height: 200, color: [255, 51, 0])]))
        #expect(found.mean == [1, 0.2, 0] && found.deviation == [0, 0, 0])
    }

    @Test("broken and other images are named") func brokenAndOtherImagesAreNamed() {
        let grey = noise(height: 2, width: 2, channels: 1), colour = noise(height: 2, width: 2, channels: 3)
        let (found, broken) = ChannelStatistics.over(Pictures(images: [nil, grey, colour, grey]))
        #expect(
            found.images == 2
                && broken == [.corrupt(name: "picture#0", reason: "made so"), .channelMismatch(name: "picture#2", has: 3, wants: 1)])
        #expect(ChannelStatistics.over(Pictures(images: [nil])).statistics.images == 0)
    }

    @Test("a limit is spread evenly") func aLimitIsSpreadEvenly() {
        let images = (0..<100).map { PixelImage(width: 1, height: 1, color: [UInt8($0)]) }
        let (found, _) = ChannelStatistics.over(Pictures(images: images), limit: 10)
        // 5, 15, … 95
        #expect(found.images == 10 && abs(found.mean[0] - 50.0 / 255) < 1e-12)
        #expect(ChannelStatistics.over(Pictures(images: images), limit: 1000).statistics.images == 100)
    }
}
