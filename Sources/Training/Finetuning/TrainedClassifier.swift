import Datasets
import Engine
import Features
import Foundation
import Models
import Runtime
import Vision
import Weights

/// A classifier that was fine-tuned: an encoder with its head, and the names of its classes.
public final class TrainedClassifier {
    public let classes: [ByteName]
    public let description: WeightsDescription
    private let model: ModelRuntime

    /// - Parameter file: weights with a head and its classes' names, as `finetune` writes them.
    /// - Throws: `LearningError.file` naming what the file lacks.
    public init(_ file: Checkpoint, _ description: WeightsDescription, threads: Int, isa: ISA) throws {
        guard let names = FinetuneSettings.classes(of: file), names.count > 1 else {
            throw LearningError.file(path: file.path, reason: "names no classes: it is no classifier that finetune wrote")
        }
        classes = names.map(ByteName.init(stored:))
        var described = description
        // A head on the class token has the encoder's own norm before it; one on the mean has a norm of its own.
        described.model.normalizesPooled = file.shape(of: "fc_norm.weight") != nil ? true : nil
        self.description = described
        model = try ModelRuntime(
            described.model, parts: .classifier(ClassifierShape(classes: names.count)), trains: false, threads: threads, isa: isa)
        let fresh = try model.loadClassifier(file)
        guard fresh.allSatisfy({ $0 == "pos_embed" }) else {
            throw LearningError.file(
                path: file.path, reason: "has no head for its \(names.count) classes: it lacks \(WeightsFile.listed(fresh))")
        }
    }

    /// What it says of images, resized and not augmented.
    /// - Parameters:
    ///   - strict: whether to stop at a broken image; else it is left out.
    ///   - report: told of each broken image.
    ///   - body: takes an image's index, the classes' probabilities, which add up to 1, and its logits.
    /// - Throws: `VisionError`; `LearningError.nonfinite` for weights that compute no numbers.
    public func classify(
        _ source: any ImageSource, images: Int = 64, preprocessing: Preprocessing = .reference, passOrder: PassOrder = .pillow13,
        strict: Bool,
        report: (String) -> Void, _ body: (_ sample: Int, _ probabilities: [Float], _ logits: ArraySlice<Float>) throws -> Void
    ) throws {
        try model.classify(
            source, description.normalization, images: images, preprocessing: preprocessing, passOrder: passOrder, strict: strict,
            report: report
        ) { sample, logits in
            let most = Double(logits.max() ?? 0), powers = logits.map { exp(Double($0) - most) }, sum = powers.reduce(0, +)
            try body(sample, powers.map { Float($0 / sum) }, logits)
        }
    }
}

extension ModelRuntime {
    /// Logits of all images of a source that can be read.
    func classify(
        _ source: any ImageSource, _ normalization: PixelNormalization, images: Int, preprocessing: Preprocessing, passOrder: PassOrder,
        strict: Bool, report: (String) -> Void, _ body: (_ sample: Int, _ logits: ArraySlice<Float>) throws -> Void
    ) throws {
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
            for (i, sample) in batch.images { try body(sample, logits[(i * classes)..<((i + 1) * classes)]) }
            return true
        }
    }
}
