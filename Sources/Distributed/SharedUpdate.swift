import CurricleEngine
import CurricleGraph
import CurricleRuntime

/// The batches of an update, its leaves: this process computes its own, their gradients come together by groups and by the fixed tree, from all
/// ranks where there are some, and become new weights everywhere. One process is the case of one rank.
package final class SharedUpdate {
    package let ranks: Ranks?
    private let groups: GradientGroups
    private let model: ModelRuntime
    private var tree: GradientTree?
    private var exchange: GradientExchange?
    private var isLastLeaf = false

    /// What became of a leaf.
    package struct Leaf<Report> {
        /// What all ranks learn of it.
        let report: Report
        /// Whether its gradients are in the stored ones.
        let isStored: Bool
        /// Whether no other leaf is to be computed.
        let endsUpdate: Bool

        package init(report: Report, isStored: Bool, endsUpdate: Bool = false) {
            (self.report, self.isStored, self.endsUpdate) = (report, isStored, endsUpdate)
        }
    }

    package init(groups: Int, ranks: Ranks?, model: ModelRuntime) {
        self.groups = GradientGroups(count: groups, ranks: ranks.size)
        (self.ranks, self.model) = (ranks, model)
    }

    /// Takes the memory that it needs.
    package func prepare() throws {
        guard groups.count > 1 else { return }
        let made = try GradientTree(groups, rank: ranks.rank, floats: model.groups.map { model.layout.floats(of: $0).count }.max() ?? 0)
        exchange = try ranks.map { try GradientExchange(groups, $0, made, model) }
        tree = made
    }

    /// Those of so many leaves that this process computes.
    package func own(of all: Int) -> Range<Int> { groups.leaves(ofRank: ranks.rank, among: all) }

    /// Whether a batch of an epoch's, a leaf each and so many an update, is one that this process computes.
    package func isOwn(batches: Int, leaves: Int) -> @Sendable (_ batch: Int) -> Bool {
        let groups = groups, rank = ranks.rank
        return { groups.isLeaf($0, ofRank: rank, batches: batches, accumulation: leaves) }
    }

    /// Seconds that this rank waited for others so far.
    package var waited: Double { exchange?.waited ?? 0 }

    /// Computes this process's leaves, and learns of all.
    /// - Parameters:
    ///   - all: leaves of the update, on all ranks.
    ///   - blank: what is reported of a leaf that was not computed.
    ///   - leaf: computes one, counted from this process's first; told whether its gradients are to be added to stored ones.
    /// - Returns: the report of each leaf of all.
    package func compute<Report: BitwiseCopyable>(
        _ group: ParameterGroup, of all: Int, _ blank: Report, _ leaf: (_ index: Int, _ adding: Bool) throws -> Leaf<Report>
    ) throws -> [Report] {
        exchange?.begin(group)
        var reports = try ownReports(group, of: all, blank, leaf)
        exchange?.finish()
        if let ranks {
            let told = ranks.gather(reports)
            for rank in 0..<ranks.size { for leaf in groups.leaves(ofRank: rank, among: all) { reports[leaf] = told[rank][leaf] } }
        }
        return reports
    }

    private func ownReports<Report: BitwiseCopyable>(
        _ group: ParameterGroup, of all: Int, _ blank: Report, _ compute: (_ index: Int, _ adding: Bool) throws -> Leaf<Report>
    ) throws -> [Report] {
        var reports = [Report](repeating: blank, count: all)
        let own = (groups: groups.groups(of: ranks.rank), leaves: own(of: all))
        tree?.begin()
        for number in own.groups {
            var isStored = false
            for leaf in groups.leaves(of: number, among: all) {
                // Of the rank's last group: where that has no leaf, what is sent is not what the last leaf left.
                isLastLeaf = number + 1 == own.groups.upperBound && leaf + 1 == own.leaves.upperBound
                let done = try compute(leaf - own.leaves.lowerBound, isStored)
                reports[leaf] = done.report
                if done.endsUpdate { return reports }
                isStored = isStored || done.isStored
            }
            if let tree, let gradients = gradients(group) { tree.add(group: number, gradients, isStored: isStored) }
        }
        return reports
    }

    /// Brings values of leaves to all ranks, each from the one that computes it.
    /// - Parameter ranges: where each leaf's are; the same on all ranks.
    package func complete(_ memory: Memory, _ ranges: [(leaf: Int, floats: Range<Int>)], of all: Int) {
        guard let ranks, let end = ranges.map(\.floats.upperBound).max() else { return }
        let told = ranks.gather(Array(memory.floats[..<end]))
        for rank in 0..<ranks.size {
            let theirs = groups.leaves(ofRank: rank, among: all)
            for (leaf, floats) in ranges where theirs.contains(leaf) { for i in floats { memory.floats[i] = told[rank][i] } }
        }
    }

    /// Runs a program of a leaf.
    /// - Parameter isLast: whether no other program of the leaf adds to the gradients.
    package func run(_ executable: Executable, _ inputs: RunInputs, isLast: Bool = true) throws -> RunStatus {
        try exchange?.run(executable, inputs, isLast: isLastLeaf && isLast) ?? model.session.run(executable, inputs)
    }

    /// Turns the gradients of all leaves into weights, which other ranks' may still be on their way (``settle()``).
    /// - Parameter batches: whose mean is taken.
    /// - Returns: the gradient's norm, where it is clipped.
    package func finish(_ group: ParameterGroup, _ updates: inout ParameterUpdates, rate: Double, batches: Int) throws -> Float? {
        if let exchange { exchange.total() } else if let tree, let gradients = gradients(group) { tree.total(into: gradients) }
        let norm = try updates.finish(group, model, rate: rate, batches: batches, among: exchange)
        exchange?.shareWeights()
        return norm
    }

    /// Leaves the gradients of all leaves unused.
    package func drop() { exchange?.drop() }

    /// Waits until this process has all weights.
    package func settle() { exchange?.settle() }

    /// The stored gradients of a group of parameters; nil where there are none.
    private func gradients(_ group: ParameterGroup) -> UnsafeMutableBufferPointer<Float>? {
        model.session.gradients.map { UnsafeMutableBufferPointer(rebasing: $0.floats[model.layout.floats(of: group)]) }
    }
}
