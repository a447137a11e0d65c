import CSupport
import CurricleProgram

/// A program that was held to account: a session runs it.
package struct Executable {
    package let program: Program
    /// How a team of threads runs it; nil for one thread, and where memory is checked instruction by instruction.
    package let stages: Stages?
    /// Which of its session's executables it is.
    package let number: Int

    /// Stages that it runs in where nothing is timed or checked.
    package var stageCount: Int { stages?.ends.count ?? program.instructions.count }

    /// The bytes of a segment that it touches, and in which stages, in their order.
    package func touches(_ segment: Segment) -> [(stage: Int, bytes: Range<Int>, isWritten: Bool)] {
        let instructions = stages?.instructions ?? program.instructions
        var stage = 0, found: [(stage: Int, bytes: Range<Int>, isWritten: Bool)] = []
        for (index, instruction) in instructions.enumerated() {
            if let stages { while index >= Int(stages.ends[stage]) { stage += 1 } } else { stage = index }
            for (operand, extent) in instruction.touches where operand.segment == segment {
                found.append((stage, operand.offset..<(operand.offset + Int(extent.bytes)), extent.is_written != 0))
            }
        }
        return found
    }

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
