import CurricleRandomness
import Testing
@testable import CurricleDatasets
@testable import CurricleVision

@Suite struct PipelineTests {
    @Test("random boxes keep the rules") func randomBoxesKeepTheRules() {
        for (width, height) in [(640, 427), (28, 28), (3, 500), (1, 1)] {
            var (areas, inside) = ([Double](), true)
            for sample in 0..<300 {
                var random = Philox(seed: 5, stream: (0, UInt32(sample), 0))
                let box = CropBox.random(width: width, height: height, using: &random)
                inside = inside && box.top >= 0 && box.height > 0 && box.top + box.height <= height
                inside = inside && box.left >= 0 && box.width > 0 && box.left + box.width <= width
                areas.append(Double(box.width * box.height) / Double(width * height))
            }
            #expect(inside)
            if width == 640 {
                // What fits is at most 8/9 of this picture (427 high, 4/3 wide); a midpoint integration of the law gives the mean 0.4514,
                // deviation 0.17.
                let mean = areas.reduce(0, +) / 300
                #expect(areas.allSatisfy { $0 > 0.195 && $0 < 0.893 })
                #expect(abs(mean - 0.4514) < 0.04 && (areas.min() ?? 1) < 0.23 && (areas.max() ?? 0) > 0.8)
            }
        }
    }

    /// torchvision's own fallbacks, worked out by hand.
    @Test("fallback is central") func fallbackIsCentral() {
        let aspect = (3.0 / 4)...(4.0 / 3)
        #expect(CropBox.central(width: 30, height: 100, aspect: aspect) == CropBox(top: 30, left: 0, height: 40, width: 30))
        #expect(CropBox.central(width: 100, height: 30, aspect: aspect) == CropBox(top: 0, left: 30, height: 30, width: 40))
        #expect(CropBox.central(width: 33, height: 30, aspect: aspect) == CropBox(top: 0, left: 0, height: 30, width: 33))
        var random = Philox(seed: 1)
        #expect(CropBox.random(width: 2, height: 1000, using: &random) == CropBox(top: 498, left: 0, height: 3, width: 2))
    }

    @Test("each augmentation does its part") func eachAugmentationDoesItsPart() {
        let grid = PatchGrid(imageHeight: 12, imageWidth: 12, patchSize: 6, channels: 3)
        let image = noise(height: 12, width: 12, channels: 1)
        var mirrored = image
        flipHorizontally(&mirrored)
        func results(_ augmentation: Augmentation) -> [PixelImage] {
            let pipeline = ImagePipeline(grid: grid, augmentation: augmentation, normalization: .imageNet, seed: 3)
            return (0..<200).map { pipeline.prepared(image, epoch: 1, sample: $0) }
        }
        #expect(results(.none).allSatisfy { $0 == image })
        let flips = results(.flip).map { $0 == mirrored }
        #expect(results(.flip).allSatisfy { $0 == image || $0 == mirrored })
        #expect((70...130).contains(flips.count { $0 }))
        let crops = results(.mae)
        #expect(crops.allSatisfy { $0.width == 12 && $0.height == 12 && $0.channels == 1 })
        #expect(Set(crops.map { fnv($0.pixels) }).count > 100)
    }

    @Test("choices depend on seed epoch and sample only") func choicesDependOnSeedEpochAndSampleOnly() {
        let grid = PatchGrid(imageHeight: 12, imageWidth: 12, patchSize: 6, channels: 3)
        let image = noise(height: 20, width: 30, channels: 3)
        func fingerprint(seed: UInt64, epoch: Int, sample: Int) -> UInt64 {
            fnv(
                ImagePipeline(grid: grid, augmentation: .mae, normalization: .imageNet, seed: seed).prepared(
                    image, epoch: epoch, sample: sample
                ).pixels)
        }
        #expect(fingerprint(seed: 1, epoch: 2, sample: 3) == fingerprint(seed: 1, epoch: 2, sample: 3))
        let others = [
            fingerprint(seed: 2, epoch: 2, sample: 3), fingerprint(seed: 1, epoch: 3, sample: 3), fingerprint(seed: 1, epoch: 2, sample: 4)
        ]
        #expect(Set(others + [fingerprint(seed: 1, epoch: 2, sample: 3)]).count == 4)
    }

    @Test("channels are checked") func channelsAreChecked() throws {
        let grid = PatchGrid(imageHeight: 6, imageWidth: 6, patchSize: 6, channels: 3)
        let pipeline = ImagePipeline(grid: grid, augmentation: .none, normalization: .imageNet, seed: 0)
        try pipeline.check(noise(height: 6, width: 6, channels: 3), name: "rgb")
        try pipeline.check(noise(height: 6, width: 6, channels: 1), name: "grey")
        let found = error { () throws(VisionError) in try pipeline.check(noise(height: 6, width: 6, channels: 4), name: "cmyk") }
        #expect(found == .channelMismatch(name: "cmyk", has: 4, wants: 3) && isOneLine(found))
    }

    @Test("tiles stand in their cells") func tilesStandInTheirCells() {
        let red = PixelImage(width: 2, height: 1, color: [255, 0, 0])
        let grey = PixelImage(width: 1, height: 2, color: [9])
        let picture = tile([[red, grey], [grey]], padding: 1, background: 200)
        #expect(picture.width == 7 && picture.height == 7 && picture.channels == 3)
        func pixel(_ y: Int, _ x: Int) -> [UInt8] { Array(picture.pixels[((y * 7 + x) * 3)..<((y * 7 + x) * 3 + 3)]) }
        var expected = [[Int]](repeating: [Int](repeating: 0, count: 7), count: 7)
        (expected[1][1], expected[1][2]) = (1, 1)
        for (y, x) in [(1, 4), (2, 4), (4, 1), (5, 1)] { expected[y][x] = 2 }
        for y in 0..<7 { for x in 0..<7 { #expect(pixel(y, x) == [[200, 200, 200], [255, 0, 0], [9, 9, 9]][expected[y][x]]) } }
        #expect(tile([], padding: 0).pixels.count == 3)
    }

    @Test("scaled repeats pixels") func scaledRepeatsPixels() {
        let image = PixelImage(width: 2, height: 1, channels: 1, pixels: [3, 8])
        #expect(scaled(image, by: 2).pixels == [3, 3, 8, 8, 3, 3, 8, 8])
    }

    @Test("heatmap gets lighter") func heatmapGetsLighter() {
        let picture = heatmap(values: (0..<32).map { Float($0) }, rows: 1, columns: 32, cell: 1)
        let pixels = picture.pixels.map { Double($0) }
        let lightness = stride(from: 0, to: 96, by: 3).map { place -> Double in
            let (red, green, blue) = (pixels[place], pixels[place + 1], pixels[place + 2])
            return 0.2126 * red + 0.7152 * green + 0.0722 * blue
        }
        #expect(zip(lightness, lightness.dropFirst()).allSatisfy { $0 < $1 })
        #expect(Array(picture.pixels.prefix(3)) == [68, 1, 84] && Array(picture.pixels.suffix(3)) == [253, 231, 37])
        #expect(heatmap(values: [.nan, 1, .infinity, -1], rows: 2, columns: 2, cell: 3).pixels.count == 108)
    }
}
