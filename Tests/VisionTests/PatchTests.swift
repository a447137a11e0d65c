import Testing
@testable import CurricleDatasets
@testable import CurricleVision

@Suite struct PatchTests {
    static let grids = [
        (6, 12, 18, 3), (7, 7, 21, 1), (14, 28, 14, 3), (6, 18, 12, 4), (7, 14, 14, 2), (16, 32, 48, 3), (1, 3, 5, 3), (4, 28, 28, 1)
    ].map { PatchGrid(imageHeight: $0.1, imageWidth: $0.2, patchSize: $0.0, channels: $0.3) }

    /// One statistic a channel, for any number of channels.
    static func normalization(_ channels: Int) -> PixelNormalization {
        PixelNormalization(
            mean: Array([0.485, 0.456, 0.406, 0.5].prefix(channels)), std: Array([0.229, 0.224, 0.225, 0.3].prefix(channels)))
    }

    /// The place of (y, x, channel) among the patches.
    static func place(_ grid: PatchGrid, _ y: Int, _ x: Int, _ channel: Int) -> Int {
        let p = grid.patchSize
        let patch = (y / p) * (grid.imageWidth / p) + x / p
        return patch * (p * p * grid.channels) + ((y % p) * p + x % p) * grid.channels + channel
    }

    static func patches(_ image: PixelImage, _ grid: PatchGrid, _ normalization: PixelNormalization) -> [Float] {
        [Float](unsafeUninitializedCapacity: grid.count * grid.patchWidth) { buffer, count in
            count = grid.count * grid.patchWidth
            patchify(image, grid: grid, normalization: normalization, into: UnsafeMutableBufferPointer(rebasing: buffer[0..<count]))
        }
    }

    @Test("patchify equals plain loops", arguments: grids) func patchifyEqualsPlainLoops(_ grid: PatchGrid) {
        let image = noise(height: grid.imageHeight, width: grid.imageWidth, channels: grid.channels)
        let normalization = Self.normalization(grid.channels)
        let patches = Self.patches(image, grid, normalization)
        var (exact, worst) = (true, 0.0)
        for y in 0..<grid.imageHeight {
            for x in 0..<grid.imageWidth {
                for c in 0..<grid.channels {
                    let byte = image.pixels[(y * grid.imageWidth + x) * grid.channels + c]
                    let (mean, std) = (Double(normalization.mean[c]), Double(normalization.std[c]))
                    let value = patches[Self.place(grid, y, x, c)]
                    let product = Float(byte) * Float(1 / (255 * std))
                    exact = exact && value == product + Float(-mean / std)
                    worst = max(worst, abs(Double(value) - (Double(byte) / 255 - mean) / std))
                }
            }
        }
        #expect(exact && worst < 1e-6)
        let back = patches.withUnsafeBufferPointer { unpatchify($0, grid: grid, normalization: normalization) }
        #expect(back == image)
    }

    @Test("grey fills the models channels", arguments: [2, 3, 4]) func greyFillsTheModelsChannels(_ channels: Int) {
        let grid = PatchGrid(imageHeight: 14, imageWidth: 21, patchSize: 7, channels: channels)
        let grey = noise(height: 14, width: 21, channels: 1)
        let spread = PixelImage(
            width: 21, height: 14, channels: channels, pixels: grey.pixels.flatMap { [UInt8](repeating: $0, count: channels) })
        #expect(Self.patches(grey, grid, Self.normalization(channels)) == Self.patches(spread, grid, Self.normalization(channels)))
    }

    @Test("one statistic serves all channels") func oneStatisticServesAllChannels() {
        let grid = PatchGrid(imageHeight: 6, imageWidth: 6, patchSize: 6, channels: 3)
        let image = noise(height: 6, width: 6, channels: 3)
        let one = PixelNormalization(mean: [0.4], std: [0.2])
        let three = PixelNormalization(mean: [0.4, 0.4, 0.4], std: [0.2, 0.2, 0.2])
        #expect(Self.patches(image, grid, one) == Self.patches(image, grid, three))
    }

    @Test("planes equal plain loops", arguments: grids) func planesEqualPlainLoops(_ grid: PatchGrid) {
        let planes = (0..<(grid.channels * grid.imageHeight * grid.imageWidth)).map { Float($0) }
        var patches = [Float](repeating: -1, count: grid.count * grid.patchWidth)
        planes.withUnsafeBufferPointer { planes in patches.withUnsafeMutableBufferPointer { patchify(planes: planes, grid: grid, into: $0) }
        }
        var equal = true
        for c in 0..<grid.channels {
            for y in 0..<grid.imageHeight {
                for x in 0..<grid.imageWidth {
                    equal = equal && patches[Self.place(grid, y, x, c)] == planes[(c * grid.imageHeight + y) * grid.imageWidth + x]
                }
            }
        }
        #expect(equal)
        #expect(patches.withUnsafeBufferPointer { unpatchify($0, grid: grid) } == planes)
    }

    @Test("pictures are clamped and rounded") func picturesAreClampedAndRounded() {
        let grid = PatchGrid(imageHeight: 1, imageWidth: 6, patchSize: 1, channels: 1)
        let values: [Float] = [-3, 9, .nan, .infinity, 0.5 / 255 + 0.001 / 255, 100.4 / 255]
        let image = values.withUnsafeBufferPointer { unpatchify($0, grid: grid, normalization: .unit) }
        #expect(image.pixels == [0, 255, 0, 255, 1, 100])
    }

    /// All bytes come back from every normalisation.
    @Test("bytes survive the round trip") func bytesSurviveTheRoundTrip() {
        let grid = PatchGrid(imageHeight: 16, imageWidth: 16, patchSize: 8, channels: 3)
        let image = PixelImage(width: 16, height: 16, channels: 3, pixels: (0..<768).map { UInt8($0 / 3) })
        for normalization in [PixelNormalization.imageNet, .unit, PixelNormalization(mean: [0.9], std: [0.01])] {
            let patches = Self.patches(image, grid, normalization)
            #expect(patches.withUnsafeBufferPointer { unpatchify($0, grid: grid, normalization: normalization) } == image)
        }
    }

    @Test("patches are normalized by themselves") func patchesAreNormalizedByThemselves() {
        let width = 27
        let original = noise(height: 5, width: width, channels: 1).pixels.map { Float($0) / 50 - 1 }
        var patches = original
        let statistics = patches.withUnsafeMutableBufferPointer { normalizePatches($0, patchWidth: width) }
        for patch in 0..<5 {
            let values = original[(patch * width)..<((patch + 1) * width)].map { Double($0) }
            let mean = values.reduce(0, +) / Double(width)
            let variance = values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(width - 1)
            for i in 0..<width {
                #expect(abs(Double(patches[patch * width + i]) - (values[i] - mean) / (variance + 1e-6).squareRoot()) < 2e-6)
            }
        }
        patches.withUnsafeMutableBufferPointer { denormalizePatches($0, patchWidth: width, statistics: statistics) }
        #expect(zip(patches, original).allSatisfy { abs($0 - $1) < 2e-6 })
        // A flat patch has no variance: 1e-6 keeps it finite.
        var flat = [Float](repeating: 0.25, count: 9)
        flat.withUnsafeMutableBufferPointer { _ = normalizePatches($0, patchWidth: 9) }
        #expect(flat == [Float](repeating: 0, count: 9))
    }

    @Test("grids and normalizations are checked") func gridsAndNormalizationsAreChecked() throws {
        for (height, width, patch, channels) in [
            (10, 12, 5, 3), (12, 10, 0, 3), (0, 12, 4, 3), (12, 12, 4, 257), (12, 12, -4, 3), (20000, 20000, 10, 3)
        ] {
            let found = error { () throws(VisionError) in
                try PatchGrid.validated(imageHeight: height, imageWidth: width, patchSize: patch, channels: channels)
            }
            #expect(isOneLine(found))
        }
        let grid = try PatchGrid.validated(imageHeight: 12, imageWidth: 18, patchSize: 6, channels: 3)
        #expect(grid.rows == 2 && grid.columns == 3 && grid.count == 6 && grid.patchWidth == 108)
        let pairs: [([Float], [Float])] = [([0, 0], [1]), ([], [1]), ([0], [0]), ([.nan], [1])]
        for (mean, std) in pairs {
            let bad = PixelNormalization(mean: mean, std: std)
            #expect(isOneLine(error { () throws(VisionError) in try bad.validate(channels: 3) }))
        }
        try PixelNormalization.imageNet.validate(channels: 3)
        try PixelNormalization.unit.validate(channels: 4)
    }
}
