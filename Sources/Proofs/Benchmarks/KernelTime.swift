import CurricleProgram

/// Time of all instructions of one kernel (or of one shape of it) in a run.
package struct KernelTime: Sendable {
    package let name: String
    package let seconds: Double
    package let flops: Double
    package let count: Int

    /// The slowest first; seconds are means over the repeats.
    package static func table(
        _ instructions: [Instruction], _ nanoseconds: UnsafeMutableBufferPointer<UInt64>, repeats: Int, byShape: Bool
    ) -> [KernelTime] {
        var kernels: [String: (UInt64, Double, Int)] = [:]
        for (instruction, time) in zip(instructions, nanoseconds) {
            let name = byShape ? instruction.shapeDescription : instruction.name
            let old = kernels[name] ?? (0, 0, 0)
            kernels[name] = (old.0 + time, old.1 + instruction.flops, old.2 + 1)
        }
        return kernels.map {
            KernelTime(name: $0.key, seconds: Double($0.value.0) * 1e-9 / Double(repeats), flops: $0.value.1, count: $0.value.2)
        }
        .sorted { $0.seconds > $1.seconds }
    }
}
