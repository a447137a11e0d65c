import CSupport
import CurricleProgram

/// A program that was held to account: a session runs it.
package struct Executable {
    package let program: Program
    /// How a team of threads runs it; nil for one thread, and where memory is checked instruction by instruction.
    package let stages: Stages?
    /// Which of its session's executables it is.
    package let number: Int

    /// How it is run where nothing is timed or checked.
    package var order: StageOrder { stages.map(StageOrder.init) ?? StageOrder(program.instructions) }

    /// Bytes of scratch that a team needs to run it.
    /// - Throws: `RuntimeError.badProgram` for more than any memory holds.
    package func workspaceBytes(threads: Int, isa: ISA) throws(RuntimeError) -> Int {
        try program.workspaceBytes(threads: threads, isa: isa)
    }

    /// The instructions as the bytes of a saved program.
    package var bytes: [UInt8] { program.instructions.withUnsafeBytes { Array($0) } }

    /// Instructions from the bytes of a saved program, to be shown.
    package static func decode(_ bytes: UnsafeRawBufferPointer) -> [Instruction] {
        let stride = MemoryLayout<Instruction>.stride
        return (0..<(bytes.count / stride)).map { bytes.loadUnaligned(fromByteOffset: $0 * stride, as: Instruction.self) }
    }
}

extension Program {
    /// Bytes of scratch that a team needs to run it.
    /// - Throws: `RuntimeError.badProgram` for more than any memory holds.
    package func workspaceBytes(threads: Int, isa: ISA) throws(RuntimeError) -> Int {
        let bytes = instructions.withUnsafeBufferPointer {
            curricle_workspace_bytes($0.baseAddress, UInt32($0.count), Int32(threads), isa.value)
        }
        guard let bytes = Int(exactly: bytes) else { throw .badProgram("its kernels need more scratch than there can be") }
        return bytes
    }

    /// Holds every instruction against the registry and the sizes of what it addresses.
    /// - Parameter segmentBytes: of the session's own segments.
    /// - Throws: `RuntimeError.badProgram` naming the instruction.
    func check(_ segmentBytes: [Segment: Int]) throws(RuntimeError) {
        var bytes = [UInt64](repeating: 0, count: Int(CURRICLE_SEGMENTS))
        for (segment, size) in segmentBytes { bytes[segment.number] = UInt64(size) }
        bytes[Segment.arena.number] = UInt64(arenaBytes)
        bytes[Segment.results.number] = UInt64(resultBytes)
        guard inputs.count <= Int(CURRICLE_MOST_GIVEN) else {
            throw .badProgram("it has \(inputs.count) inputs; at most \(CURRICLE_MOST_GIVEN) can be given")
        }
        for (index, input) in inputs.enumerated() { bytes[Segment.given(index).number] = UInt64(input.type.bytes) }
        var at: UInt32 = 0
        let status = instructions.withUnsafeBufferPointer { curricle_check($0.baseAddress, UInt32($0.count), bytes, &at) }
        guard status == CURRICLE_OK else {
            let instruction = instructions[Int(at)].text(inputs)
            throw .badProgram("instruction \(at), \(instruction): \(String(cString: curricle_status_text(status)))")
        }
    }
}
