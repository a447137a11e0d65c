import Foundation
import CurricleRandomness
import Testing
@testable import CurricleDatasets
@testable import CurricleVision

@Suite struct AugmentationTests {
    private func picture(_ kind: String, height: Int, width: Int, channels: Int) -> PixelImage {
        let noise = noise(height: height, width: width, channels: channels)
        guard kind == "scene" else { return noise }
        // The script's `scene`: slopes with a little noise.
        let pixels = noise.pixels.enumerated().map { place, value -> UInt8 in
            let (channel, column, row) = (place % channels, place / channels % width, place / channels / width)
            return UInt8(30 + (column * 5 + row * 3 + channel * 40 + Int(value >> 4)) % 170)
        }
        return PixelImage(width: width, height: height, channels: channels, pixels: pixels)
    }

    /// Pillow below 13 on 200 pictures of random sizes, boxes and targets.
    @Test("two hundred resizes equal Pillow") func twoHundredResizesEqualPillow() throws {
        let cases = try #require(AugmentationCases.all?.resize)
        let equal = cases.count { one in
            let image = noise(height: one.height, width: one.width, channels: one.channels, seed: one.seed)
            let box = CropBox(top: one.top, left: one.left, height: one.boxHeight, width: one.boxWidth)
            return String(fnv(resizeBicubic(image, box: box, width: one.toWidth, height: one.toHeight, order: .horizontalFirst).pixels))
                == one.hash
        }
        print("resized as Pillow does, bit for bit: \(equal) of \(cases.count)")
        #expect(cases.count == 200 && equal == cases.count)
    }

    @Test("operation equals timm", arguments: RandAugment.Operation.allCases) func operationEqualsTimm(
        _ operation: RandAugment.Operation
    ) throws {
        let cases = try #require(AugmentationCases.all?.operations).filter { $0.operation == operation.rawValue }
        #expect(cases.count >= 30)
        for one in cases {
            var image = picture(one.kind, height: one.height, width: one.width, channels: one.channels)
            let interpolation = try #require(Interpolation(rawValue: one.resample))
            RandAugment.apply(
                operation, to: &image, magnitude: one.magnitude, isNegative: one.negative, interpolation: interpolation,
                fill: Array([124, 116, 104].prefix(one.channels)))
            #expect(image.width == one.width && image.height == one.height && image.channels == one.channels)
            #expect(String(fnv(image.pixels)) == one.hash, "\(one)")
        }
    }

    @Test("adjustments equal Pillow") func adjustmentsEqualPillow() throws {
        let cases = try #require(AugmentationCases.all?.adjustments)
        #expect(cases.count == 50)
        for one in cases {
            var image = picture(one.kind, height: 50, width: 70, channels: 3)
            switch one.adjustment {
            case "brightness": adjustBrightness(&image, factor: Float(one.factor))
            case "contrast": adjustContrast(&image, factor: Float(one.factor))
            case "saturation": adjustSaturation(&image, factor: Float(one.factor))
            default: adjustHue(&image, by: one.factor)
            }
            #expect(String(fnv(image.pixels)) == one.hash, "\(one)")
        }
    }

    // What chance does

    @Test("single try boxes follow MAE") func singleTryBoxesFollowMAE() {
        var areas: [Double] = []
        for sample in 0..<400 {
            var random = Philox(seed: 5, stream: (0, UInt32(sample), 0)), again = random
            let box = CropBox.single(width: 300, height: 40, area: 0.08...1, using: &random)
            // The reference's arithmetic on the same numbers.
            let target = 12000 * again.uniform(0.08, 1), ratio = exp(again.uniform(log(3.0 / 4), log(4.0 / 3)))
            #expect(box.width == Int(min((target * ratio).squareRoot().rounded(.toNearestOrEven), 300)))
            #expect(box.height == Int(min((target / ratio).squareRoot().rounded(.toNearestOrEven), 40)))
            #expect(box.top >= 0 && box.left >= 0 && box.top + box.height <= 40 && box.left + box.width <= 300)
            areas.append(Double(box.height))
        }
        // Most targets are higher than the picture: then the whole height is taken, where ten tries would go on.
        #expect(areas.count { $0 == 40 } > 200)
        var random = Philox(seed: 1)
        #expect(CropBox.single(width: 1, height: 1, area: 0.08...1, using: &random) == CropBox(top: 0, left: 0, height: 1, width: 1))
    }

    @Test("rand augment chooses all operations and often none") func randAugmentChoosesAllOperationsAndOftenNone() {
        let image = picture("scene", height: 20, width: 20, channels: 3)
        let results = (0..<600).map { sample -> PixelImage in
            var random = Philox(seed: 2, stream: (0, UInt32(sample), 0)), result = image
            RandAugment().apply(to: &result, fill: [124, 116, 104], using: &random)
            return result
        }
        // Neither of two layers happens with probability 1/4; the strengths are random, so that nearly all others differ.
        #expect((110...190).contains(results.count { $0 == image }))
        #expect(Set(results.map { fnv($0.pixels) }).count > 300)
        var never = RandAugment(), random = Philox(seed: 0), result = image
        never.probability = 0
        never.apply(to: &result, fill: [0, 0, 0], using: &random)
        #expect(result == image)
    }

    @Test("jitter stays within its strengths") func jitterStaysWithinItsStrengths() {
        let grey = PixelImage(width: 4, height: 4, color: [100, 100, 100])
        let values = (0..<300).map { sample -> Int in
            var random = Philox(seed: 3, stream: (0, UInt32(sample), 0)), result = grey
            ColorJitter(brightness: 0.4).apply(to: &result, using: &random)
            return Int(result.pixels[0])
        }
        #expect(values.allSatisfy { (60...140).contains($0) } && (values.min() ?? 99) < 65 && (values.max() ?? 0) > 135)
        var random = Philox(seed: 3), result = picture("noise", height: 9, width: 9, channels: 3)
        ColorJitter().apply(to: &result, using: &random)
        #expect(result == picture("noise", height: 9, width: 9, channels: 3))
    }

    @Test("erasing draws boxes of its area") func erasingDrawsBoxesOfItsArea() {
        var boxes: [CropBox] = []
        for sample in 0..<2000 {
            var random = Philox(seed: 4, stream: (0, UInt32(sample), 0))
            if let box = RandomErasing().box(height: 64, width: 64, using: &random) { boxes.append(box) }
        }
        #expect((430...570).contains(boxes.count))
        let areas = boxes.map { Double($0.height * $0.width) / 4096 }
        #expect(areas.allSatisfy { $0 > 0.01 && $0 < 0.36 } && (areas.min() ?? 1) < 0.03 && (areas.max() ?? 0) > 0.3)
        #expect(boxes.allSatisfy { $0.height < 64 && $0.width < 64 && $0.top + $0.height <= 64 && $0.left + $0.width <= 64 })
        let aspects = boxes.map { Double($0.height) / Double($0.width) }
        #expect((aspects.min() ?? 1) < 0.35 && (aspects.max() ?? 1) > 2.9)
    }

    @Test("erased pixels are normal deviates") func erasedPixelsAreNormalDeviates() throws {
        let grid = PatchGrid(imageHeight: 64, imageWidth: 64, patchSize: 8, channels: 3)
        var erasing = RandomErasing()
        erasing.probability = 1
        var random = Philox(seed: 6), again = random
        var patches = [Float](repeating: 100, count: grid.count * grid.patchWidth)
        patches.withUnsafeMutableBufferPointer { erasing.apply(to: $0, grid: grid, using: &random) }
        let box = try #require(erasing.box(height: 64, width: 64, using: &again))
        let planes = patches.withUnsafeBufferPointer { unpatchify($0, grid: grid) }
        var inside: [Double] = []
        for place in planes.indices {
            let (x, y) = (place % 64, place / 64 % 64)
            let erased = (box.top..<(box.top + box.height)).contains(y) && (box.left..<(box.left + box.width)).contains(x)
            if erased { inside.append(Double(planes[place])) } else { #expect(planes[place] == 100) }
        }
        let mean = inside.reduce(0, +) / Double(inside.count),
            variance = inside.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(inside.count)
        let error = 1 / Double(inside.count).squareRoot()
        #expect(inside.count > 200 && abs(mean) < 5 * error && abs(variance - 1) < 8 * error)
    }

    @Test("pipeline applies training augmentation") func pipelineAppliesTrainingAugmentation() {
        let grid = PatchGrid(imageHeight: 32, imageWidth: 32, patchSize: 8, channels: 3),
            image = picture("scene", height: 50, width: 70, channels: 3)
        func patches(_ training: TrainingAugmentation, sample: Int) -> [Float] {
            let pipeline = ImagePipeline(grid: grid, augmentation: .none, normalization: .imageNet, seed: 9, training: training)
            return [Float](unsafeUninitializedCapacity: grid.count * grid.patchWidth) { out, count in
                pipeline.patches(of: image, epoch: 3, sample: sample, into: out)
                count = out.count
            }
        }
        #expect((0..<20).allSatisfy { patches(.fineTuning, sample: $0) == patches(.fineTuning, sample: $0) })
        #expect(
            Set((0..<40).map { patches(.fineTuning, sample: $0) }).count == 40
                && Set((0..<40).map { patches(.probing, sample: $0) }).count == 40)
        // An erased image has values that no byte can have.
        let whole = TrainingAugmentation(randAugment: RandAugment())
        let erased = (0..<200).count { patches(.fineTuning, sample: $0) != patches(whole, sample: $0) }
        #expect((30...70).contains(erased))
    }

    @Test("wrong numbers are named") func wrongNumbersAreNamed() {
        #expect(TrainingAugmentation.fineTuning.problem == nil && TrainingAugmentation.probing.problem == nil)
        var erasing = RandomErasing(), augment = RandAugment()
        erasing.probability = .nan
        augment.magnitude = 11
        for wrong in [
            TrainingAugmentation(area: 0...1), TrainingAugmentation(flipProbability: 2), TrainingAugmentation(randAugment: augment),
            TrainingAugmentation(jitter: ColorJitter(hue: 0.7)), TrainingAugmentation(erasing: erasing)
        ] { #expect(wrong.problem != nil) }
    }
}
