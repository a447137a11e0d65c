import CurricleDistributed
import CurricleCompiler
import CurricleGraph
import CurricleTensors

/// What of a run's memory depends on how many processes share it: of the one that takes most.
struct RankMemory {
    /// Both of AdamW's moments of the weights that a rank owns.
    let momentBytes: Int
    /// Sums of groups of gradients: its own, and what other ranks send of theirs.
    let sumBytes: Int
    /// Leaves of an update that a rank computes.
    let batches: Int
    /// MPI's own.
    let engineBytes: Int

    /// Of Open MPI 4.1 and MPICH 4.0, beside what it is given (measured: 9 and 17 MB).
    private static let mpiBytes = 10_000_000

    init(_ settings: PretrainSettings, _ layout: ParameterLayout, ranks: Int) {
        let groups = GradientGroups(count: max(settings.gradientGroups, ranks), ranks: ranks), each = ElementType.float32.bytes
        let floats = ParameterGroup.allCases.map { layout.floats(of: $0).count }
        let own = (0..<ranks).map { rank in floats.reduce(0) { $0 + GradientBuckets(floats: $1, ranks: ranks).ownedFloats(by: rank) } }
        momentBytes = 2 * settings.moments.bytes(parameters: (own.max() ?? 0) * each)
        let received = (0..<ranks).map { GradientExchange.receivedFloats(groups, rank: $0, of: floats) }.max() ?? 0
        sumBytes = GradientTree.bytes(groups, floats: floats.max() ?? 0) + received * each
        batches = (0..<ranks).map { groups.leaves(ofRank: $0, among: settings.leaves).count }.max() ?? 0
        engineBytes = ranks == 1 ? 0 : RankMemory.mpiBytes
    }
}
