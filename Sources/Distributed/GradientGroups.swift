/// How the leaves of an update (its batches) are added up: in order within W groups, and the groups by one fixed binary tree, wherever they
/// were computed. The bits of a sum depend on W alone, never on how many ranks share the groups.
package struct GradientGroups: Sendable, Hashable {
    /// W.
    package let count: Int
    package let ranks: Int

    package init(count: Int = 1, ranks: Int = 1) {
        precondition(count >= ranks && ranks >= 1, "each rank has a group")
        (self.count, self.ranks) = (count, ranks)
    }

    /// The leaves of a group, of so many in all; none where there are fewer leaves than groups.
    package func leaves(of group: Int, among leaves: Int) -> Range<Int> { (group * leaves / count)..<((group + 1) * leaves / count) }

    /// The groups of a rank: neighbours.
    package func groups(of rank: Int) -> Range<Int> { (rank * count / ranks)..<((rank + 1) * count / ranks) }

    /// The leaves of a rank's groups, which follow each other.
    package func leaves(ofRank rank: Int, among leaves: Int) -> Range<Int> {
        let own = groups(of: rank)
        return self.leaves(of: own.lowerBound, among: leaves).lowerBound..<self.leaves(of: own.upperBound - 1, among: leaves).upperBound
    }

    /// Whether a batch of an epoch, taken so many an update, is one of a rank's.
    package func isLeaf(_ batch: Int, ofRank rank: Int, batches: Int, accumulation: Int) -> Bool {
        let leaves = min(accumulation, batches - batch / accumulation * accumulation)
        return self.leaves(ofRank: rank, among: leaves).contains(batch % accumulation)
    }

    /// A sum of groups: node (l, i) is node (l − 1, 2i) + node (l − 1, 2i + 1), and (0, g) the group g itself.
    package struct Node: Sendable, Hashable {
        var level: Int
        var index: Int
        /// Whether `other` stands beside it under one node, on its right.
        func isFollowed(by other: Node) -> Bool { level == other.level && index % 2 == 0 && other.index == index + 1 }
        var parent: Node { Node(level: level + 1, index: index / 2) }
    }

    /// The sums that a rank makes by itself, from left to right: the fewest whole nodes that its groups are.
    package func nodes(of rank: Int) -> [Node] { adding(groups(of: rank)).nodes }

    /// The most sums that a rank keeps at once while its groups come one after another, beside the one that is being made.
    package func rooms(of rank: Int) -> Int { adding(groups(of: rank).dropLast()).most }

    private func adding(_ groups: Range<Int>) -> (nodes: [Node], most: Int) {
        var sums = Sums<Void>(), most = 0
        for group in groups {
            most = max(most, sums.all.count + 1)
            sums.push(Node(level: 0, index: group), ()) { _, _ in }
        }
        return (sums.all.map(\.node), most)
    }

    /// Sums from left to right, of which neighbours under one node have become that node.
    package struct Sums<Value> {
        private(set) var all: [(node: Node, value: Value)] = []

        /// Adds the sum that comes next.
        /// - Parameter join: makes two neighbours one, the left one's value.
        mutating func push(_ node: Node, _ value: Value, join: (_ left: Value, _ right: Value) -> Void) {
            all.append((node, value))
            while all.count > 1, all[all.count - 2].node.isFollowed(by: all[all.count - 1].node) {
                let right = all.removeLast()
                join(all[all.count - 1].value, right.value)
                all[all.count - 1].node = all[all.count - 1].node.parent
            }
        }

        mutating func removeAll() { all.removeAll(keepingCapacity: true) }
    }
}
