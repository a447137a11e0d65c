import Engine
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
    public init(_ file: Checkpoint, _ description: WeightsDescription, isa: ISA) throws {
        guard let names = FinetuneSettings.classes(of: file), names.count > 1 else {
            throw LearningError.file(path: file.path, reason: "names no classes: it is no classifier that finetune wrote")
        }
        classes = names.map(ByteName.init(stored:))
        var described = description
        // A head on the class token has the encoder's own norm before it; one on the mean has a norm of its own.
        described.model.normalizesPooled = file.shape(of: "fc_norm.weight") != nil ? true : nil
        self.description = described
        model = try ModelRuntime(
            described.model, parts: .classifier(ClassifierShape(classes: names.count)), trains: false, threads: 1, isa: isa)
        let fresh = try model.loadClassifier(file)
        guard fresh.allSatisfy({ $0 == "pos_embed" }) else {
            throw LearningError.file(
                path: file.path, reason: "has no head for its \(names.count) classes: it lacks \(WeightsFile.listed(fresh))")
        }
    }

    /// As a program for `images` images a run, with the classes' names in it.
    /// - Parameter output: logits or probabilities.
    /// - Throws: `LearningError.configuration` for sizes that the format does not take.
    public func program(images: Int, output: ProgramOutput) throws -> EncoderProgram {
        try EncoderProgram(model, normalization: description.normalization, images: images, output: output, labels: classes)
    }
}
