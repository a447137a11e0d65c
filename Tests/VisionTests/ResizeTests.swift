import Testing
@testable import CurricleDatasets
@testable import CurricleVision

@Suite struct ResizeTests {
    @Test("equals Pillow", arguments: Fixture.cases?.resize ?? []) func equalsPillow(_ one: Cases.Resize) {
        let image = noise(height: one.height, width: one.width, channels: one.channels)
        let box = CropBox(top: one.top, left: one.left, height: one.boxHeight, width: one.boxWidth)
        let result = resizeBicubic(image, box: box, width: one.toWidth, height: one.toHeight, order: .horizontalFirst)
        #expect(result.width == one.toWidth && result.height == one.toHeight && result.channels == one.channels)
        #expect(result.pixels == Fixture.pixels(one.offset, one.toWidth * one.toHeight * one.channels))
    }

    @Test("equals torchvision", arguments: Fixture.cases?.evaluation ?? []) func equalsTorchvision(_ one: Cases.Evaluation) {
        let image = noise(height: one.height, width: one.width, channels: one.channels, seed: 7)
        let result = resizeShorterSideAndCentreCrop(
            image, height: one.toHeight, width: one.toWidth, resizeTo: one.resizeTo, order: .horizontalFirst)
        #expect(result.pixels == Fixture.pixels(one.offset, one.toWidth * one.toHeight * one.channels))
    }

    @Test("cases are there") func casesAreThere() { #expect(Fixture.cases?.resize.count == 15 && Fixture.cases?.evaluation.count == 8) }

    @Test("photograph crops equal golden", arguments: 0..<3) func photographCropsEqualGolden(_ number: Int) throws {
        let box = try #require(Fixture.cases?.flower.boxes[number])
        let image = try decodeImage(bytes: Fixture.bytes("flower.jpg"), name: "flower.jpg")
        var crop = resizeBicubic(
            image, box: CropBox(top: box.top, left: box.left, height: box.height, width: box.width), width: box.size, height: box.size)
        if box.flip == 1 { flipHorizontally(&crop) }
        #expect(try crop == decodeImage(bytes: Fixture.bytes("flower-crop\(number).png"), name: "crop"))
    }

    @Test("photograph for evaluation equals golden") func photographForEvaluationEqualsGolden() throws {
        let image = try decodeImage(bytes: Fixture.bytes("flower.jpg"), name: "flower.jpg")
        let resizeTo = evaluationResize(of: image, height: 224, width: 224)
        #expect(resizeTo == 256)
        let view = resizeShorterSideAndCentreCrop(image, height: 224, width: 224, resizeTo: resizeTo)
        #expect(try view == decodeImage(bytes: Fixture.bytes("flower-eval224.png"), name: "eval"))
    }

    @Test("a picture of the model's size is resized and cropped by the reference's evaluation, and kept otherwise")
    func fittingImages() {
        let image = noise(height: 28, width: 28, channels: 1), grid = PatchGrid(imageHeight: 28, imageWidth: 28, patchSize: 7, channels: 1)
        func prepared(_ preprocessing: Preprocessing, _ augmentation: Augmentation = .none) -> PixelImage {
            ImagePipeline(grid: grid, augmentation: augmentation, normalization: .imageNet, seed: 0, preprocessing: preprocessing).prepared(
                image, epoch: 0, sample: 0)
        }
        #expect(prepared(.unlessFitting) == image && prepared(.none) == image)
        #expect(
            prepared(.reference) == resizeShorterSideAndCentreCrop(image, height: 28, width: 28, resizeTo: 32)
                && prepared(.reference) != image)
        let pipeline = ImagePipeline(
            grid: grid, augmentation: .none, normalization: PixelNormalization(mean: [0], std: [1]), seed: 0, preprocessing: .none)
        #expect(
            error { () throws(VisionError) in try pipeline.check(noise(height: 28, width: 29, channels: 1), name: "x") }
                == .wrongSize(name: "x", width: 29, height: 28, wantedWidth: 28, wantedHeight: 28))
    }

    @Test("evaluation covers rectangles") func evaluationCoversRectangles() {
        for (height, width) in [(50, 70), (70, 50), (300, 20), (16, 16)] {
            let image = noise(height: height, width: width, channels: 1)
            for (toHeight, toWidth) in [(24, 48), (48, 24), (36, 30)] {
                let short = evaluationResize(of: image, height: toHeight, width: toWidth)
                let scale = Double(short) / Double(min(height, width))
                #expect(
                    Double(height) * scale * 224 / 256 >= Double(toHeight) - 0.01
                        && Double(width) * scale * 224 / 256 >= Double(toWidth) - 0.01)
            }
        }
    }

    @Test("boxes outside are clamped") func boxesOutsideAreClamped() {
        let image = noise(height: 5, width: 4, channels: 3)
        let whole = resizeBicubic(image, box: CropBox(top: -3, left: -9, height: 100, width: 100), width: 4, height: 5)
        #expect(whole == image)
        let corner = resizeBicubic(image, box: CropBox(top: 50, left: 50, height: 10, width: -1), width: 1, height: 1)
        #expect(corner.pixels == Array(image.pixels.suffix(3)))
    }

    @Test("flip mirrors", arguments: [1, 2, 3, 4, 16, 17, 33, 40]) func flipMirrors(_ width: Int) {
        for channels in 1...4 {
            let image = noise(height: 3, width: width, channels: channels)
            var flipped = image
            flipHorizontally(&flipped)
            for y in 0..<3 {
                for x in 0..<width {
                    for c in 0..<channels {
                        #expect(flipped.pixels[(y * width + x) * channels + c] == image.pixels[(y * width + width - 1 - x) * channels + c])
                    }
                }
            }
        }
    }
}
