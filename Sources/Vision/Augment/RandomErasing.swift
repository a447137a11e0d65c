import Foundation
import CurricleRandomness

/// Overwrites a random rectangle of a normalised image with noise.
///
/// Source: timm's `RandomErasing` in its mode `pixel` with one rectangle; `RandomErasing()` is what MAE fine-tunes with.
package struct RandomErasing: Sendable, Equatable, Codable {
    package var probability = 0.25
    /// Share of the image.
    package var area: ClosedRange<Double> = 0.02...(1.0 / 3)
    /// Height over width.
    package var aspect: ClosedRange<Double> = 0.3...(1 / 0.3)

    package init(probability: Double = 0.25) { self.probability = probability }

    /// The rectangle to erase; nil where chance leaves the image whole, or ten tries did not fit.
    func box(height: Int, width: Int, using random: inout Philox) -> CropBox? {
        guard random.uniform() < probability else { return nil }
        for _ in 0..<10 {
            let target = random.uniform(area.lowerBound, area.upperBound) * Double(height * width)
            let ratio = exp(random.uniform(log(aspect.lowerBound), log(aspect.upperBound)))
            let boxHeight = Int((target * ratio).squareRoot().rounded(.toNearestOrEven))
            let boxWidth = Int((target / ratio).squareRoot().rounded(.toNearestOrEven))
            guard boxHeight < height, boxWidth < width else { continue }
            return CropBox(
                top: random.integer(below: height - boxHeight + 1), left: random.integer(below: width - boxWidth + 1), height: boxHeight,
                width: boxWidth)
        }
        return nil
    }

    /// - Parameter patches: [L, P] of one image, normalised.
    func apply(to patches: UnsafeMutableBufferPointer<Float>, grid: PatchGrid, using random: inout Philox) {
        guard let box = box(height: grid.imageHeight, width: grid.imageWidth, using: &random) else { return }
        for y in box.top..<(box.top + box.height) {
            for x in box.left..<(box.left + box.width) {
                let place = grid.place(row: y, column: x)
                for channel in 0..<grid.channels { patches[place + channel] = Float(random.normal()) }
            }
        }
    }
}
