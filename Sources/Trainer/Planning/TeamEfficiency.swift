import CurricleProgram
import CurricleRuntime

/// How much of so many threads a program can use at best: a team that waits for nothing but the last task of a stage, on cores that do not
/// share what they need. Computed from the stages, the tasks that kernels make for a team of that size, and the work of each.
package struct TeamEfficiency: Sendable {
    /// Threads, and the share of their time that is work, 0…1.
    package let teams: [(threads: Int, share: Double)]

    /// What moving a byte takes, as FLOPs of a core that does them at its peak: for kernels without matrix products.
    private static let flopsOfAByte = 4.0

    package init(_ programs: [[Instruction]], threads: [Int] = [4, 8, 16, 32, 64], isa: ISA) {
        let stages = programs.map(Stages.init)
        let whole = stages.reduce(0) { $0 + $1.instructions.reduce(0) { $0 + TeamEfficiency.work($1) } }
        teams = threads.map { count in
            let time = stages.reduce(0) { $0 + TeamEfficiency.time($1, threads: count, isa: isa) }
            return (count, whole / (Double(count) * time))
        }
    }

    private static func work(_ instruction: Instruction) -> Double {
        let bytes = zip(instruction.operands, instruction.demand.extents).reduce(0) { $0 + ($1.0 == nil ? 0 : $1.1.bytes) }
        return max(instruction.flops, flopsOfAByte * bytes)
    }

    /// Tasks in their order, each to the thread that is free first.
    private static func time(_ stages: Stages, threads: Int, isa: ISA) -> Double {
        var first = 0, time = 0.0
        for end in stages.ends.map(Int.init) {
            var team = FreeTimes(threads: threads)
            for instruction in stages.instructions[first..<end] {
                let tasks = max(1, instruction.tasks(threads: threads, isa: isa)), each = work(instruction) / Double(tasks)
                for _ in 0..<tasks { team.take(each) }
            }
            time += team.last
            first = end
        }
        return time
    }
}

/// When each thread of a team is free again; a heap, the earliest first.
private struct FreeTimes {
    private var times: [Double]
    private(set) var last = 0.0

    init(threads: Int) { times = [Double](repeating: 0, count: threads) }

    mutating func take(_ duration: Double) {
        let until = times[0] + duration
        last = max(last, until)
        var place = 0, child = 1
        while child < times.count {
            if child + 1 < times.count, times[child + 1] < times[child] { child += 1 }
            guard times[child] < until else { break }
            times[place] = times[child]
            (place, child) = (child, 2 * child + 1)
        }
        times[place] = until
    }
}
