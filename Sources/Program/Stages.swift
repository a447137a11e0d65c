import CurricleCInstructions

/// A program's instructions in stages: the tasks of a stage are dealt out together, so that threads wait for one another once a stage rather
/// than once an instruction.
///
/// Of two instructions that touch the same bytes, one of them writing, the earlier one's stage comes first: that is all that order is needed
/// for, and what a program computes has the same bits. Bytes are those of the finished program, so the plan of the memory stays as it is, and a
/// place that is used again orders its users. There are as many stages as the longest chain of such instructions is long.
package struct Stages: Sendable {
    /// The program's, in the order of their stages; in a stage those with the most work first, so that what ends a stage is small.
    package let instructions: [Instruction]
    /// Behind the last instruction of each stage.
    package let ends: [UInt32]

    package init(_ instructions: [Instruction]) {
        let before = Stages.conflicts(instructions)
        let stage = Stages.stages(before), work = instructions.map(\.work)
        let order = instructions.indices.sorted { (stage[$0], -work[$0], $0) < (stage[$1], -work[$1], $1) }
        self.instructions = order.map { instructions[$0] }
        ends = order.indices.filter { $0 + 1 == order.count || stage[order[$0 + 1]] > stage[order[$0]] }.map { UInt32($0 + 1) }
    }

    /// Instructions of the longest chain in which each reads what the one before it wrote: however the memory is planned, there are as many stages.
    package static func longestChain(_ instructions: [Instruction]) -> Int {
        let touched = instructions.map(Span.of)
        var length: [Int] = []
        for i in instructions.indices {
            var before = 0
            for span in touched[i] where span.isRead {
                // Back to whoever wrote it, piece by piece: what lay there before is not what is read.
                var missing = [span]
                for j in touched[..<i].indices.reversed() where !missing.isEmpty {
                    for written in touched[j] where written.isWritten && missing.contains(where: written.overlaps) {
                        before = max(before, length[j])
                        missing = missing.flatMap { $0.without(written) }
                    }
                }
            }
            length.append(before + 1)
        }
        return length.max() ?? 0
    }

    /// Of each instruction those before it that it must come after.
    private static func conflicts(_ instructions: [Instruction]) -> [[Int]] {
        let touched = instructions.map(Span.of), guards = instructions.map { $0.kernel == .guard_finite }
        return instructions.indices.map { later in
            (0..<later).filter { earlier in
                // Nothing goes past a guard: what is behind it may not be done.
                guards[earlier] || guards[later]
                    || touched[later].contains { span in touched[earlier].contains { $0.conflicts(with: span) } }
            }
        }
    }

    /// Each instruction's stage. Those of the longest chain have one stage each could be in; the others are put as near to where they stand
    /// among those as their own order allows, so that what was just written is still in a cache.
    private static func stages(_ before: [[Int]]) -> [Int] {
        var earliest = [Int](repeating: 0, count: before.count)
        for i in before.indices { earliest[i] = 1 + (before[i].map { earliest[$0] }.max() ?? -1) }
        let last = earliest.max() ?? 0
        var latest = [Int](repeating: last, count: before.count)
        for i in before.indices.reversed() { for j in before[i] { latest[j] = min(latest[j], latest[i] - 1) } }
        var stage = earliest, front = 0
        for i in before.indices {
            if earliest[i] == latest[i] { front = earliest[i] }
            let least = 1 + (before[i].map { stage[$0] }.max() ?? -1)
            stage[i] = min(max(front, least), latest[i])
        }
        return stage
    }
}

/// A program's instructions as they are run: stage after stage, or, by one thread, one after another.
package struct StageOrder: Sendable {
    package let instructions: [Instruction]
    /// Behind the last instruction of each stage; nil where each is one.
    private let ends: [UInt32]?

    package init(_ stages: Stages) { (instructions, ends) = (stages.instructions, stages.ends) }
    package init(_ instructions: [Instruction]) { (self.instructions, ends) = (instructions, nil) }

    package var count: Int { ends?.count ?? instructions.count }

    /// Each instruction's stage.
    package var stages: [Int] {
        guard let ends else { return Array(instructions.indices) }
        var first = 0
        return ends.enumerated().flatMap { stage, end in
            defer { first = Int(end) }
            return [Int](repeating: stage, count: Int(end) - first)
        }
    }

    /// The bytes of a segment that are touched, and in which stages, in their order.
    package func touches(_ segment: Segment) -> [(stage: Int, bytes: Range<Int>, isWritten: Bool)] {
        zip(stages, instructions).flatMap { stage, instruction in
            instruction.touches.filter { $0.operand.segment == segment }.map { operand, extent in
                (stage, operand.offset..<(operand.offset + Int(extent.bytes)), extent.is_written != 0)
            }
        }
    }

    /// The share of the work that is done when so many stages are, for 0 … `count`.
    package var sharesDone: [Double] {
        var work = [Double](repeating: 0, count: count)
        for (stage, instruction) in zip(stages, instructions) { work[stage] += instruction.work }
        let whole = max(work.reduce(0, +), .leastNormalMagnitude)
        return work.reduce(into: [0.0]) { $0.append($0[$0.count - 1] + $1 / whole) }
    }
}

/// Bytes of a segment that an instruction touches.
private struct Span {
    let segment: Int, start: Double, end: Double, isRead: Bool, isWritten: Bool

    func overlaps(_ other: Span) -> Bool { segment == other.segment && start < other.end && other.start < end }
    func conflicts(with other: Span) -> Bool { (isWritten || other.isWritten) && overlaps(other) }

    /// What is left of it beside another's bytes.
    func without(_ other: Span) -> [Span] {
        guard overlaps(other) else { return [self] }
        return [(start, min(end, other.start)), (max(start, other.end), end)].filter { $0.0 < $0.1 }.map {
            Span(segment: segment, start: $0.0, end: $0.1, isRead: isRead, isWritten: isWritten)
        }
    }

    static func of(_ instruction: Instruction) -> [Span] {
        instruction.touches.map { operand, extent in
            let start = Double(operand.offset)
            return Span(
                segment: operand.segment.number, start: start, end: start + extent.bytes, isRead: extent.is_read != 0,
                isWritten: extent.is_written != 0)
        }
    }
}
