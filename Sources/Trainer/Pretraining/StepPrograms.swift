import CurricleCompiler
import CurricleEngine
import CurricleGraph
import CurricleModels

/// The programs that steps A and B of a batch consist of.
struct StepPrograms {
    let autoencoder: [ProgramKey]
    /// Empty where masks are given.
    let masker: [ProgramKey]

    init(images: Int, pieceImages: Int?, _ options: StepOptions, update: Update) {
        let size = pieceImages ?? images, last = images % size
        let sizes = last == 0 ? [size] : [size, last]
        autoencoder = sizes.map { .autoencoder(images: $0, options, update, weight: Float($0) / Float(images)) }
        guard !options.masking.isGiven else {
            masker = []
            return
        }
        if options.ranks {
            masker = sizes.map { .ranking(images: $0, options, update, weight: Float($0) / Float(images)) }
            return
        }
        masker =
            pieceImages == nil
            ? [.masker(images: images, options, update)]
            : sizes.flatMap { [.scoring(images: $0, nil), .maskerErrors(images: $0, options), .scoring(images: $0, update)] } + [
                .maskerLosses(images: images, options)
            ]
    }

    /// How often a step runs each of its programs.
    static func repeats(_ key: ProgramKey, images: Int, pieceImages: Int?) -> Int {
        let size = pieceImages ?? images
        switch key {
        case .autoencoder(let count, _, _, _, _), .ranking(let count, _, _, _), .scoring(let count, _), .maskerErrors(let count, _):
            return count == size ? images / size : 1
        case .maskerLosses: return 2
        case .masker, .update, .squares, .features, .queriesKeysValues, .normalizedInputs, .classifier, .classification: return 1
        }
    }
}
