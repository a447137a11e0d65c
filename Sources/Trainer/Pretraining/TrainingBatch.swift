import CurricleTensors

/// A batch in memory: patches [N, L, P], and what decides its masks beside the scores.
package struct TrainingBatch {
    /// [N, L] an image.
    package enum MaskDecision {
        /// Patches in int32, those to keep first.
        case order(UnsafeRawBufferPointer)
        /// What a masker's choice is drawn by, in float32.
        case noise(UnsafeRawBufferPointer)

        var input: InputName {
            switch self {
            case .order: .order
            case .noise: .maskNoise
            }
        }
        var memory: UnsafeRawBufferPointer {
            switch self {
            case .order(let memory), .noise(let memory): memory
            }
        }
    }

    package let images: Int
    package let patches: UnsafeRawBufferPointer
    package let decision: MaskDecision?
    package init(images: Int, patches: UnsafeRawBufferPointer, decision: MaskDecision? = nil) {
        self.images = images
        self.patches = patches
        self.decision = decision
    }

    struct Piece {
        /// Its first image's place in the batch.
        let first: Int
        let images: Int
        let patches: UnsafeRawBufferPointer
        /// What the masks are decided by.
        let decision: (input: InputName, memory: UnsafeRawBufferPointer)?

        /// The same at another place of a larger batch.
        func moved(to first: Int) -> Piece { Piece(first: first, images: images, patches: patches, decision: decision) }
    }

    /// The batch in pieces of so many images, the last of which may be smaller; nil for the whole.
    func pieces(of size: Int?) -> [Piece] {
        let size = size ?? images
        func rows(_ memory: UnsafeRawBufferPointer, _ range: Range<Int>) -> UnsafeRawBufferPointer {
            let each = memory.count / images
            return UnsafeRawBufferPointer(rebasing: memory[(range.lowerBound * each)..<(range.upperBound * each)])
        }
        return stride(from: 0, to: images, by: size).map { first in
            let range = first..<min(images, first + size)
            return Piece(
                first: first, images: range.count, patches: rows(patches, range),
                decision: decision.map { ($0.input, rows($0.memory, range)) })
        }
    }
}

/// The batches of an update, on all ranks, and its leaves: what is computed apart and may be on different ranks.
package struct UpdateShape: Sendable {
    package struct Leaf: Sendable {
        /// The batch that it is of, in the update, and its images in that.
        let batch: Int
        let images: Range<Int>
    }

    /// Images of each batch.
    let batches: [Int]
    /// Whether leaves are pieces of batches.
    let cutsBatches: Bool
    let leaves: [Leaf]

    /// - Parameter pieceImages: images of pieces that are leaves by themselves, the last of a batch perhaps smaller; nil where batches are.
    package init(batches: [Int], pieceImages: Int? = nil) {
        self.batches = batches
        cutsBatches = pieceImages != nil
        leaves = batches.enumerated().flatMap { batch, images in
            let size = pieceImages ?? max(1, images)
            return stride(from: 0, to: images, by: size).map { Leaf(batch: batch, images: $0..<min(images, $0 + size)) }
        }
    }
}
