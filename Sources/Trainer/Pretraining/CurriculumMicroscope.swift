import CurricleEngine
import Foundation
import CurricleModels
import CurricleRuntime
import CurricleStorage
import CurricleVision

/// What the masker does to a handful of images, looked at the same way after each epoch: whether its scores decide, whether
/// its masks differ from image to image, and whether they are easier or harder to fill in than random ones.
package struct CurriculumMicroscope {
    package struct Reading: Equatable {
        /// Mean binary entropy of the scores in bits: 1 where all are ½, 0 where all are decided.
        package var entropy: Double
        /// Share of scores below 0.01 or above 0.99.
        package var saturated: Double
        /// Mean distance of two images' masks: the share of kept patches that the other does not keep.
        var maskDistance: Double
        /// Mean error of the removed patches under the masker's masks and under random ones.
        package var maskedError: Double, randomError: Double
        /// How often each patch is kept, [L].
        package var keptShare: [Double]
        /// What a collapsed masker looks like here, or nil.
        package var collapse: String?

        /// From scores [images, L] and the order they give, most kept first.
        package init(scores: [Float], order: [Int], images: Int, kept: Int, maskedError: Double, randomError: Double) {
            let patches = scores.count / max(1, images)
            entropy = scores.reduce(0) { $0 + Reading.entropy(Double($1)) } / Double(max(1, scores.count))
            saturated = Double(scores.count { $0 < 0.01 || $0 > 0.99 }) / Double(max(1, scores.count))
            let masks = (0..<images).map { Set(order[($0 * patches)..<($0 * patches + kept)]) }
            var distance = 0.0
            for i in masks.indices { for j in 0..<i { distance += Double(masks[i].subtracting(masks[j]).count) / Double(kept) } }
            maskDistance = images > 1 ? distance / Double(images * (images - 1) / 2) : 0
            keptShare = (0..<patches).map { patch in Double(masks.count { $0.contains(patch) }) / Double(max(1, images)) }
            self.maskedError = maskedError
            self.randomError = randomError
            let spread = (scores.max() ?? 0) - (scores.min() ?? 0)
            if images > 1, maskDistance == 0 {
                collapse = "it gives every image the same mask"
            } else if spread < 1e-4 {
                collapse = "all its scores are equal"
            } else {
                collapse = nil
            }
        }

        /// For the log.
        package var fields: [(key: String, value: LogValue)] {
            scalars.map { ("held_\($0.tag.dropFirst("masker/".count))", .float($0.value)) } + [("kept_share", .numbers(keptShare))]
                + (collapse.map { [("collapse", .string($0))] } ?? [])
        }

        /// For TensorBoard.
        package var scalars: [(tag: String, value: Float)] {
            [
                ("masker/entropy", Float(entropy)), ("masker/saturated", Float(saturated)), ("masker/mask_distance", Float(maskDistance)),
                ("masker/masked_error", Float(maskedError)), ("masker/random_error", Float(randomError))
            ]
        }

        private static func entropy(_ p: Double) -> Double {
            guard p > 0, p < 1 else { return 0 }
            return -(p * log2(p) + (1 - p) * log2(1 - p))
        }
    }

    /// - Parameter model: as it is after the epoch; nothing of it changes.
    /// - Returns: what its own masks lead to, and the reading.
    package static func look(
        _ held: HeldImages, _ model: ModelRuntime, _ options: StepOptions, seed: UInt64
    ) throws -> (outcome: HeldImages.Outcome, reading: Reading) {
        let images = held.samples.count
        let learned = try held.outcome(images: images, model, options, seed: seed)
        var randomly = options
        randomly.masking = .random
        let random = try held.outcome(images: images, model, randomly, seed: seed)
        let reading = Reading(
            scores: learned.scores, order: learned.order, images: images, kept: learned.kept, maskedError: learned.loss,
            randomError: random.loss)
        return (learned, reading)
    }
}
