import CSupport
import Foundation

/// An instruction set that kernels are compiled for.
package enum ISA: UInt32, Sendable, CaseIterable, CustomStringConvertible {
    case baseline = 1
    case avx2 = 2
    case avx512 = 3
    case neon = 4

    package var description: String { String(cString: curricle_isa_name(value)) }
    var value: curricle_isa { curricle_isa(rawValue: rawValue) }

    package var isAvailable: Bool { curricle_isa_available(value) == 1 }
    package static var available: [ISA] { allCases.filter(\.isAvailable) }
    /// The best this CPU has.
    package static var best: ISA { available.last ?? .baseline }

    /// The ISA of a name, or where there is none, of `CURRICLE_ISA`, or the best.
    /// - Throws: `RuntimeError.unknownISA` for a name this CPU cannot run.
    package static func named(_ name: String?) throws(RuntimeError) -> ISA {
        let environment = ProcessInfo.processInfo.environment["CURRICLE_ISA"] ?? ""
        guard let wanted = name ?? (environment.isEmpty ? nil : environment) else { return best }
        guard let isa = available.first(where: { $0.description == wanted }) else {
            throw .unknownISA(wanted, available: available.map(\.description))
        }
        return isa
    }
}

/// Facts of the machine the process runs on, and of the program on it.
package enum Machine {
    /// The program's version, which is the library's: "1.0".
    package static var version: String { String(cString: curricle_version()) }

    /// What this process may take, as it was when it was first asked.
    package static let limits = ProcessLimits()

    /// Processors this process may use.
    package static var processors: Int { limits.processors }

    /// Memory this process may use, in bytes.
    package static var memoryBytes: Int { limits.memoryBytes }

    /// CPU model, as the system names it.
    package static var cpu: String {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
        return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown CPU"
    }

    /// Resident memory of the process in bytes: now, and at its peak.
    package static var residentBytes: (now: Int, peak: Int) {
        let text = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        func field(_ name: String) -> Int {
            let line = text.split(separator: "\n").first { $0.hasPrefix(name) }
            return line.flatMap { Int($0.split(whereSeparator: { !$0.isNumber }).first ?? "") }.map { $0 * 1024 } ?? 0
        }
        return (field("VmRSS"), field("VmHWM"))
    }

    /// Whether kernels may take instructions for products of bytes where the CPU has them. Results are the same bits; tests look at both.
    package static func allowDot(_ allowed: Bool) { curricle_allow_dot(allowed ? 1 : 0) }

    /// How long threads of teams spin between runs before they sleep: in whose way they are meanwhile counts where others are timed.
    package static func spinBetweenRuns(milliseconds: Int32) { curricle_spin_between_runs(milliseconds) }
}
