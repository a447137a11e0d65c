import CurricleCInstructions

/// How many bytes a program moves between caches and memory, counted: an instruction touches each of its operands' bytes once, and what was
/// touched so lately that a cache still holds it (least recently used goes first) is found there.
///
/// A kernel's own way through its operands is not seen: it is built to stay in the second level.
package struct Traffic: Sendable {
    /// Bytes that are touched, by how many other bytes were touched since they were last; of them AdamW's, and what was written then and so
    /// has to be taken back (for a cache of c bytes the sum from c on).
    private var touched: [Int: Double] = [:], updated: [Int: Double] = [:], dirty: [Int: Double] = [:]

    /// Counts a round of programs that are run over and over.
    /// - Parameter granule: bytes that are held or lost together.
    package init(of programs: [[Instruction]], granule: Int = 1 << 14) {
        let round = programs.flatMap { $0.map { Touches($0, granule: granule) } }
        var marks = LatestTouches(capacity: 2 * round.reduce(0) { $0 + $1.granules.count })
        for isCounted in [false, true] {
            for touches in round {
                for (number, isWritten) in touches.granules {
                    let touch = marks.touch(number, writes: isWritten)
                    guard isCounted else { continue }
                    let bytes = Double(granule), since = touch.distance * granule
                    touched[since, default: 0] += bytes
                    if touches.isUpdate { updated[since, default: 0] += bytes }
                    // A cache that let go of it took it back, unless it had done so since it was written.
                    if let before = touch.farthestSinceWritten, touch.distance > before {
                        dirty[since, default: 0] += bytes
                        dirty[before * granule, default: 0] -= bytes
                    }
                }
            }
        }
    }

    /// Bytes a round that instructions touch.
    package var touchedBytes: Double { touched.values.reduce(0, +) }

    /// Bytes a round that come from behind a cache of so many bytes, and those that are written back there.
    package func bytes(beyond cache: Int) -> Double { sum(touched, beyond: cache) + sum(dirty, beyond: cache) }

    /// What of these AdamW's instructions fetch.
    package func updateBytes(beyond cache: Int) -> Double { sum(updated, beyond: cache) }

    private func sum(_ counts: [Int: Double], beyond cache: Int) -> Double {
        counts.reduce(0) { $1.key >= cache ? $0 + $1.value : $0 }
    }
}

/// The granules that an instruction touches, each once.
private struct Touches {
    let granules: [(number: Int, isWritten: Bool)]
    let isUpdate: Bool

    init(_ instruction: Instruction, granule: Int) {
        isUpdate = instruction.kernel == .adamw
        var found: [Int: Bool] = [:], order: [Int] = []
        for (operand, extent) in instruction.touches where extent.bytes > 0 {
            for number in operand.offset / granule...(operand.offset + Int(extent.bytes) - 1) / granule {
                let key = operand.segment.number << 48 | number
                if found[key] == nil { order.append(key) }
                found[key] = found[key] == true || extent.is_written != 0
            }
        }
        granules = order.map { ($0, found[$0] == true) }
    }
}

/// Of each granule its latest touch, and how many others were touched since: a binary indexed tree over the touches.
private struct LatestTouches {
    private var tree: [Int]
    /// And the largest distance of a touch since it was written; nil where it was not.
    private var latest: [Int: (time: Int, farthest: Int?)] = [:]
    private var time = 0

    init(capacity: Int) { tree = [Int](repeating: 0, count: capacity + 1) }

    /// - Returns: distinct granules since the last touch, 2⁴⁰ where there was none, and the largest distance of those before since it was
    ///   written; nil where it was not.
    mutating func touch(_ granule: Int, writes: Bool) -> (distance: Int, farthestSinceWritten: Int?) {
        time += 1
        add(1, at: time)
        guard let before = latest[granule] else {
            latest[granule] = (time, writes ? 0 : nil)
            return (1 << 40, nil)
        }
        add(-1, at: before.time)
        let distance = count(upTo: time) - count(upTo: before.time) - 1
        latest[granule] = (time, writes ? 0 : before.farthest.map { max($0, distance) })
        return (distance, before.farthest)
    }

    private mutating func add(_ value: Int, at place: Int) {
        var i = place
        while i < tree.count {
            tree[i] += value
            i += i & -i
        }
    }

    private func count(upTo place: Int) -> Int {
        var i = place, sum = 0
        while i > 0 {
            sum += tree[i]
            i -= i & -i
        }
        return sum
    }
}
