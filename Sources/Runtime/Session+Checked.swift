import CSupport
import CurricleProgram

extension Session {
    /// A signalling NaN: arithmetic on it gives NaN.
    private static let poison: UInt32 = 0x7FA0_0000

    /// Runs a program an instruction at a time; see `checksMemory`.
    func runChecked(_ program: Program, _ run: inout curricle_execution) throws(RuntimeError) -> curricle_status {
        guard let arena = run.segments.0 else { return CURRICLE_BAD_PROGRAM }
        func words(_ offset: Int, _ bytes: Int) -> UnsafeMutableBufferPointer<UInt32> {
            UnsafeMutableBufferPointer(
                start: (arena + offset).assumingMemoryBound(to: UInt32.self), count: bytes / MemoryLayout<UInt32>.size)
        }
        words(0, program.arenaBytes).update(repeating: Session.poison)
        let clock = run.nanoseconds
        for (step, instruction) in program.instructions.enumerated() {
            run.nanoseconds = clock.map { $0 + step }
            let status = program.instructions.withUnsafeBufferPointer { curricle_execute($0.baseAddress.map { $0 + step }, 1, &run) }
            guard status == CURRICLE_OK else { return status }
            for buffer in program.buffers where buffer.lifetime.contains(step) {
                guard words(buffer.offset + buffer.bytes, program.guardBytes).allSatisfy({ $0 == Session.poison }) else {
                    throw .overrun(instruction: "instruction \(step), \(instruction.text(program.inputs))", buffer: buffer.name)
                }
                if buffer.lifetime.upperBound == step { words(buffer.offset, buffer.bytes).update(repeating: Session.poison) }
            }
        }
        return CURRICLE_OK
    }
}
