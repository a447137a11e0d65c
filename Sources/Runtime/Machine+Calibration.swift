import CSupport
import CurricleProgram
import Foundation

extension Machine {
    /// GFLOP/s of register-only fused multiply-adds: what the units can give.
    package static func peakGFLOPs(isa: ISA, threads: Int, seconds: Double) -> Double {
        curricle_peak_gflops(isa.value, Int32(threads), seconds)
    }

    /// GB/s of reading and writing memory far larger than the caches: what the memory can give.
    /// - Throws: `RuntimeError.outOfMemory`.
    package static func streamGBytes(threads: Int, seconds: Double) throws(RuntimeError) -> Double {
        let memory = try Memory(bytes: max(1 << 26, 4 * (caches?.last ?? 0)), purpose: "measuring the memory")
        return curricle_stream_gbytes(Int32(threads), seconds, memory.base.assumingMemoryBound(to: Float.self), UInt64(memory.bytes))
    }

    /// Bytes of a core's second level and of the last one, as Linux tells of the first processor; nil where it does not.
    package static let caches: (second: Int, last: Int)? = {
        let folder = "/sys/devices/system/cpu/cpu0/cache/index"
        let sizes: [(level: Int, bytes: Int)] = (0..<8).compactMap { index in
            func text(_ name: String) -> String { kernelText("\(folder)\(index)/\(name)").trimmingCharacters(in: .whitespacesAndNewlines) }
            guard let level = Int(text("level")), let kilobytes = Int(text("size").dropLast()), text("type") != "Instruction" else {
                return nil
            }
            return (level, kilobytes << (text("size").hasSuffix("M") ? 20 : 10))
        }
        guard let second = sizes.first(where: { $0.level == 2 }), let last = sizes.max(by: { $0.level < $1.level }) else { return nil }
        return (second.bytes, last.bytes)
    }()
}

extension Instruction {
    /// Tasks that a team of so many threads makes of it.
    package func tasks(threads: Int, isa: ISA) -> Int {
        withUnsafePointer(to: self) { Int(curricle_task_count($0, Int32(threads), isa.value)) }
    }
}

/// What else ran on the machine's processors in a stretch of time (`/proc/stat`, in hundredths of a second).
package struct Neighbours: Sendable {
    /// Shares of all processors' time: other processes', and what the hypervisor gave to other machines.
    package let others: Double, stolen: Double

    /// Whether a time that was taken meanwhile says more of the neighbours than of the program.
    package var disturb: Bool { others + stolen > 0.03 }

    /// Ticks since the machine started, and this process's own.
    package struct Clock: Sendable {
        fileprivate let all: Double, busy: Double, stolen: Double, own: Double

        /// Nil where the system does not tell.
        package init?() {
            let line = kernelText("/proc/stat").split(separator: "\n").first { $0.hasPrefix("cpu ") }
            let ticks = line?.split(separator: " ").dropFirst().compactMap { Double($0) } ?? []
            guard ticks.count >= 8 else { return nil }
            // user, nice, system, idle, waiting for a disk, interrupts, soft interrupts, stolen
            (all, stolen) = (ticks[..<8].reduce(0, +), ticks[7])
            busy = all - ticks[3] - ticks[4] - stolen
            var usage = rusage()
            getrusage(.init(RUSAGE_SELF.rawValue), &usage)
            func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
            own = (seconds(usage.ru_utime) + seconds(usage.ru_stime)) * Double(sysconf(Int32(_SC_CLK_TCK)))
        }
    }

    /// Since a clock was read; nil where too little time has gone by to tell.
    package init?(since before: Clock) {
        guard let now = Clock(), now.all - before.all >= 10 else { return nil }
        let all = now.all - before.all
        others = max(0, (now.busy - before.busy - (now.own - before.own)) / all)
        stolen = max(0, (now.stolen - before.stolen) / all)
    }
}
