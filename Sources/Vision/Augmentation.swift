import Foundation
import CurricleRandomness

/// What happens to a training picture before it is cut into patches.
package enum Augmentation: String, Sendable, CaseIterable, Codable {
    /// RandomResizedCrop (area 0.2…1, aspect 3/4…4/3, bicubic) and a horizontal flip with probability ½.
    case mae
    /// A horizontal flip with probability ½, after resizing the shorter side and a centre crop.
    case flip
    /// Only the resize and the centre crop; nothing when the size fits.
    case none
}

extension CropBox {
    /// torchvision's `RandomResizedCrop.get_params`: ten tries, then the largest centred box of an allowed aspect.
    static func random(
        width: Int, height: Int, area: ClosedRange<Double> = 0.2...1, aspect: ClosedRange<Double> = (3.0 / 4)...(4.0 / 3),
        using random: inout Philox
    ) -> CropBox {
        for _ in 0..<10 {
            let target = Double(width * height) * random.uniform(area.lowerBound, area.upperBound)
            let ratio = exp(random.uniform(log(aspect.lowerBound), log(aspect.upperBound)))
            let boxWidth = Int((target * ratio).squareRoot().rounded(.toNearestOrEven))
            let boxHeight = Int((target / ratio).squareRoot().rounded(.toNearestOrEven))
            if boxWidth > 0 && boxWidth <= width && boxHeight > 0 && boxHeight <= height {
                let top = random.integer(below: height - boxHeight + 1)
                let left = random.integer(below: width - boxWidth + 1)
                return CropBox(top: top, left: left, height: boxHeight, width: boxWidth)
            }
        }
        return central(width: width, height: height, aspect: aspect)
    }

    /// The fallback: as much as the aspect allows, centred.
    static func central(width: Int, height: Int, aspect: ClosedRange<Double>) -> CropBox {
        let ratio = Double(width) / Double(height)
        var (boxWidth, boxHeight) = (width, height)
        if ratio < aspect.lowerBound {
            boxHeight = max(1, Int((Double(width) / aspect.lowerBound).rounded(.toNearestOrEven)))
        } else if ratio > aspect.upperBound {
            boxWidth = max(1, Int((Double(height) * aspect.upperBound).rounded(.toNearestOrEven)))
        }
        return CropBox(top: (height - boxHeight) / 2, left: (width - boxWidth) / 2, height: boxHeight, width: boxWidth)
    }
}
