import Foundation
import Testing
@testable import CurricleRuntime

/// Control groups of both versions, from trees of files as the kernel's documentation has them.
@Suite("Limits of the process") struct ProcessLimitsTests {
    /// A tree of files, gone with the value.
    private final class Tree {
        let root = NSTemporaryDirectory() + "/curricle-limits-" + UUID().uuidString

        init(_ files: [String: String]) throws {
            for (path, text) in files {
                let url = URL(fileURLWithPath: root + path)
                try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data((text + "\n").utf8).write(to: url)
            }
        }
        deinit { try? FileManager.default.removeItem(atPath: root) }
    }

    private func limits(_ files: [String: String], mask: String = "ff", address: Int = .max) throws -> ProcessLimits {
        let tree = try Tree(files.merging(["/proc/self/status": "Name:\tx\nCpus_allowed:\t\(mask)\nCpus_allowed_list:\t0-7"]) { $1 })
        return ProcessLimits(root: tree.root, physicalBytes: 64 << 30, addressBytes: address)
    }

    @Test("without groups it is the mask and what is built in")
    func bare() throws {
        #expect(try limits([:]) == limits(["/proc/self/cgroup": "0::/"]))
        let found = try limits([:])
        #expect(found.processors == 8 && found.memoryBytes == 64 << 30)
        #expect(try limits([:], mask: "00000001,80000001").processors == 3)
        #expect(try limits([:], mask: "1").processors == 1)
    }

    @Test(
        "a quota of version 2 is rounded up: half, one, one and a half processors",
        arguments: [("50000 100000", 1), ("100000 100000", 1), ("150000 100000", 2), ("max 100000", 8), ("1600000 100000", 8)])
    func secondVersion(quota: String, processors: Int) throws {
        let files = ["/proc/self/cgroup": "0::/job", "/sys/fs/cgroup/job/cpu.max": quota, "/sys/fs/cgroup/job/memory.max": "314572800"]
        let found = try limits(files)
        #expect(found.processors == processors && found.memoryBytes == 314_572_800)
    }

    @Test("a group is limited by those above it, too")
    func ancestors() throws {
        let found = try limits([
            "/proc/self/cgroup": "0::/slice/job/step", "/sys/fs/cgroup/slice/job/step/cpu.max": "max 100000",
            "/sys/fs/cgroup/slice/job/cpu.max": "300000 100000",
            "/sys/fs/cgroup/slice/cpu.max": "200000 100000", "/sys/fs/cgroup/slice/job/memory.max": "max",
            "/sys/fs/cgroup/slice/memory.max": "1073741824"
        ])
        #expect(found.processors == 2 && found.memoryBytes == 1 << 30)
    }

    @Test("version 1, its groups by controller; no quota is -1, and no limit is a huge number")
    func firstVersion() throws {
        let groups = "12:memory:/batch/7\n4:cpu,cpuacct:/batch/7\n1:name=systemd:/init.scope"
        let cpu = "/sys/fs/cgroup/cpu,cpuacct/batch/7/cpu.cfs", memory = "/sys/fs/cgroup/memory/batch/7/memory.limit_in_bytes"
        let limited = try limits([
            "/proc/self/cgroup": groups, cpu + "_quota_us": "250000", cpu + "_period_us": "100000", memory: "524288000"
        ])
        #expect(limited.processors == 3 && limited.memoryBytes == 524_288_000)
        let free = try limits([
            "/proc/self/cgroup": groups, cpu + "_quota_us": "-1", cpu + "_period_us": "100000", memory: "9223372036854771712"
        ])
        #expect(free.processors == 8 && free.memoryBytes == 64 << 30)
    }

    @Test("in a container whose path leads outside, the tree's own root counts")
    func container() throws {
        let files = [
            "/proc/self/cgroup": "4:cpu,cpuacct:/docker/abc", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000",
            "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"
        ]
        #expect(try limits(files).processors == 1)
    }

    @Test("the address space is a limit of memory")
    func addresses() throws { #expect(try limits([:], address: 300 << 20).memoryBytes == 300 << 20) }

    @Test("this process's own limits are possible")
    func own() {
        let own = ProcessLimits()
        #expect((1...ProcessInfo.processInfo.processorCount).contains(own.processors))
        #expect(own.memoryBytes > 0 && own.memoryBytes <= Int(clamping: ProcessInfo.processInfo.physicalMemory))
    }
}
