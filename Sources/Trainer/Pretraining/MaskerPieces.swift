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

    /// - Parameter adding: whether gradients are added to those that are stored.
    /// - Returns: the five losses and the mean score, or nil where a value is not finite.
    func run(_ batch: TrainingBatch, pieceImages: Int, curriculum: Float, adding: Bool) throws -> (losses: [Float], meanScore: Float)? {
        let session = model.session, pieces = batch.pieces(of: pieceImages), count = batch.images * model.configuration.patches
        for piece in pieces {
            let scoring = try model.executable(.scoring(images: piece.images, nil))
            guard try session.run(scoring, [.patches: .memory(piece.patches)]) == .done else { return nil }
            place(try model.result("scores", of: scoring), in: scores, at: piece)
        }
        let whole = try model.executable(.maskerLosses(images: batch.images, options))
        errors.floats.update(repeating: 0)
        let given: RunInputs = [
            .scores: part(scores, 0..<batch.images), .errors: part(errors, 0..<batch.images), .curriculum: .numbers([curriculum])
        ]
        guard try session.run(whole, given) == .done else { return nil }
        errorGradients.fill(try model.result("grad.errors", of: whole))
        for piece in pieces {
            let backward = try model.executable(.maskerErrors(images: piece.images, options))
            let range = piece.first..<(piece.first + piece.images)
            let inputs: RunInputs = [.patches: .memory(piece.patches), .scores: part(scores, range), .upstream: part(errorGradients, range)]
            guard try session.run(backward, inputs) == .done else { return nil }
            place(try model.result("errors", of: backward), in: errors, at: piece)
            place(try model.result("grad.scores", of: backward), in: scoreGradients, at: piece)
        }
        guard try session.run(whole, given) == .done else { return nil }
        let losses = try model.result("losses", of: whole)
        for (i, gradient) in try model.result("grad.scores", of: whole).enumerated() { scoreGradients.floats[i] += gradient }
        for piece in pieces {
            let backward = try model.executable(.scoring(images: piece.images, .store(adding: adding || piece.first > 0)))
            let upstream = part(scoreGradients, piece.first..<(piece.first + piece.images))
            guard try session.run(backward, [.patches: .memory(piece.patches), .upstream: upstream]) == .done else { return nil }
        }
        return (losses, scores.floats.prefix(count).reduce(0, +) / Float(count))
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
