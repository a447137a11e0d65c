import CurricleEngine
import CurricleModels
import CurricleRuntime
import CurricleSettings
import CurricleTensors
import CurricleVision
import CurricleWeights

/// An encoder with a linear head and the names of its classes: what was fine-tuned, or a probe that was kept.
package final class TrainedClassifier {
    package let classes: [ByteName]
    package let description: WeightsDescription
    private let model: ModelRuntime
    private let pool: FeaturePooling?

    /// - Parameter file: weights with a head and its classes' names, as `finetune` and `probe` write them.
    /// - Throws: `LearningError.file` naming what the file lacks.
    package convenience init(_ file: Checkpoint, _ description: WeightsDescription, isa: ISA) throws {
        guard let names = FinetuneSettings.classes(of: file), names.count > 1 else {
            throw LearningError.file(path: file.path, reason: "names no classes: it is no classifier that finetune or probe wrote")
        }
        var described = description
        described.model.normalizesPooled = FinetuneSettings.normalizesPooled(file) ? true : nil
        let pool = try FinetuneSettings.head(of: file)
        try self.init(described, classes: names.map(ByteName.init(stored:)), pool: pool, isa: isa)
        let fresh = try model.loadClassifier(file, pool: pool)
        guard fresh.allSatisfy({ $0 == "pos_embed" }) else {
            throw LearningError.file(
                path: file.path, reason: "has no head for its \(names.count) classes: it lacks \(WeightsFile.listed(fresh))")
        }
    }

    /// An encoder with a head that was learned on its features.
    /// - Parameters:
    ///   - encoder: weights of any layout.
    ///   - description: of the encoder, as its features were computed.
    ///   - pool: what the head is on: an image's class token, the mean of its patch tokens, or both; `normalizesMean` says that the mean
    ///     passes a norm of its own (`fc_norm`).
    ///   - weights: [classes, width], and `bias` [classes].
    /// - Throws: `LearningError`; where the encoder is one that is only computed here, or fewer than two classes are named.
    package convenience init(
        encoder: Checkpoint, _ description: WeightsDescription, pool: FeaturePooling, normalizesMean: Bool, classes: [ByteName],
        weights: [Float], bias: [Float], isa: ISA
    ) throws {
        try WeightsDescription.requireTrainable(encoder)
        guard classes.count > 1 else { throw LearningError.configuration("a classifier needs two classes or more") }
        var described = description
        described.model.normalizesPooled = normalizesMean ? true : nil
        // What is fine-tuned has heads on these, and says nothing of them.
        let isUsual = pool == (normalizesMean ? .mean : .cls)
        try self.init(described, classes: classes, pool: isUsual ? nil : pool, isa: isa)
        let fresh = try Set(model.loadClassifier(encoder, pool: self.pool, takesHead: false))
        for parameter in model.parameters.all where fresh.contains(parameter.parameter.name) {
            model.set(parameter, in: model.session.parameters, parameter.initialValues(seed: 0))
        }
        for (name, values) in [("head.weight", weights), ("head.bias", bias)] {
            guard let parameter = model.parameters[name] else { preconditionFailure("a classifier has a head") }
            guard values.count == parameter.referenceShape.reduce(1, *) else {
                throw LearningError.configuration("\(name) has \(values.count) numbers, not \(parameter.referenceShape)")
            }
            model.set(parameter, in: model.session.parameters, values)
        }
    }

    private init(_ description: WeightsDescription, classes: [ByteName], pool: FeaturePooling?, isa: ISA) throws {
        (self.description, self.classes, self.pool) = (description, classes, pool)
        model = try ModelRuntime(
            description.model, parts: .classifier(ClassifierShape(classes: classes.count, pool: pool)), trains: false, threads: 1, isa: isa)
    }

    /// Writes what the first initialiser reads, as safetensors under timm's names.
    /// - Throws: `FileError`.
    package func write(to path: String) throws {
        let metadata = WeightsMetadata(
            model: description.model, normalization: description.normalization, classes: classes.map(\.stored), head: pool)
        try WeightsFile.write(WeightsFile.tensors(of: model), metadata: metadata.entries, to: path)
    }

    /// As a program for `images` images a run, with the classes' names in it.
    /// - Parameter output: logits or probabilities.
    /// - Throws: `LearningError.configuration` for sizes that the format does not take.
    package func program(images: Int, output: ProgramOutput) throws -> EncoderProgram {
        try EncoderProgram(model, normalization: description.normalization, images: images, output: output, labels: classes)
    }
}
