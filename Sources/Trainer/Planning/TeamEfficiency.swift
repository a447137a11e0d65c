import CurricleProgram
import CurricleRuntime

/// How much of so many threads a program can use at best: a team that waits for nothing but the last task of a stage, on cores that do not
/// share what they need. Computed from the stages, the tasks that kernels make for a team of that size, and the work of each.
package struct TeamEfficiency: Sendable {
    /// Threads, and the share of their time that is work, 0…1.
    package let teams: [(threads: Int, share: Double)]

    /// - Parameter programs: of a step, each as often as it is run.
    package init(_ programs: [(instructions: [Instruction], runs: Double)], threads: [Int] = [4, 8, 16, 32, 64], isa: ISA) {
        let stages = programs.map { (Stages($0.instructions), $0.runs) }
        let whole = stages.reduce(0) { $0 + $1.1 * $1.0.instructions.reduce(0) { $0 + $1.work } }
        teams = threads.map { count in
            let time = stages.reduce(0) { $0 + $1.1 * TeamEfficiency.time($1.0, threads: count, isa: isa) }
            return (count, whole / (Double(count) * time))
        }
    }

    /// Tasks in their order, each to the thread that is free first.
    private static func time(_ stages: Stages, threads: Int, isa: ISA) -> Double {
        var first = 0, time = 0.0
        for end in stages.ends.map(Int.init) {
            var team = FreeTimes(threads: threads)
            for instruction in stages.instructions[first..<end] {
                let tasks = max(1, instruction.tasks(threads: threads, isa: isa)), each = instruction.work / Double(tasks)
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
