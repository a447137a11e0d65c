import CurricleCompiler
import CurricleEngine
import CurricleGraph
import CurricleRuntime

/// Adds the gradients of an update's groups by their tree, with other ranks where there are some: slices of all sums go to their owners, each of
/// which adds its slice up, and the whole goes round.
final class GradientTree {
    private typealias Node = GradientGroups.Node
    private let groups: GradientGroups
    private let ranks: Ranks?
    /// Room for sums, of the largest group of parameters each, and which are free.
    private let rooms: [Memory]
    private var free: [Int]
    /// By their rooms.
    private var sums = GradientGroups.Sums<Int>()
    /// What other ranks send of their sums, slice after slice.
    private let received: Memory?
    private let most: Int

    /// - Parameter floats: of the largest group of parameters.
    init(_ groups: GradientGroups, _ ranks: Ranks?, floats: Int) throws {
        (self.groups, self.ranks) = (groups, ranks)
        most = floats
        rooms = try (0..<groups.mostNodes).map { _ in try Memory(floats: floats, purpose: "sums of gradients") }
        free = Array(rooms.indices)
        received =
            try ranks.map {
                try Memory(
                    floats: max(1, GradientTree.otherNodes(groups, $0) * GradientTree.longestSlice(floats, $0)),
                    purpose: "other ranks' gradients")
            }
    }

    /// Bytes that it takes.
    static func bytes(_ groups: GradientGroups, floats: Int) -> Int {
        groups.count == 1 ? 0 : groups.mostNodes * floats * MemoryLayout<Float>.size
    }

    private static func otherNodes(_ groups: GradientGroups, _ ranks: Ranks) -> Int {
        (0..<ranks.size).reduce(0) { $1 == ranks.rank ? $0 : $0 + groups.nodes(of: $1).count }
    }
    private static func longestSlice(_ floats: Int, _ ranks: Ranks) -> Int { (floats / 16 + ranks.size) / ranks.size * 16 }

    /// The floats that a rank owns, of so many: whole vectors.
    private static func slice(of rank: Int, _ ranks: Ranks, floats: Int) -> Range<Int> {
        let vectors = (floats + 15) / 16
        return min(floats, rank * vectors / ranks.size * 16)..<min(floats, (rank + 1) * vectors / ranks.size * 16)
    }

    /// Begins an update of a group of parameters.
    func begin() {
        free = Array(rooms.indices)
        sums.removeAll()
    }

    /// Adds one of this rank's groups, which come in order.
    /// - Parameter gradients: nil where none of its leaves was finite.
    func add(group: Int, _ gradients: UnsafeMutableBufferPointer<Float>?) {
        let room = free.removeLast()
        if let gradients { _ = rooms[room].floats.update(fromContentsOf: gradients) } else { rooms[room].floats.update(repeating: 0) }
        let count = gradients?.count ?? most
        sums.push(Node(level: 0, index: group), room) { left, right in
            GradientTree.add(floats(right, count), to: floats(left, count))
            free.append(right)
        }
    }

    private func floats(_ room: Int, _ count: Int) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: rooms[room].floats[..<count])
    }

    /// The sum of all groups.
    func total(into gradients: UnsafeMutableBufferPointer<Float>) {
        guard let ranks else {
            let sum = GradientTree.fold(sums.all.map { ($0.node, floats($0.value, gradients.count)) })
            _ = gradients.update(fromContentsOf: sum)
            return
        }
        let own = GradientTree.slice(of: ranks.rank, ranks, floats: gradients.count)
        var sends: [Ranks.Transfer] = [], receives: [Ranks.Transfer] = [],
            slices: [(node: Node, values: UnsafeMutableBufferPointer<Float>)] = []
        var place = 0
        for rank in 0..<ranks.size {
            if rank == ranks.rank {
                slices += sums.all.map { ($0.node, UnsafeMutableBufferPointer(rebasing: rooms[$0.value].floats[own])) }
                continue
            }
            let theirs = GradientTree.slice(of: rank, ranks, floats: gradients.count)
            sends += sums.all.map { Ranks.Transfer(peer: rank, UnsafeMutableBufferPointer(rebasing: rooms[$0.value].floats[theirs])) }
            for node in groups.nodes(of: rank) {
                guard let received else { preconditionFailure("ranks have room for what they receive") }
                let values = UnsafeMutableBufferPointer(rebasing: received.floats[place..<(place + own.count)])
                receives.append(Ranks.Transfer(peer: rank, values))
                slices.append((node, values))
                place += own.count
            }
        }
        ranks.exchange(sends: sends, receives: receives)
        let owned = UnsafeMutableBufferPointer(rebasing: gradients[own])
        _ = owned.update(fromContentsOf: GradientTree.fold(slices))
        let others = (0..<ranks.size).filter { $0 != ranks.rank }
        ranks.exchange(
            sends: others.map { Ranks.Transfer(peer: $0, owned) },
            receives: others.map {
                Ranks.Transfer(
                    peer: $0,
                    UnsafeMutableBufferPointer(rebasing: gradients[GradientTree.slice(of: $0, ranks, floats: gradients.count)]))
            })
    }

    /// The root of sums that lie from left to right: neighbours under one node first, then what has no neighbour passes through.
    private static func fold(
        _ slices: [(node: GradientGroups.Node, values: UnsafeMutableBufferPointer<Float>)]
    ) -> UnsafeMutableBufferPointer<Float> {
        var sums = GradientGroups.Sums<UnsafeMutableBufferPointer<Float>>()
        for slice in slices { sums.push(slice.node, slice.values) { add($1, to: $0) } }
        for place in (1..<sums.all.count).reversed() { add(sums.all[place].value, to: sums.all[place - 1].value) }
        return sums.all[0].value
    }

    private static func add(_ values: UnsafeMutableBufferPointer<Float>, to sum: UnsafeMutableBufferPointer<Float>) {
        for i in 0..<sum.count { sum[i] += values[i] }
    }
}
