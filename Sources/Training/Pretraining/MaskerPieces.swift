import Compiler
import Engine
import Graph
import Models
import Runtime

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
        let bytes = images * model.configuration.patches * 4
        scores = try Memory(bytes: bytes, purpose: "scores")
        errors = try Memory(bytes: bytes, purpose: "errors")
        errorGradients = try Memory(bytes: bytes, purpose: "gradients of errors")
        scoreGradients = try Memory(bytes: bytes, purpose: "gradients of scores")
    }

    /// - Parameter adding: whether gradients are added to those that are stored.
    /// - Returns: the five losses and the mean score, or nil where a value is not finite.
    func run(_ batch: TrainingBatch, pieceImages: Int, adding: Bool) throws -> (losses: [Float], meanScore: Float)? {
        let session = model.session, pieces = batch.pieces(of: pieceImages), count = batch.images * model.configuration.patches
        for piece in pieces {
            let scoring = try model.executable(.scoring(images: piece.images, nil))
            guard try session.run(scoring, batch: piece.patches) == .done else { return nil }
            place(model.result("scores", of: scoring), in: scores, at: piece)
        }
        let whole = try model.executable(.maskerLosses(images: batch.images, options))
        errors.floats.update(repeating: 0)
        guard try session.run(whole, scores: bytes(scores), errors: bytes(errors)) == .done else { return nil }
        _ = errorGradients.floats.update(fromContentsOf: model.result("grad.errors", of: whole))
        for piece in pieces {
            let backward = try model.executable(.maskerErrors(images: piece.images, options))
            guard try session.run(backward, batch: piece.patches, scores: bytes(scores, piece), upstream: bytes(errorGradients, piece)) == .done else { return nil }
            place(model.result("errors", of: backward), in: errors, at: piece)
            place(model.result("grad.scores", of: backward), in: scoreGradients, at: piece)
        }
        guard try session.run(whole, scores: bytes(scores), errors: bytes(errors)) == .done else { return nil }
        let losses = model.result("losses", of: whole)
        for (i, gradient) in model.result("grad.scores", of: whole).enumerated() { scoreGradients.floats[i] += gradient }
        for piece in pieces {
            let backward = try model.executable(.scoring(images: piece.images, .store(adding: adding || piece.first > 0)))
            guard try session.run(backward, batch: piece.patches, upstream: bytes(scoreGradients, piece)) == .done else { return nil }
        }
        return (losses, scores.floats.prefix(count).reduce(0, +) / Float(count))
    }

    private func place(_ values: [Float], in memory: Memory, at piece: TrainingBatch.Piece) {
        for (i, value) in values.enumerated() { memory.floats[piece.first * model.configuration.patches + i] = value }
    }

    private func bytes(_ memory: Memory, _ piece: TrainingBatch.Piece? = nil) -> UnsafeRawBufferPointer {
        let first = (piece?.first ?? 0) * model.configuration.patches
        return UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: memory.floats[first...]))
    }
}
