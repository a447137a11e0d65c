/// An exact search for offsets within a capacity, after MiniMalloc (Moffitt, ASPLOS 2023).
///
/// Only canonical solutions are looked at: buffers are placed by ascending offset, each on the ground or on the highest
/// buffer placed before it that lives at the same time. A branch ends where
/// - in some section of time the lowest place left plus all that is still to be placed there exceeds the capacity, or
/// - another buffer would fit entirely below the one to be placed (moving it there gives a solution that is looked at elsewhere).
/// What is still to be placed falls into groups that share no time; they are solved one by one.
struct PackingSearch {
    private let sizes: [Int]
    /// Sections: the times between two changes of what lives. Each buffer spans a range of them.
    private let spans: [Range<Int>]
    private let neighbours: [[Int]]
    private let capacity: Int
    /// Place in the order in which candidates at equal heights are tried.
    private let rank: [Int]
    private var nodesLeft: Int

    private var offsets: [Int]
    /// Least offset of each buffer still to be placed: the highest top among its placed neighbours.
    private var floors: [Int]
    private var isPlaced: [Bool]
    /// Bytes still to be placed in each section.
    private var rest: [Int]
    private var lowest: [Int]

    /// Which buffer is tried first at equal heights: that at the fullest time (the longer-lived or the wider of those), that of the largest
    /// area, or that which spans most sections.
    enum Preference: CaseIterable { case contention, crowd, area, width }

    /// Offsets for which nothing that lives at once overlaps and nothing ends above the capacity, or nil where none was found.
    /// - Parameter nodes: how many placements may be tried; counted, not timed, so that every machine finds the same plan.
    static func offsets(sizes: [Int], lifetimes: [ClosedRange<Int>], capacity: Int, nodes: Int) -> [Int]? {
        // Short runs of every preference first: a lucky order finds in thousands of nodes what another misses in millions.
        let rounds = 4
        var budget = max(1, nodes / (Preference.allCases.count * ((1 << rounds) - 1)))
        for _ in 0..<rounds {
            for preference in Preference.allCases {
                var search = PackingSearch(sizes: sizes, lifetimes: lifetimes, capacity: capacity, preference: preference, nodes: budget)
                switch search.solve(Array(sizes.indices), above: (0, -1)) {
                case .found: return search.offsets
                case .impossible: return nil
                case .undecided: continue
                }
            }
            budget *= 2
        }
        return nil
    }

    private init(sizes: [Int], lifetimes: [ClosedRange<Int>], capacity: Int, preference: Preference, nodes: Int) {
        let changes = Array(Set(lifetimes.flatMap { [$0.lowerBound, $0.upperBound + 1] })).sorted()
        let section = Dictionary(uniqueKeysWithValues: changes.enumerated().map { ($0.element, $0.offset) })
        let spans = lifetimes.map { section[$0.lowerBound, default: 0]..<section[$0.upperBound + 1, default: 0] }
        var total = Array(repeating: 0, count: max(changes.count, 1))
        for (span, size) in zip(spans, sizes) { for s in span { total[s] += size } }
        let most = spans.map { $0.reduce(0) { max($0, total[$1]) } }
        let areas = zip(sizes, spans).map { $0 * $1.count }
        let order: [Int] =
            switch preference {
            case .contention:
                sizes.indices.sorted { (most[$0], lifetimes[$0].count, sizes[$0], -$0) > (most[$1], lifetimes[$1].count, sizes[$1], -$1) }
            case .crowd: sizes.indices.sorted { (most[$0], spans[$0].count, areas[$0], -$0) > (most[$1], spans[$1].count, areas[$1], -$1) }
            case .area: sizes.indices.sorted { (areas[$0], most[$0], -$0) > (areas[$1], most[$1], -$1) }
            case .width: sizes.indices.sorted { (spans[$0].count, most[$0], sizes[$0], -$0) > (spans[$1].count, most[$1], sizes[$1], -$1) }
            }
        var rank = Array(repeating: 0, count: sizes.count)
        for (place, buffer) in order.enumerated() { rank[buffer] = place }
        self.sizes = sizes
        self.spans = spans
        self.rank = rank
        self.capacity = capacity
        neighbours = spans.indices.map { i in spans.indices.filter { $0 != i && spans[$0].overlaps(spans[i]) } }
        nodesLeft = nodes
        offsets = Array(repeating: 0, count: sizes.count)
        floors = offsets
        isPlaced = Array(repeating: false, count: sizes.count)
        rest = total
        lowest = Array(repeating: 0, count: total.count)
    }

    private enum Outcome { case found, impossible, undecided }

    /// Places a set of buffers, none below the last one placed; equal offsets go by ascending rank.
    private mutating func solve(_ buffers: [Int], above last: (offset: Int, rank: Int)) -> Outcome {
        let groups = separate(buffers)
        if groups.count > 1 {
            for (index, group) in groups.enumerated() {
                let outcome = solve(group, above: last)
                if case .found = outcome { continue }
                for done in groups[..<index] { withdraw(done) }
                return outcome
            }
            return .found
        }
        guard !buffers.isEmpty else { return .found }
        guard fits(buffers, above: last.offset) else { return .impossible }

        // Whatever can be placed wholly below a candidate has to be placed before it.
        var leastTop = Int.max
        for i in buffers where floors[i] >= last.offset { leastTop = min(leastTop, floors[i] + sizes[i]) }
        let candidates = buffers.filter { floors[$0] < leastTop && (floors[$0], rank[$0]) > last }.sorted {
            (floors[$0], rank[$0]) < (floors[$1], rank[$1])
        }
        for candidate in candidates {
            guard nodesLeft > 0 else { return .undecided }
            nodesLeft -= 1
            let offset = floors[candidate], top = offset + sizes[candidate]
            let raised = place(candidate, at: offset, top: top)
            let outcome = solve(buffers.filter { $0 != candidate }, above: (offset, rank[candidate]))
            if case .found = outcome { return .found }
            unplace(candidate, raised)
            if case .undecided = outcome { return .undecided }
        }
        return .impossible
    }

    private mutating func place(_ buffer: Int, at offset: Int, top: Int) -> [(Int, Int)] {
        isPlaced[buffer] = true
        offsets[buffer] = offset
        for s in spans[buffer] { rest[s] -= sizes[buffer] }
        var raised: [(Int, Int)] = []
        for j in neighbours[buffer] where !isPlaced[j] && floors[j] < top {
            raised.append((j, floors[j]))
            floors[j] = top
        }
        return raised
    }

    private mutating func unplace(_ buffer: Int, _ raised: [(Int, Int)]) {
        for (j, floor) in raised { floors[j] = floor }
        for s in spans[buffer] { rest[s] += sizes[buffer] }
        isPlaced[buffer] = false
    }

    /// Takes back a group that was solved. Floors of others are not touched: they share no time with it.
    private mutating func withdraw(_ group: [Int]) {
        for i in group {
            isPlaced[i] = false
            for s in spans[i] { rest[s] += sizes[i] }
        }
        for i in group { floors[i] = neighbours[i].reduce(0) { isPlaced[$1] ? max($0, offsets[$1] + sizes[$1]) : $0 } }
    }

    /// Whether all sections can still hold what is to be placed in them.
    private mutating func fits(_ buffers: [Int], above least: Int) -> Bool {
        var first = Int.max, end = 0
        for i in buffers {
            first = min(first, spans[i].lowerBound)
            end = max(end, spans[i].upperBound)
        }
        for s in first..<end { lowest[s] = Int.max }
        for i in buffers {
            let floor = max(floors[i], least)
            if floor + sizes[i] > capacity { return false }
            for s in spans[i] where floor < lowest[s] { lowest[s] = floor }
        }
        for s in first..<end where lowest[s] != Int.max && lowest[s] + rest[s] > capacity { return false }
        return true
    }

    /// The buffers in groups that share no time, in order of time.
    private func separate(_ buffers: [Int]) -> [[Int]] {
        guard buffers.count > 1 else { return [buffers] }
        let sorted = buffers.sorted { (spans[$0].lowerBound, $0) < (spans[$1].lowerBound, $1) }
        var groups: [[Int]] = [], end = Int.min
        for i in sorted {
            if spans[i].lowerBound >= end { groups.append([]) }
            groups[groups.count - 1].append(i)
            end = max(end, spans[i].upperBound)
        }
        return groups
    }
}
