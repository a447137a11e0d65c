import CurricleProgram

/// A buffer as a planner placed it.
package struct PlacedBuffer {
    package let offset: Int, bytes: Int, lifetime: ClosedRange<Int>
    package init(offset: Int, bytes: Int, lifetime: ClosedRange<Int>) {
        self.offset = offset
        self.bytes = bytes
        self.lifetime = lifetime
    }
}

/// Proves plans of memory, or says what is wrong with them. Written apart from the planner: it looks at every instruction's moment in turn.
package enum PlanChecker {
    /// Buffers that live at once must not overlap, and all must lie in the arena, aligned.
    package static func problems(_ buffers: [PlacedBuffer], arenaBytes: Int, alignment: Int = 64) -> [String] {
        var problems: [String] = []
        for (i, b) in buffers.enumerated() {
            if b.offset % alignment != 0 { problems.append("buffer \(i) begins at \(b.offset)") }
            if b.offset < 0 || b.offset + b.bytes > arenaBytes {
                problems.append("buffer \(i) ends at \(b.offset + b.bytes) of \(arenaBytes)")
            }
        }
        // Only where a buffer is born can a new pair come to live together.
        let births = buffers.indices.sorted { buffers[$0].lifetime.lowerBound < buffers[$1].lifetime.lowerBound }
        var living: [Int] = []
        for i in births {
            let now = buffers[i].lifetime.lowerBound
            living.removeAll { buffers[$0].lifetime.upperBound < now }
            for j in living
            where buffers[j].offset < buffers[i].offset + buffers[i].bytes && buffers[i].offset < buffers[j].offset + buffers[j].bytes {
                problems.append("buffers \(i) and \(j) overlap while both live")
            }
            living.append(i)
        }
        return problems
    }

    /// Besides, every place in the arena that an instruction names must lie in a buffer that lives then.
    package static func problems(_ program: Program) -> [String] {
        let buffers = program.buffers.map { PlacedBuffer(offset: $0.offset, bytes: $0.bytes, lifetime: $0.lifetime) }
        var problems = problems(buffers, arenaBytes: program.arenaBytes)
        var living: [Int] = [], next = 0
        let births = buffers.indices.sorted { buffers[$0].lifetime.lowerBound < buffers[$1].lifetime.lowerBound }
        for (step, instruction) in program.instructions.enumerated() {
            while next < births.count, buffers[births[next]].lifetime.lowerBound <= step { living.append(births[next]); next += 1 }
            living.removeAll { buffers[$0].lifetime.upperBound < step }
            for (slot, operand) in instruction.operands.enumerated() {
                guard let operand, operand.segment == .arena else { continue }
                if !living.contains(where: {
                    buffers[$0].offset <= operand.offset && operand.offset < buffers[$0].offset + buffers[$0].bytes
                }) {
                    problems.append("instruction \(step), \(instruction.name), operand \(slot): nothing lives at \(operand.offset)")
                }
            }
        }
        return problems
    }

    /// The most bytes alive at any moment, counted moment by moment.
    package static func mostAlive(_ buffers: [(bytes: Int, lifetime: ClosedRange<Int>)]) -> Int {
        let last = buffers.map(\.lifetime.upperBound).max() ?? -1
        var most = 0
        for moment in 0..<(last + 1) {
            var alive = 0
            for buffer in buffers where buffer.lifetime.contains(moment) { alive += (buffer.bytes + 63) / 64 * 64 }
            most = max(most, alive)
        }
        return most
    }
}
