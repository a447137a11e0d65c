import CurricleProgram
import CurricleRuntime

/// What a machine can give at most, and what the programs ask of it: a computation takes as long as its arithmetic at the peak, or as its bytes
/// at the memory's, whichever is longer (Williams, Waterman, Patterson 2009).
package struct Roofline: Sendable {
    /// GFLOP/s of the programs' kinds of products, GB/s of reading and writing memory.
    package let peakGFLOPs: Double, streamGBytes: Double
    /// The least work that computes the same, whatever the program does.
    package let leastFLOPs: Double, leastBytes: Double
    /// Bytes of the programs that come from behind the second level and the last one, and of the latter AdamW's; nil where the system does
    /// not tell of its caches.
    package let counted: (beyondSecond: Double, beyondLast: Double, updates: Double, caches: (second: Int, last: Int))?
    /// Waits of a team, instructions, and the longest chain of these.
    package let stages: Int, instructions: Int, longestChain: Int

    /// Counts the programs, and measures the memory for a third of a second.
    /// - Parameter programs: of one round, in their order.
    /// - Throws: `RuntimeError.outOfMemory`.
    init(_ programs: [[Instruction]], leastFLOPs: Double, leastBytes: Double, peakGFLOPs: Double, threads: Int) throws {
        (self.peakGFLOPs, self.leastFLOPs, self.leastBytes) = (peakGFLOPs, leastFLOPs, leastBytes)
        streamGBytes = try Machine.streamGBytes(threads: threads, seconds: 0.3)
        counted = Machine.caches.map { caches in
            let traffic = Traffic(of: programs), second = threads * caches.second
            return (
                traffic.bytes(beyond: second), traffic.bytes(beyond: max(second, caches.last)),
                traffic.updateBytes(beyond: max(second, caches.last)), caches
            )
        }
        stages = programs.reduce(0) { $0 + Stages($1).ends.count }
        instructions = programs.reduce(0) { $0 + $1.count }
        longestChain = programs.reduce(0) { $0 + Stages.longestChain($1) }
    }

    /// Seconds that the least arithmetic and the least bytes take.
    package var leastSeconds: (arithmetic: Double, memory: Double) {
        (leastFLOPs / peakGFLOPs * 1e-9, leastBytes / streamGBytes * 1e-9)
    }

    /// The share of the roofline that a time has. More than 1 where less than counted comes from memory: parameters that stay in the last
    /// cache.
    package func share(of seconds: Double) -> Double { max(leastSeconds.arithmetic, leastSeconds.memory) / seconds }
}
