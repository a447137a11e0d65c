import Foundation
import CurricleRandomness

/// Mixes each image of a batch with another one, and their labels in the same share.
///
/// Mixup (Zhang et al., 2018) blends the images, CutMix (Yun et al., 2019) replaces a rectangle. One draw holds for the whole batch,
/// and image i meets image N − 1 − i; the middle one of an odd number stays.
/// Source: timm's `Mixup` in its mode `batch`; `BatchMixing()` is what MAE fine-tunes with.
package struct BatchMixing: Sendable, Equatable, Codable {
    /// Parameter of the beta distribution that mixup's share is drawn from; 0 for none.
    package var mixup = 0.8
    /// Parameter of the beta distribution that CutMix's share is drawn from; 0 for none.
    package var cutmix = 1.0
    /// How likely CutMix is where both are wanted.
    package var switchProbability = 0.5
    /// How likely a batch is mixed at all.
    package var probability = 1.0
    /// What all classes share of a target.
    package var smoothing = 0.1

    package init() {}

    /// What is wrong with the numbers, or nil.
    package var problem: String? {
        guard [mixup, cutmix].allSatisfy({ $0 == 0 || (0.01...4).contains($0) }) else { return "mixup and cutmix must be 0, or 0.01…4" }
        guard [switchProbability, probability].allSatisfy((0...1).contains) else { return "probabilities of mixing must be 0…1" }
        guard (0..<1).contains(smoothing) else { return "smoothing must be 0 or more and below 1, not \(smoothing)" }
        return nil
    }

    /// What happens to one batch.
    package enum Choice: Sendable, Equatable {
        case none
        /// image = share · image + (1 − share) · other
        case blend(share: Double)
        /// The box comes from the other image.
        case replace(CropBox)
    }

    /// Draws what happens to a batch: a pure function of (seed, epoch, batch). `problem` must be nil.
    package func choice(grid: PatchGrid, seed: UInt64, epoch: Int, batch: Int) -> Choice {
        var random = Philox(seed: seed, stream: RandomStream.mixing.at(epoch: epoch, sample: batch))
        guard random.uniform() < probability, mixup > 0 || cutmix > 0 else { return .none }
        let cuts = cutmix > 0 && (mixup <= 0 || random.uniform() < switchProbability)
        let share = random.symmetricBeta(cuts ? cutmix : mixup)
        return cuts
            ? .replace(BatchMixing.box(share: share, height: grid.imageHeight, width: grid.imageWidth, using: &random))
            : .blend(share: share)
    }

    /// A box of 1 − `share` of the image about a random centre, cut off at the image's border; it may be empty.
    static func box(share: Double, height: Int, width: Int, using random: inout Philox) -> CropBox {
        let side = (1 - share).squareRoot()
        let (cutHeight, cutWidth) = (Int(Double(height) * side), Int(Double(width) * side))
        let (y, x) = (random.integer(below: height), random.integer(below: width))
        let (top, bottom) = (max(y - cutHeight / 2, 0), min(y + (cutHeight + 1) / 2, height))
        let (left, right) = (max(x - cutWidth / 2, 0), min(x + (cutWidth + 1) / 2, width))
        return CropBox(top: top, left: left, height: bottom - top, width: right - left)
    }

    /// Mixes a batch in place.
    /// - Parameter patches: [N, L, P], normalised.
    /// - Returns: what each image keeps of itself; after CutMix, the share of its pixels.
    package static func mix(_ patches: UnsafeMutableBufferPointer<Float>, grid: PatchGrid, _ choice: Choice) -> Double {
        let size = grid.count * grid.patchWidth, images = patches.count / size
        switch choice {
        case .none: return 1
        case .blend(let share):
            let (own, others) = (Float(share), Float(1 - share))
            for image in 0..<((images + 1) / 2) {
                let (first, second) = (image * size, (images - 1 - image) * size)
                for i in 0..<size {
                    let (a, b) = (patches[first + i], patches[second + i])
                    patches[first + i] = a * own + b * others
                    patches[second + i] = b * own + a * others
                }
            }
            return share
        case .replace(let box):
            for image in 0..<(images / 2) {
                let (first, second) = (image * size, (images - 1 - image) * size)
                for y in box.top..<(box.top + box.height) {
                    for x in box.left..<(box.left + box.width) {
                        let place = grid.place(row: y, column: x)
                        for channel in place..<(place + grid.channels) { patches.swapAt(first + channel, second + channel) }
                    }
                }
            }
            return 1 - Double(box.height * box.width) / Double(grid.imageHeight * grid.imageWidth)
        }
    }

    /// Targets [N, classes]: one-hot, smoothed, and mixed as the images were.
    /// - Parameter share: what `mix` returned.
    package func targets(labels: [Int], classes: Int, share: Double) -> [Float] {
        let off = smoothing / Double(classes)
        let on = Float(1 - smoothing + off)
        let (own, others) = (Float(share), Float(1 - share))
        var targets: [Float] = []
        targets.reserveCapacity(labels.count * classes)
        for (label, other) in zip(labels, labels.reversed()) {
            for index in 0..<classes {
                targets.append((index == label ? on : Float(off)) * own + (index == other ? on : Float(off)) * others)
            }
        }
        return targets
    }
}

extension Philox {
    /// A deviate of the beta distribution with both parameters alike (positive), by Jöhnk's method.
    ///
    /// Source: M. D. Jöhnk, "Erzeugung von betaverteilten und gammaverteilten Zufallszahlen", Metrika 8 (1964); for parameters of 0.01…4:
    /// the larger, the more tries.
    mutating func symmetricBeta(_ parameter: Double) -> Double {
        while true {
            let (x, y) = (pow(uniform(), 1 / parameter), pow(uniform(), 1 / parameter))
            if x + y > 0 && x + y <= 1 { return x / (x + y) }
        }
    }
}
