/// What to compute again, from nothing to almost everything: each choice costs more FLOPs than the one before and promises less memory.
struct RecomputeChoices {
    struct Choice {
        let recomputation: Recomputation
        /// FLOPs done a second time.
        let flops: Double
        /// What the forward pass keeps and the largest group holds while it is computed again; an estimate, for the plan decides.
        let bytes: Int
    }
    let choices: [Choice]

    /// A dynamic programme over the chain, once for each size that a group may have: the least FLOPs with which the first
    /// i segments keep at most so many bytes. A segment is kept whole, or a group is computed again from what enters it.
    init(_ chain: ForwardChain) {
        let segments = chain.segments, count = segments.count
        let total = segments.reduce(0) { $0 + $1.keptBytes + $1.passedBytes }
        guard count > 0, total > 0 else {
            choices = []
            return
        }
        let buckets = 256, unit = max(1, (total + buckets - 1) / buckets)
        func inUnits(_ bytes: Int) -> Int { (bytes + unit - 1) / unit }
        var found: [Choice] = []
        for size in RecomputeChoices.groupSizes(segments) {
            // best[i][m]: least FLOPs for segments before i with m units kept; from[i][m]: where the last step began.
            var best = Array(repeating: Array(repeating: Double.infinity, count: buckets + 1), count: count + 1)
            var from = Array(repeating: Array(repeating: (start: -1, units: 0, again: false), count: buckets + 1), count: count + 1)
            best[0][0] = 0
            for i in 0..<count {
                let whole = inUnits(segments[i].keptBytes + segments[i].passedBytes)
                for m in 0...buckets where best[i][m].isFinite {
                    let kept = min(m + whole, buckets)
                    if best[i][m] < best[i + 1][kept] {
                        best[i + 1][kept] = best[i][m]
                        from[i + 1][kept] = (i, m, false)
                    }
                }
                var inside = 0, flops = 0.0
                for j in i..<count {
                    inside += segments[j].keptBytes
                    flops += segments[j].flops
                    guard inside + (j > i ? segments[i..<j].reduce(0) { $0 + $1.passedBytes } : 0) <= size else { break }
                    let passed = inUnits(segments[j].passedBytes)
                    for m in 0...buckets where best[i][m].isFinite {
                        let kept = min(m + passed, buckets)
                        if best[i][m] + flops < best[j + 1][kept] {
                            best[j + 1][kept] = best[i][m] + flops
                            from[j + 1][kept] = (i, m, true)
                        }
                    }
                }
            }
            for m in 0...buckets where best[count][m].isFinite {
                var groups: [Range<Int>] = [], i = count, units = m
                while i > 0 {
                    let step = from[i][units]
                    if step.again { groups.append(step.start..<i) }
                    (i, units) = (step.start, step.units)
                }
                found.append(
                    Choice(
                        recomputation: Recomputation(groups: groups.reversed()), flops: best[count][m],
                        bytes: m * unit + (groups.isEmpty ? 0 : size)))
            }
        }
        var front: [Choice] = []
        for choice in found.sorted(by: { ($0.flops, $0.bytes) < ($1.flops, $1.bytes) }) where choice.bytes < front.last?.bytes ?? .max {
            front.append(choice)
        }
        choices = front
    }

    /// Sizes worth a try: those of runs of 1, 2, 3… segments in the middle of the chain's range.
    private static func groupSizes(_ segments: [ForwardChain.Segment]) -> [Int] {
        let sizes = (1...segments.count).compactMap { length in
            (0...(segments.count - length)).map { start in
                segments[start..<(start + length)].reduce(0) { $0 + $1.keptBytes + $1.passedBytes }
            }.max()
        }
        let unique = Array(Set(sizes)).sorted()
        let most = 16
        return unique.count <= most ? unique : (0..<most).map { unique[$0 * unique.count / most] }
    }
}
