import Foundation
import CurricleRandomness

/// What happens to a picture when a classifier is trained on it, in this order: crop, flip, RandAugment, colour jitter; after
/// normalisation, erasing.
package struct TrainingAugmentation: Sendable, Equatable, Codable {
    /// How the part to keep is chosen; it is then resized with the bicubic filter.
    package enum Crop: String, Sendable, Codable {
        /// torchvision's `RandomResizedCrop`: ten tries, then the largest centred box.
        case tries
        /// MAE's for its linear probe: one try, each side cut to the picture's.
        case single
    }

    package var crop: Crop
    /// Share of the picture that a crop covers.
    package var area: ClosedRange<Double>
    package var flipProbability: Double
    package var randAugment: RandAugment?
    package var jitter: ColorJitter?
    package var erasing: RandomErasing?

    package init(
        crop: Crop = .tries, area: ClosedRange<Double> = 0.08...1, flipProbability: Double = 0.5, randAugment: RandAugment? = nil,
        jitter: ColorJitter? = nil,
        erasing: RandomErasing? = nil
    ) {
        self.crop = crop
        self.area = area
        self.flipProbability = flipProbability
        self.randAugment = randAugment
        self.jitter = jitter
        self.erasing = erasing
    }

    /// MAE's fine-tuning.
    package static let fineTuning = TrainingAugmentation(randAugment: RandAugment(), erasing: RandomErasing())
    /// MAE's linear probe.
    package static let probing = TrainingAugmentation(crop: .single)

    /// What is wrong with the numbers, or nil.
    package var problem: String? {
        let shares = 0.0...1
        guard area.lowerBound > 0, area.upperBound <= 1 else { return "a crop's area must be above 0 and at most 1, not \(area)" }
        guard shares.contains(flipProbability) else { return "the probability of a flip must be 0…1, not \(flipProbability)" }
        if let randAugment {
            guard (0...10).contains(randAugment.magnitude), (0...10).contains(randAugment.deviation),
                (0...100).contains(randAugment.layers),
                shares.contains(randAugment.probability)
            else { return "RandAugment takes a magnitude and deviation of 0…10, 0…100 layers and a probability of 0…1" }
        }
        if let jitter {
            guard [jitter.brightness, jitter.contrast, jitter.saturation].allSatisfy((0...100).contains), (0...0.5).contains(jitter.hue)
            else {
                return "colour jitter takes strengths of 0…100 and a hue of 0…0.5"
            }
        }
        if let erasing {
            guard shares.contains(erasing.probability), erasing.area.lowerBound > 0, erasing.area.upperBound <= 1,
                erasing.aspect.lowerBound > 0,
                erasing.aspect.upperBound.isFinite
            else { return "random erasing takes a probability of 0…1, an area above 0 and at most 1, and positive aspects" }
        }
        return nil
    }

    /// The picture at a size, augmented; its channels are kept.
    /// - Parameter mean: pixel mean of one or all channels in 0…1, what rotations and shifts fill with.
    func prepared(_ image: PixelImage, height: Int, width: Int, mean: [Float], using random: inout Philox) -> PixelImage {
        let box =
            switch crop {
            case .tries: CropBox.random(width: image.width, height: image.height, area: area, using: &random)
            case .single: CropBox.single(width: image.width, height: image.height, area: area, using: &random)
            }
        var result = resizeBicubic(image, box: box, width: width, height: height)
        if random.uniform() < flipProbability { flipHorizontally(&result) }
        if let randAugment {
            let fill = (0..<result.channels).map { fillValue(mean.isEmpty ? 0.5 : mean[min($0, mean.count - 1)]) }
            randAugment.apply(to: &result, fill: fill, using: &random)
        }
        jitter?.apply(to: &result, using: &random)
        return result
    }

    /// timm's `min(255, round(255 · mean))`.
    private func fillValue(_ mean: Float) -> UInt8 { UInt8(min(max((255 * Double(mean)).rounded(.toNearestOrEven), 0), 255)) }
}

extension CropBox {
    /// MAE's `util/crop.py`, after BYOL's TensorFlow code: one try, each side cut to the picture's.
    static func single(
        width: Int, height: Int, area: ClosedRange<Double>, aspect: ClosedRange<Double> = (3.0 / 4)...(4.0 / 3), using random: inout Philox
    ) -> CropBox {
        let target = Double(width * height) * random.uniform(area.lowerBound, area.upperBound)
        let ratio = exp(random.uniform(log(aspect.lowerBound), log(aspect.upperBound)))
        let boxWidth = min(max(Int((target * ratio).squareRoot().rounded(.toNearestOrEven)), 1), width)
        let boxHeight = min(max(Int((target / ratio).squareRoot().rounded(.toNearestOrEven)), 1), height)
        let top = random.integer(below: height - boxHeight + 1)
        let left = random.integer(below: width - boxWidth + 1)
        return CropBox(top: top, left: left, height: boxHeight, width: boxWidth)
    }
}
