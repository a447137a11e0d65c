import CurricleRuntime

/// The sums of a rank's groups of gradients, as far as the fixed tree lets one rank add them up by itself. The last group's sum stays where it
/// was made, in the session's gradients; those before it are kept in rooms of their own.
package final class GradientTree {
    typealias Node = GradientGroups.Node
    private let groups: GradientGroups
    private let rank: Int
    /// Each with room for the largest group of parameters.
    private let rooms: [Memory]
    private var free: [Int] = []
    /// By their rooms.
    private var sums = GradientGroups.Sums<Int>()

    /// - Parameter floats: of the largest group of parameters.
    init(_ groups: GradientGroups, rank: Int = 0, floats: Int) throws {
        (self.groups, self.rank) = (groups, rank)
        rooms = try (0..<groups.rooms(of: rank)).map { _ in try Memory(floats: floats, purpose: "sums of gradients") }
        begin()
    }

    /// Bytes that it takes on the rank that it takes most on.
    package static func bytes(_ groups: GradientGroups, floats: Int) -> Int {
        ((0..<groups.ranks).map { groups.rooms(of: $0) }.max() ?? 0) * floats * MemoryLayout<Float>.size
    }

    /// Begins an update of a group of parameters.
    func begin() {
        free = Array(rooms.indices)
        sums.removeAll()
    }

    /// Adds one of this rank's groups, which come in order.
    /// - Parameters:
    ///   - gradients: what is stored; the last group's stays there.
    ///   - isStored: false where none of the group's leaves was finite.
    func add(group: Int, _ gradients: UnsafeMutableBufferPointer<Float>, isStored: Bool = true) {
        if !isStored { gradients.update(repeating: 0) }
        guard group + 1 < groups.groups(of: rank).upperBound else { return }
        let room = free.removeLast()
        _ = rooms[room].floats.update(fromContentsOf: gradients)
        sums.push(Node(level: 0, index: group), room) { left, right in
            GradientTree.add(floats(right, gradients.count), to: floats(left, gradients.count))
            free.append(right)
        }
    }

    private func floats(_ room: Int, _ count: Int) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: rooms[room].floats[..<count])
    }

    /// The sum of all groups, where one rank has them all.
    func total(into gradients: UnsafeMutableBufferPointer<Float>) {
        let sum = GradientTree.fold(beforeLast.map { ($0.node, floats($0.room, gradients.count)) } + [(last, gradients)])
        if sum.baseAddress != gradients.baseAddress { _ = gradients.update(fromContentsOf: sum) }
    }

    /// The rank's last group.
    private var last: Node { Node(level: 0, index: groups.groups(of: rank).upperBound - 1) }

    /// The sums that are kept when all of the rank's groups but the last are there, and their rooms: each time the same.
    private var beforeLast: [(node: Node, room: Int)] {
        var sums = GradientGroups.Sums<Int>(), free = Array(rooms.indices)
        for group in groups.groups(of: rank).dropLast() {
            sums.push(Node(level: 0, index: group), free.removeLast()) { free.append($1) }
        }
        return sums.all.map { ($0.node, $0.value) }
    }

    /// What the rank's sums of some floats become with the last group's: additions that are to be made first, and the sums then, from left to right.
    func joined(
        _ range: Range<Int>, of gradients: UnsafeMutableBufferPointer<Float>
    ) -> (
        additions: [(sum: UnsafeMutableBufferPointer<Float>, addend: UnsafeMutableBufferPointer<Float>)],
        sums: [(node: Node, values: UnsafeMutableBufferPointer<Float>)]
    ) {
        var sums = GradientGroups.Sums<UnsafeMutableBufferPointer<Float>>()
        var additions: [(sum: UnsafeMutableBufferPointer<Float>, addend: UnsafeMutableBufferPointer<Float>)] = []
        for (node, room) in beforeLast { sums.push(node, UnsafeMutableBufferPointer(rebasing: rooms[room].floats[range])) { _, _ in } }
        sums.push(last, UnsafeMutableBufferPointer(rebasing: gradients[range])) { additions.append(($0, $1)) }
        return (additions, sums.all.map { ($0.node, $0.value) })
    }

    /// The root of sums that lie from left to right: neighbours under one node first, then what has no neighbour passes through.
    static func fold(_ slices: [(node: Node, values: UnsafeMutableBufferPointer<Float>)]) -> UnsafeMutableBufferPointer<Float> {
        var sums = GradientGroups.Sums<UnsafeMutableBufferPointer<Float>>()
        for slice in slices { sums.push(slice.node, slice.values) { add($1, to: $0) } }
        for place in (1..<sums.all.count).reversed() { add(sums.all[place].value, to: sums.all[place - 1].value) }
        return sums.all[0].value
    }

    private static func add(_ values: UnsafeMutableBufferPointer<Float>, to sum: UnsafeMutableBufferPointer<Float>) {
        for i in 0..<sum.count { sum[i] += values[i] }
    }
}
