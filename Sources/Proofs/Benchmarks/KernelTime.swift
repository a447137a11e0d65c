import CurricleProgram

/// Time of all instructions of one kernel (or of one shape of it) in a run.
package struct KernelTime: Sendable {
    package let name: String
    package let seconds: Double
    package let flops: Double
    package let count: Int
    /// GFLOP/s that the units can give of its products.
    package let peakGFLOPs: Double

    /// Times kernels in turn, each alone.
    /// - Parameters:
    ///   - programs: that one round runs.
    ///   - rounds: how often; none for no kernels.
    ///   - run: runs the program of a number with a clock.
    static func measured(
        _ programs: [[Instruction]], rounds: Int, byShape: Bool, _ peaks: ProductPeaks,
        _ run: (_ program: Int, _ clock: UnsafeMutableBufferPointer<UInt64>) throws -> Void
    ) rethrows -> [KernelTime] {
        let instructions = programs.flatMap(\.self)
        let clock = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: instructions.count)
        clock.initialize(repeating: 0)
        defer { clock.deallocate() }
        for _ in 0..<rounds {
            var first = 0
            for (number, program) in programs.enumerated() {
                try run(number, UnsafeMutableBufferPointer(rebasing: clock[first..<(first + program.count)]))
                first += program.count
            }
        }
        return rounds == 0 ? [] : table(instructions, clock, repeats: rounds, byShape: byShape, peaks)
    }

    /// The slowest first; seconds are means over the repeats.
    static func table(
        _ instructions: [Instruction], _ nanoseconds: UnsafeMutableBufferPointer<UInt64>, repeats: Int, byShape: Bool, _ peaks: ProductPeaks
    ) -> [KernelTime] {
        var kernels: [String: (UInt64, Double, Int, Double)] = [:]
        for (instruction, time) in zip(instructions, nanoseconds) {
            let name = byShape ? instruction.shapeDescription : instruction.name
            let old = kernels[name] ?? (0, 0, 0, peaks.rate(instruction.factors))
            kernels[name] = (old.0 + time, old.1 + instruction.flops, old.2 + 1, old.3)
        }
        return kernels.map {
            KernelTime(
                name: $0.key, seconds: Double($0.value.0) * 1e-9 / Double(repeats), flops: $0.value.1, count: $0.value.2,
                peakGFLOPs: $0.value.3)
        }
        .sorted { $0.seconds > $1.seconds }
    }
}
