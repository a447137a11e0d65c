import Foundation

/// What of the machine this process may take: processors by its affinity mask and its control groups' quotas, memory by what is built in,
/// its control groups' limits and its address space (`ulimit -v`).
package struct ProcessLimits: Sendable, Equatable {
    /// Processors, a quota rounded up; at least 1.
    package let processors: Int
    package let memoryBytes: Int

    /// Looks at the process that it runs in.
    package init() { self.init(root: "") }

    /// - Parameters:
    ///   - root: stands before `/proc/self` and `/sys/fs/cgroup`: tests have trees of their own.
    ///   - physicalBytes, addressBytes: memory that is built in, and that may have addresses.
    init(
        root: String, physicalBytes: Int = Int(clamping: ProcessInfo.processInfo.physicalMemory),
        addressBytes: Int = ProcessLimits.addressBytes
    ) {
        let groups = ControlGroups(root: root)
        let mask = ProcessLimits.maskedProcessors(root: root) ?? ProcessInfo.processInfo.activeProcessorCount
        processors = max(1, min(mask, groups.processors ?? .max))
        memoryBytes = min(physicalBytes, groups.memoryBytes ?? .max, addressBytes)
    }

    /// Processors of the affinity mask, which stands in hexadecimal words with commas between them; nil where the kernel does not tell.
    private static func maskedProcessors(root: String) -> Int? {
        let line = kernelText("\(root)/proc/self/status").split(separator: "\n").first { $0.hasPrefix("Cpus_allowed:") }
        let digits = line?.split(separator: ":").last?.compactMap(\.hexDigitValue) ?? []
        return digits.isEmpty ? nil : digits.reduce(0) { $0 + $1.nonzeroBitCount }
    }

    static var addressBytes: Int {
        var limit = rlimit()
        guard getrlimit(.init(RLIMIT_AS.rawValue), &limit) == 0 else { return .max }
        return Int(clamping: limit.rlim_cur)
    }
}

/// Limits of the control groups that this process is in, of both versions (the kernel's `cgroup-v2.rst`, `cgroup-v1/memory.rst`,
/// `scheduler/sched-bwc.rst`): a group's own, and those of all above it.
private struct ControlGroups {
    /// The smallest quota, rounded up; nil for none.
    private(set) var processors: Int?
    private(set) var memoryBytes: Int?

    init(root: String) {
        for line in kernelText("\(root)/proc/self/cgroup").split(separator: "\n") {
            // hierarchy:controllers:/path, in version 2 with the number 0 and no controllers
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 3 else { continue }
            let controllers = parts[1].split(separator: ",").map(String.init)
            // Where both versions are mounted, the second lies below the first.
            let mounts = controllers.isEmpty ? ["", "unified"] : [parts[1]] + controllers
            for mount in mounts {
                let top = "\(root)/sys/fs/cgroup" + (mount.isEmpty ? "" : "/\(mount)")
                for folder in ControlGroups.upwards(parts[2]).map({ top + $0 }) { look(in: folder) }
            }
        }
    }

    private mutating func look(in folder: String) {
        let second = ControlGroups.numbers("\(folder)/cpu.max"), quota = ControlGroups.numbers("\(folder)/cpu.cfs_quota_us")
        // No quota is "max" or -1, and gives no first number above 0.
        if second.count == 2 { take(quota: second[0], period: second[1]) }
        if let quota = quota.first, let period = ControlGroups.numbers("\(folder)/cpu.cfs_period_us").first {
            take(quota: quota, period: period)
        }
        for name in ["memory.max", "memory.limit_in_bytes"] {
            guard let bytes = ControlGroups.numbers("\(folder)/\(name)").first, bytes > 0 else { continue }
            memoryBytes = min(memoryBytes ?? .max, bytes)
        }
    }

    private mutating func take(quota: Int, period: Int) {
        guard quota > 0, period > 0 else { return }
        processors = min(processors ?? .max, (quota - 1) / period + 1)
    }

    /// A group's path and those above it: "/a/b", "/a", "". In a container's own view a path may lead outside: those are not there.
    private static func upwards(_ path: String) -> [String] {
        let names = path.split(separator: "/")
        return (0...names.count).reversed().map { names.prefix($0).map { "/\($0)" }.joined() }
    }

    private static func numbers(_ path: String) -> [Int] {
        let words = kernelText(path).split { $0 == " " || $0 == "\n" }
        return words.map { Int($0) ?? ($0.allSatisfy(\.isNumber) ? .max : -1) }
    }
}

/// A file of the kernel's; empty where it is not there.
func kernelText(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }
