import CurricleCompiler
import CurricleGraph
import CurricleProgram
import CurricleTensors

/// How the gradients of a group of parameters are cut: into buckets, which are exchanged one by one while a backward pass goes on, and each of
/// those into slices, one for each rank, which owns them: it adds the slice's gradients up, keeps its moments and updates its weights.
///
/// Cuts lie between whole sums of squares (``KernelConstants/squareChunk`` floats), so that the norm's bits do not depend on the ranks.
package struct GradientBuckets: Sendable, Hashable {
    /// Floats of the group.
    package let floats: Int
    package let ranks: Int
    /// In the order in which backward passes finish them: parameters lie in the order of the forward pass, so the last come first.
    package let all: [Range<Int>]
    /// 4 MB: enough for any network's bandwidth, small enough to begin early.
    private static let mostChunks = 256
    private static let chunk = KernelConstants.squareChunk

    package init(floats: Int, ranks: Int) {
        (self.floats, self.ranks) = (floats, ranks)
        let chunks = (floats + GradientBuckets.chunk - 1) / GradientBuckets.chunk
        func shared(_ chunks: Int) -> Int { (max(1, chunks) + ranks - 1) / ranks * ranks }
        // Eight at least where there is enough; the first and the last are small, as nothing goes on before the one and after the other.
        let middle = shared(min(GradientBuckets.mostChunks, chunks / 8)), edge = shared(middle / 4)
        var bounds = [chunks]
        if chunks > 2 * edge { bounds.append(chunks - edge) }
        while let last = bounds.last, last > edge + middle { bounds.append(last - middle) }
        if let last = bounds.last, last > edge { bounds.append(edge) }
        bounds.append(0)
        all = zip(bounds.dropFirst(), bounds).map { ($0 * GradientBuckets.chunk)..<min(floats, $1 * GradientBuckets.chunk) }.filter {
            !$0.isEmpty
        }
    }

    /// The floats of a bucket that a rank owns. Where chunks do not divide evenly, other ranks have more of the next bucket.
    package func slice(of rank: Int, in bucket: Int) -> Range<Int> {
        let range = all[bucket], place = (rank + bucket) % ranks
        let chunks = (range.count + GradientBuckets.chunk - 1) / GradientBuckets.chunk
        func bound(_ part: Int) -> Int { min(range.upperBound, range.lowerBound + part * chunks / ranks * GradientBuckets.chunk) }
        return bound(place)..<bound(place + 1)
    }

    /// How a layout's group is cut.
    package init(_ group: ParameterGroup, _ layout: ParameterLayout, ranks: Int) {
        self.init(floats: layout.floats(of: group).count, ranks: ranks)
    }

    /// All floats that a rank owns, in ascending order.
    package func owned(by rank: Int) -> [Range<Int>] { all.indices.reversed().map { slice(of: rank, in: $0) }.filter { !$0.isEmpty } }
    package func ownedFloats(by rank: Int) -> Int { owned(by: rank).reduce(0) { $0 + $1.count } }
}

/// When a program is through with a group's buckets.
package struct BucketStages: Sendable {
    /// How many stages are done when each bucket's gradients are finished; nil where the program makes those of another group.
    package let finished: [Int]?
    /// The stage before which each bucket's weights have to be there; the number of stages where it needs none.
    package let needed: [Int]

    package init(_ buckets: GradientBuckets, of group: ParameterGroup, _ layout: ParameterLayout, in order: StageOrder) {
        let bytes = layout.bytes(of: buckets.all, in: group)
        let written = order.touches(.gradients), read = order.touches(.parameters)
        let last = bytes.map { bytes in written.last { $0.isWritten && $0.bytes.overlaps(bytes) }.map { $0.stage + 1 } }
        finished = last.allSatisfy { $0 != nil } ? last.compactMap { $0 } : nil
        needed = bytes.map { bytes in read.first { $0.bytes.overlaps(bytes) }?.stage ?? order.count }
    }
}
