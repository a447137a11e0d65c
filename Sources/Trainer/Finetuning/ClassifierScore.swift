import CurricleDatasets
import CurricleEngine
import Foundation
import CurricleRuntime
import CurricleSettings
import CurricleTensors
import CurricleVision

/// How well a classifier does on labelled images.
package struct ClassifierScore: Sendable, Equatable {
    package var images = 0
    /// Labels of the images.
    package private(set) var labels: [Int] = []
    private var right = 0, rightOfFive = 0
    private var entropy = 0.0

    /// Share of images whose likeliest class is right, and of those whose five likeliest have the right one among them.
    package var top1: Double { Double(right) / Double(max(1, images)) }
    package var top5: Double { Double(rightOfFive) / Double(max(1, images)) }
    /// Mean cross-entropy.
    package var loss: Double { entropy / Double(max(1, images)) }

    package init() {}

    /// Of the images of several scores.
    package init(_ parts: [ClassifierScore]) {
        for part in parts {
            images += part.images
            labels += part.labels
            right += part.right
            rightOfFive += part.rightOfFive
            entropy += part.entropy
        }
    }

    /// Counts an image in. Of equal logits, the first class is the likelier.
    package mutating func add(_ logits: some RandomAccessCollection<Float>, label: Int) {
        let logits = logits.map(Double.init)
        guard logits.indices.contains(label), let most = logits.max() else { return }
        let before = logits.indices.count { logits[$0] > logits[label] || (logits[$0] == logits[label] && $0 < label) }
        images += 1
        labels.append(label)
        right += before == 0 ? 1 : 0
        rightOfFive += before < 5 ? 1 : 0
        entropy += log(logits.reduce(0) { $0 + exp($1 - most) }) + most - logits[label]
    }
}

extension ModelRuntime {
    /// Classifies all images of a labelled source, resized and not augmented.
    /// - Parameters:
    ///   - images: of a batch, at most.
    ///   - preprocessing: how they get the model's size.
    ///   - passOrder: of resizes.
    ///   - strict: whether to stop at a broken image; else it is left out.
    ///   - report: told of each broken image.
    /// - Throws: `VisionError`; `LearningError.nonfinite` for weights that compute no numbers.
    package func score(
        _ source: any ImageSource, _ normalization: PixelNormalization, images: Int, preprocessing: Preprocessing = .reference,
        passOrder: PassOrder = .pillow13, strict: Bool, report: (String) -> Void,
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> ClassifierScore {
        var score = ClassifierScore()
        try configuration.forEachBatch(
            of: source, normalization, images: images, preprocessing: preprocessing, passOrder: passOrder, strict: strict, report: report
        ) { batch in
            let executable = try classification(images: batch.samples.count)
            _ = try session.run(executable, [.patches: .memory(UnsafeRawBufferPointer(batch.patches))])
            let logits = try result("logits", of: executable), classes = logits.count / batch.samples.count
            guard logits.allSatisfy(\.isFinite) else {
                throw LearningError.nonfinite(
                    "what the classifier says of an image is not finite: lower \(.learningRate), or check the weights")
            }
            for (i, sample) in batch.images {
                score.add(logits[(i * classes)..<((i + 1) * classes)], label: source.label(at: sample) ?? -1)
            }
            progress(score.images, source.count)
            return true
        }
        return score
    }
}
