import CurricleGraph

/// Parts of the forward pass that are computed a second time, in the backward pass, instead of being kept until then.
/// Indices count the segments that `ForwardChain` finds; each range is computed again as a whole, from what enters it.
package struct Recomputation: Sendable, Hashable {
    package var groups: [Range<Int>]
    package init(groups: [Range<Int>] = []) { self.groups = groups }
    package static let none = Recomputation()
}

/// The forward pass of an ordered training graph as a chain of segments: it is cut wherever the fewest bytes pass from
/// what lies before to what lies behind, which in a transformer is at each residual sum.
struct ForwardChain {
    struct Segment {
        /// Nodes of the graph.
        let nodes: Range<Int>
        /// Bytes made here that only the backward pass still wants after the segment's end.
        let keptBytes: Int
        /// Bytes made here that later segments want too.
        let passedBytes: Int
        /// Matrix-product FLOPs.
        let flops: Double
    }
    let segments: [Segment]

    init(_ graph: Graph) throws(GraphError) {
        let end = graph.nodes.firstIndex { if case .guardFinite = $0.operation { true } else { false } } ?? 0
        // Where each value is made, and used for the last time in the forward and in the backward pass.
        var madeAt: [ValueID: Int] = [:], lastForward: [ValueID: Int] = [:], wantedBackward: Set<ValueID> = []
        for (i, node) in graph.nodes.enumerated() {
            if i < end, !node.isLeaf { for output in node.outputs { madeAt[output] = i } }
            for input in node.inputs where madeAt[input] != nil {
                if i < end { lastForward[input] = i } else { wantedBackward.insert(input) }
            }
        }
        // Bytes that pass each place between two nodes.
        var passing = Array(repeating: 0, count: end + 1)
        for (value, made) in madeAt {
            guard let last = lastForward[value] else { continue }
            for place in made + 1..<max(made + 1, last + 1) { passing[place] += graph.type(value).bytes }
        }
        var cuts = [0]
        for place in 1..<max(end, 1) where !graph.nodes[place - 1].isLeaf {
            let before = passing[place - 1], here = passing[place]
            let next = passing[place...].first { $0 != here } ?? Int.max
            if here > 0, here < before, here < next { cuts.append(place) }
        }
        cuts.append(end)
        var segments: [Segment] = []
        for (start, stop) in zip(cuts, cuts.dropFirst()) {
            var kept = 0, passed = 0, flops = 0.0
            for node in graph.nodes[start..<stop] where !node.isLeaf {
                flops += try graph.flops(of: node)
                for output in node.outputs {
                    let bytes = graph.type(output).bytes
                    if let last = lastForward[output], last >= stop {
                        passed += bytes
                    } else if wantedBackward.contains(output) {
                        kept += bytes
                    }
                }
            }
            segments.append(Segment(nodes: start..<stop, keptBytes: kept, passedBytes: passed, flops: flops))
        }
        self.segments = segments
    }
}

extension Graph {
    /// The graph with groups of forward segments computed again just before the backward pass first wants something of
    /// them. What enters a group is kept; what it makes for later segments is kept too. The numbers are the same ones.
    /// It has to be the last pass: rebuilding a graph makes equal nodes one.
    func recomputing(_ recomputation: Recomputation) throws(GraphError) -> Graph {
        let segments = try ForwardChain(self).segments
        guard let end = segments.last?.nodes.upperBound, !recomputation.groups.isEmpty else { return self }
        var groupOf: [ValueID: Int] = [:]  // values inside a group that nothing behind it in the forward pass reads
        for (g, group) in recomputation.groups.enumerated() where group.upperBound <= segments.count && !group.isEmpty {
            let range = segments[group.lowerBound].nodes.lowerBound..<segments[group.upperBound - 1].nodes.upperBound
            for node in nodes[range] where !node.isLeaf { for output in node.outputs { groupOf[output] = g } }
            for node in nodes[range.upperBound..<end] { for input in node.inputs { groupOf[input] = nil } }
        }
        for result in results { groupOf[result.value] = nil }  // results are kept in any case

        var new = Graph()
        new.adoptConstants(of: self)
        var map: [ValueID: ValueID] = [:]
        var isDone = Array(repeating: false, count: recomputation.groups.count)
        for (i, node) in nodes.enumerated() {
            if i >= end {
                for input in node.inputs {
                    guard let g = groupOf[input], !isDone[g] else { continue }
                    isDone[g] = true
                    try new.recompute(g, of: self, upTo: i, groupOf, segments, recomputation, &map)
                }
            }
            let outputs = try new.append(node.operation, node.inputs.map { map[$0]! }, type: node.outputs.first.map(type))
            for (old, value) in zip(node.outputs, outputs) { map[old] = value }
        }
        new.results = results.map { ($0.name, map[$0.value]!) }
        new.gradients = gradients.map { ($0.slice, map[$0.value]!) }
        return new
    }

    /// Appends again the nodes of a group that the rest of the old graph, from node `first` on, needs.
    private mutating func recompute(
        _ g: Int, of old: Graph, upTo first: Int, _ groupOf: [ValueID: Int], _ segments: [ForwardChain.Segment],
        _ recomputation: Recomputation,
        _ map: inout [ValueID: ValueID]
    ) throws(GraphError) {
        let group = recomputation.groups[g]
        let range = segments[group.lowerBound].nodes.lowerBound..<segments[group.upperBound - 1].nodes.upperBound
        var needed: Set<ValueID> = []
        for node in old.nodes[first...] { for input in node.inputs where groupOf[input] == g { needed.insert(input) } }
        var isNeeded = Set<Int>()
        for i in range.reversed() where old.nodes[i].outputs.contains(where: needed.contains) {
            isNeeded.insert(i)
            for input in old.nodes[i].inputs where groupOf[input] == g { needed.insert(input) }
        }
        for i in range where isNeeded.contains(i) {
            let node = old.nodes[i]
            let outputs = try append(node.operation, node.inputs.map { map[$0]! }, type: node.outputs.first.map(old.type), again: true)
            for (value, output) in zip(node.outputs, outputs) where groupOf[value] == g { map[value] = output }
        }
    }
}
