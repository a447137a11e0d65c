import Foundation

extension Machine {
    /// Seconds of processors that this process has taken.
    package static var processorSeconds: Double {
        var usage = rusage()
        getrusage(.init(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) * 1e-6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }
}

/// What else ran on the machine's processors in a stretch of time (`/proc/stat`).
package struct OtherLoad: Sendable, Equatable {
    /// Shares of all processors' time: other processes', and what the hypervisor gave to other machines.
    package let others: Double, stolen: Double

    /// Whether a time that was taken meanwhile says more of the others than of the program.
    package var disturbs: Bool { others + stolen > 0.03 }

    /// Ticks of all processors since the machine started, and this process's own.
    package struct Clock: Sendable {
        fileprivate let all: Double, busy: Double, stolen: Double, own: Double

        /// Nil where the system does not tell.
        package init?() {
            self.init(kernelText("/proc/stat"), own: Machine.processorSeconds * Double(sysconf(Int32(_SC_CLK_TCK))))
        }

        /// - Parameters:
        ///   - text: of `/proc/stat`: user, nice, system, idle, waiting for a disk, interrupts, soft interrupts, stolen.
        ///   - own: ticks of this process.
        init?(_ text: String, own: Double) {
            let line = text.split(separator: "\n").first { $0.hasPrefix("cpu ") }
            let ticks = line?.split(separator: " ").dropFirst().compactMap { Double($0) } ?? []
            guard ticks.count >= 8 else { return nil }
            (all, stolen, self.own) = (ticks[..<8].reduce(0, +), ticks[7], own)
            busy = all - ticks[3] - ticks[4] - stolen
        }
    }

    /// Since a clock was read; nil where too little time has gone by to tell.
    package init?(since before: Clock) {
        guard let now = Clock() else { return nil }
        self.init(from: before, to: now)
    }

    init?(from before: Clock, to now: Clock) {
        let all = now.all - before.all
        guard all >= 10 else { return nil }
        others = max(0, (now.busy - before.busy - (now.own - before.own)) / all)
        stolen = max(0, (now.stolen - before.stolen) / all)
    }
}
