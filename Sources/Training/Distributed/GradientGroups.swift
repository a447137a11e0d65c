/// How the leaves of an update (its batches) are added up: in order within W groups, and the groups by one fixed binary tree, wherever they
/// were computed. The bits of a sum depend on W alone, never on how many ranks share the groups.
struct GradientGroups: Sendable, Hashable {
    /// W.
    let count: Int
    let ranks: Int

    init(count: Int = 1, ranks: Int = 1) {
        precondition(count >= ranks && ranks >= 1, "each rank has a group")
        (self.count, self.ranks) = (count, ranks)
    }

    /// The leaves of a group, of so many in all; none where there are fewer leaves than groups.
    func leaves(of group: Int, among leaves: Int) -> Range<Int> { (group * leaves / count)..<((group + 1) * leaves / count) }

    /// The groups of a rank: neighbours.
    func groups(of rank: Int) -> Range<Int> { (rank * count / ranks)..<((rank + 1) * count / ranks) }

    /// The leaves of a rank's groups, which follow each other.
    func leaves(ofRank rank: Int, among leaves: Int) -> Range<Int> {
        let own = groups(of: rank)
        return self.leaves(of: own.lowerBound, among: leaves).lowerBound..<self.leaves(of: own.upperBound - 1, among: leaves).upperBound
    }

    /// A sum of groups: node (l, i) is node (l − 1, 2i) + node (l − 1, 2i + 1), and (0, g) the group g itself.
    struct Node: Sendable, Hashable {
        var level: Int
        var index: Int
        /// Whether `other` stands beside it under one node, on its right.
        func isFollowed(by other: Node) -> Bool { level == other.level && index % 2 == 0 && other.index == index + 1 }
        var parent: Node { Node(level: level + 1, index: index / 2) }
    }

    /// The sums that a rank makes by itself, from left to right: the fewest whole nodes that its groups are.
    func nodes(of rank: Int) -> [Node] { adding(groups(of: rank)).nodes }

    /// The most sums that are kept at once while a rank's groups come one after another.
    var mostNodes: Int { (0..<ranks).map { adding(groups(of: $0)).most }.max() ?? 1 }

    private func adding(_ groups: Range<Int>) -> (nodes: [Node], most: Int) {
        var nodes: [Node] = [], most = 0
        for group in groups {
            nodes.append(Node(level: 0, index: group))
            most = max(most, nodes.count)
            while nodes.count > 1, nodes[nodes.count - 2].isFollowed(by: nodes[nodes.count - 1]) {
                nodes.removeLast()
                nodes[nodes.count - 1] = nodes[nodes.count - 1].parent
            }
        }
        return (nodes, most)
    }
}
