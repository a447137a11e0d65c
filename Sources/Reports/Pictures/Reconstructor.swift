import CurricleEngine
import CurricleModels
import CurricleRuntime
import CurricleSettings
import CurricleTrainer
import CurricleVision
import CurricleWeights

/// A weights file's encoder and decoder, and its masker where it has one: what masks images and rebuilds them.
package final class Reconstructor {
    /// What a user may say of a file, and of the masks.
    package struct Choices: Sendable {
        /// Which of several models of a file, see ``Checkpoint``.
        package var key: String?
        package var heads: Int?, decoderHeads: Int?
        package var imageHeight: Int?, imageWidth: Int?
        package var mean: [Float]?, deviation: [Float]?
        /// Nil for the file's, or the default where it says none.
        package var maskRatio: Double?
        /// Nil for the masker's masks, where the file has a masker that was trained.
        package var masking: Masking?
        /// Whether the decoder predicts patches normalised by their own mean and deviation, where the file does not say.
        package var normalizedTargets: Bool?
        /// Decides random masks.
        package var seed: UInt64 = 0
        package init() {}
    }

    package let path: String
    package let description: WeightsDescription
    /// The masks in use, and what is predicted.
    package let options: StepOptions
    package let seed: UInt64
    package let model: ModelRuntime
    package let pictures: PatchPictures

    /// - Throws: `LearningError.file` naming what the file lacks, with what to do; what `Checkpoint` and `WeightsDescription` throw.
    package init(weights path: String, _ choices: Choices, threads: Int, isa: ISA) throws {
        let file = try Checkpoint(
            path: path, key: choices.key, image: choices.imageHeight.flatMap { height in choices.imageWidth.map { (height, $0) } })
        self.path = path
        description = try WeightsDescription(
            file, heads: choices.heads, decoderHeads: choices.decoderHeads, imageHeight: choices.imageHeight,
            imageWidth: choices.imageWidth,
            mean: choices.mean, deviation: choices.deviation)
        options = try Reconstructor.options(file, choices)
        seed = choices.seed
        let m = description.model
        if let problem = options.problem(m) { throw LearningError.configuration(problem) }
        let parts: [ModelPart] = !options.masking.isGiven ? [.encoder, .decoder, .masker] : [.encoder, .decoder]
        try Reconstructor.require(parts, in: file, description)
        model = try ModelRuntime(m, encoderPosition: WeightsFile.encoderPosition(file, m), trains: false, threads: threads, isa: isa)
        for parameter in model.parameters.all where parts.contains(parameter.part) {
            model.set(parameter, in: model.session.parameters, try WeightsFile.values(file, parameter.parameter.name, parameter))
        }
        let grid = try m.grid
        pictures = PatchPictures(grid: grid, normalization: description.normalization)
    }

    private static func options(_ file: Checkpoint, _ choices: Choices) throws -> StepOptions {
        var options = StepOptions(weights: file.metadata)
        let said = file.metadata[StepOptions.normalizedTargetsKey] != nil ? options.normalizedTargets : nil
        if let said, let chosen = choices.normalizedTargets, said != chosen {
            throw LearningError.file(path: file.path, reason: "says \(.normalizedTargets) \(said), not \(chosen)")
        }
        let wasRandom = options.masking.isGiven, learned = !wasRandom && file.names.contains { ReferenceNames.part(of: $0) == .masker }
        if wasRandom, choices.masking == .learned {
            throw LearningError.file(path: file.path, reason: "was trained with random masks: its masker has learned nothing")
        }
        options.maskRatio = choices.maskRatio ?? options.maskRatio
        options.normalizedTargets = said ?? choices.normalizedTargets ?? false
        options.masking = choices.masking ?? (learned ? .learned : .random)
        return options
    }

    private static func require(_ parts: [ModelPart], in file: Checkpoint, _ description: WeightsDescription) throws {
        let remedies: [ModelPart: Message] = [
            .decoder: "reconstructions need the weights of a whole model, such as a run's model.safetensors",
            .masker: "it was trained with random masks, which reconstruct takes with \(.masking, Masking.random.rawValue)"
        ]
        for part in parts {
            let wanted = ModelParameters(description.model.withoutRegisters).all.filter { $0.part == part }.map(\.parameter.name)
            let missing = wanted.filter { file.shape(of: $0) == nil }
            if missing.count == wanted.count, let remedy = remedies[part] {
                throw LearningError.file(path: file.path, reason: "has no \(part.rawValue), as it lacks \(missing[0]): \(remedy)")
            }
            guard missing.isEmpty else {
                throw LearningError.file(path: file.path, reason: "lacks \(WeightsFile.listed(missing)): its \(part.rawValue) is not whole")
            }
            if let obstacle = try CheckpointContents.obstacle(part, file, description) {
                let remedy: Message =
                    part == .masker ? "; leave out \(.imageSize), or reconstruct with \(.masking, Masking.random.rawValue)" : ""
                throw LearningError.file(path: file.path, reason: "its \(part.rawValue) cannot be used: \(obstacle)\(remedy)")
            }
        }
    }

    /// Images masked and rebuilt.
    package struct Reconstruction {
        /// A row an image: original, masked, reconstruction, reconstruction with the visible patches.
        package let picture: Picture
        /// Mean error of the removed patches: of all images, and of each.
        package let error: Double
        package let errors: [Double]
    }

    package func reconstruct(_ images: HeldImages, progress: (Int, Int) -> Void = { _, _ in }) throws -> Reconstruction {
        let outcome = try images.outcome(images: images.count, model, options, seed: seed, progress: progress)
        let rows = pictures.rows(images, outcome, count: images.count, normalized: options.normalizedTargets, scores: false)
        return Reconstruction(
            picture: try PictureSheet(images.grid).draw(rows), error: outcome.loss,
            errors: images.errors(outcome, normalized: options.normalizedTargets))
    }
}
