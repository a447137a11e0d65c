import CurricleCompiler
import CurricleEngine
import CurricleGraph
import CurricleModels
import CurricleRuntime
import CurricleTensors

/// Step B of a batch in pieces: the whole batch's gradient, to rounding, in the memory of a piece.
///
/// The losses couple images, through Σ w and through pairs of scores. So: the masker's scores of all pieces; ∂loss/∂error from
/// them, for it needs no errors; then each piece through encoder and decoder and back to its scores; then the losses with the
/// scores' own gradients; and each piece's masker once more, forward and back from what its scores received.
struct MaskerPieces {
    private let model: ModelRuntime
    private let options: StepOptions
    /// Images of the largest batch there is room for.
    let most: Int
    /// Values a patch of the whole batch, [N, L] each.
    private let scores, errors, errorGradients, scoreGradients: Memory

    init(_ model: ModelRuntime, _ options: StepOptions, most images: Int) throws {
        self.model = model
        self.options = options
        most = images
        let count = images * model.configuration.patches
        scores = try Memory(floats: count, purpose: "scores")
        errors = try Memory(floats: count, purpose: "errors")
        errorGradients = try Memory(floats: count, purpose: "gradients of errors")
        scoreGradients = try Memory(floats: count, purpose: "gradients of scores")
    }

    /// The five losses of a whole batch, and the mean of its scores.
    struct Losses {
        let losses: [Float]
        let meanScore: Float
    }

    /// The losses, and each score's gradient, which ``backward(_:at:adding:)`` begins with.
    /// - Parameters:
    ///   - pieces: those that are computed here, at their places in the batch.
    ///   - images: of the whole batch.
    ///   - complete: brings the other pieces' values, so many an image, from those who compute them.
    ///   - anywhere: whether anybody says so who computes a piece.
    /// - Returns: nil where a value is not finite.
    func losses(
        of pieces: [TrainingBatch.Piece], in images: Int, curriculum: Float, complete: (Memory, _ values: Int) -> Void = { _, _ in },
        anywhere: (Bool) -> Bool = { $0 }
    ) throws -> Losses? {
        let session = model.session, patches = model.configuration.patches, count = images * patches
        for piece in pieces {
            let scoring = try model.executable(.scoring(images: piece.images, nil))
            guard try session.run(scoring, [.patches: .memory(piece.patches)]) == .done else {
                throw GraphError(operation: "scores", problem: "a program without losses ended at one")
            }
            place(try model.result("scores", of: scoring), in: scores, at: piece)
        }
        complete(scores, patches)
        let whole = try model.executable(.maskerLosses(images: images, options))
        errors.floats.update(repeating: 0)
        let given: RunInputs = [
            .scores: part(scores, 0..<images), .errors: part(errors, 0..<images), .curriculum: .numbers([curriculum])
        ]
        guard try session.run(whole, given) == .done else { return nil }
        errorGradients.fill(try model.result("grad.errors", of: whole))
        let isFinite = try pieces.allSatisfy { piece in
            let backward = try model.executable(.maskerErrors(images: piece.images, options))
            let range = piece.first..<(piece.first + piece.images)
            let inputs: RunInputs = [.patches: .memory(piece.patches), .scores: part(scores, range), .upstream: part(errorGradients, range)]
            guard try session.run(backward, inputs) == .done else { return false }
            place(try model.result("errors", of: backward), in: errors, at: piece)
            place(try model.result("grad.scores", of: backward), in: scoreGradients, at: piece)
            return true
        }
        if anywhere(!isFinite) { return nil }
        complete(errors, patches)
        guard try session.run(whole, given) == .done else { return nil }
        let losses = try model.result("losses", of: whole)
        for (i, gradient) in try model.result("grad.scores", of: whole).enumerated() { scoreGradients.floats[i] += gradient }
        return Losses(losses: losses, meanScore: scores.floats.prefix(count).reduce(0, +) / Float(count))
    }

    /// The masker once more, forward and back from what a piece's scores received.
    /// - Parameters:
    ///   - images: its place in the batch.
    ///   - adding: whether gradients are added to those that are stored.
    func backward(_ piece: TrainingBatch.Piece, at images: Range<Int>, adding: Bool) throws -> (executable: Executable, inputs: RunInputs) {
        let executable = try model.executable(.scoring(images: piece.images, .store(adding: adding)))
        return (executable, [.patches: .memory(piece.patches), .upstream: part(scoreGradients, images)])
    }

    private func place(_ values: [Float], in memory: Memory, at piece: TrainingBatch.Piece) {
        for (i, value) in values.enumerated() { memory.floats[piece.first * model.configuration.patches + i] = value }
    }

    /// The values of some of the batch's images.
    private func part(_ memory: Memory, _ images: Range<Int>) -> RunInputs.Tensor {
        let patches = model.configuration.patches
        return .memory(memory.contents(numbers: (images.lowerBound * patches)..<(images.upperBound * patches)))
    }
}
