/// A buffer to be placed: how many bytes, and from which instruction to which it lives (both included).
struct BufferRequest: Sendable, Hashable {
    let bytes: Int
    let lifetime: ClosedRange<Int>
}

/// Offsets for buffers so that no two that live at once overlap.
struct MemoryPlan: Sendable {
    let offsets: [Int]
    let bytes: Int
    /// The most bytes alive at once: no plan is smaller.
    let lowerBound: Int
    /// Bytes if nothing were reused.
    let naive: Int

    static let alignment = 64
    /// How far a plan is looked for.
    enum Effort: Sendable {
        /// Not at all: what it must take at least is taken for what it takes.
        case bound
        /// The best of the greedy orders.
        case greedy
        /// Where those do not reach the bound, a search for one that does.
        case exact
    }

    /// Placements that the exact search may try for each capacity.
    static let searchNodes = 300_000
    static func aligned(_ bytes: Int) -> Int { (bytes + alignment - 1) / alignment * alignment }

    /// Greedy by several orders, each buffer into the smallest gap that fits (Pisarchyk & Lee, arXiv 2001.03288); the best wins;
    /// then an exact search.
    init(_ requests: [BufferRequest], effort: Effort = .exact) {
        let sizes = requests.map { MemoryPlan.aligned($0.bytes) }
        lowerBound = MemoryPlan.mostAlive(requests, sizes)
        naive = sizes.reduce(0, +)
        guard effort != .bound else {
            offsets = Array(repeating: 0, count: requests.count)
            bytes = lowerBound
            return
        }
        var best: (offsets: [Int], bytes: Int)?
        let spans = requests.map { $0.lifetime.count }
        let orders: [(Int, Int) -> Bool] = [
            { (sizes[$0], spans[$0], -$0) > (sizes[$1], spans[$1], -$1) },
            { (sizes[$0] * spans[$0], -$0) > (sizes[$1] * spans[$1], -$1) },
            { (spans[$0], sizes[$0], -$0) > (spans[$1], sizes[$1], -$1) },
            { (requests[$0].lifetime.lowerBound, $0) < (requests[$1].lifetime.lowerBound, $1) }
        ]
        for order in orders {
            let candidate = MemoryPlan.place(requests, sizes, requests.indices.sorted(by: order))
            if candidate.bytes < best?.bytes ?? .max { best = candidate }
            if best?.bytes == lowerBound { break }
        }
        // Where no order reaches the bound, a search for a plan that does; failing that, bisection between the two.
        var failed: Int?
        while effort == .exact, let found = best, found.bytes - (failed ?? 0) > max(MemoryPlan.alignment, found.bytes / 400),
            found.bytes > lowerBound
        {
            let capacity = failed.map { ($0 + found.bytes) / 2 } ?? lowerBound
            if let exact = PackingSearch.offsets(
                sizes: sizes, lifetimes: requests.map(\.lifetime), capacity: capacity, nodes: MemoryPlan.searchNodes)
            {
                best = (exact, zip(exact, sizes).reduce(0) { max($0, $1.0 + $1.1) })
            } else {
                failed = capacity
            }
        }
        offsets = best?.offsets ?? []
        bytes = best?.bytes ?? 0
    }

    private static func mostAlive(_ requests: [BufferRequest], _ sizes: [Int]) -> Int {
        var changes: [Int: Int] = [:]
        for (request, size) in zip(requests, sizes) {
            changes[request.lifetime.lowerBound, default: 0] += size
            changes[request.lifetime.upperBound + 1, default: 0] -= size
        }
        var alive = 0, most = 0
        for at in changes.keys.sorted() {
            alive += changes[at]!
            most = max(most, alive)
        }
        return most
    }

    private static func place(_ requests: [BufferRequest], _ sizes: [Int], _ order: [Int]) -> (offsets: [Int], bytes: Int) {
        var offsets = Array(repeating: 0, count: requests.count)
        var placed: [Int] = []  // by offset
        var bytes = 0
        for i in order {
            var floor = 0, chosen: Int?, smallest = Int.max
            for j in placed where requests[j].lifetime.overlaps(requests[i].lifetime) {
                let gap = offsets[j] - floor
                if gap >= sizes[i], gap < smallest { (chosen, smallest) = (floor, gap) }
                floor = max(floor, offsets[j] + sizes[j])
            }
            offsets[i] = chosen ?? floor
            bytes = max(bytes, offsets[i] + sizes[i])
            let at = placed.partitionIndex { (offsets[$0], $0) > (offsets[i], i) }
            placed.insert(i, at: at)
        }
        return (offsets, bytes)
    }
}

extension Array {
    /// First index whose element satisfies the condition, in an array where those come last.
    fileprivate func partitionIndex(where condition: (Element) -> Bool) -> Int {
        var low = 0, high = count
        while low < high {
            let middle = (low + high) / 2
            if condition(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
