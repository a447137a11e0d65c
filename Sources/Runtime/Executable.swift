import CSupport
import Program

/// A program encoded for the C library: an array of its instructions.
public struct Executable {
    public let program: Program
    let instructions: [curricle_instruction]

    /// - Throws: `RuntimeError.badProgram` where an instruction has more operands, sizes or reals than there is room for.
    public init(_ program: Program) throws(RuntimeError) {
        self.program = program
        var encoded: [curricle_instruction] = []
        encoded.reserveCapacity(program.instructions.count)
        for instruction in program.instructions { encoded.append(try Executable.encode(instruction)) }
        instructions = encoded
    }

    /// Bytes of scratch that a team needs to run it.
    public func workspaceBytes(threads: Int, isa: ISA) -> Int {
        instructions.withUnsafeBufferPointer { curricle_workspace_bytes($0.baseAddress, UInt32($0.count), Int32(threads), isa.value) }
    }

    private static func encode(_ instruction: Instruction) throws(RuntimeError) -> curricle_instruction {
        var out = curricle_instruction()
        out.opcode = instruction.opcode.rawValue
        out.flags = instruction.flags.rawValue
        let sizes = instruction.sizes.map { Int32(clamping: $0) }
        guard zip(sizes, instruction.sizes).allSatisfy({ Int($0) == $1 }) else { throw .badProgram("a size of \(instruction) is too large") }
        let operands = instruction.operands.map { $0.map { UInt64($0.segment.rawValue) << 56 | UInt64($0.offset) } ?? UInt64.max }
        try fill(&out.operand, operands, padding: UInt64.max)
        try fill(&out.size, sizes, padding: 0)
        try fill(&out.real, instruction.reals, padding: 0)
        return out
    }

    /// Instructions from the bytes of a saved program, to be shown; what this library does not know is left out.
    public static func decode(_ bytes: UnsafeRawBufferPointer) -> [Instruction] {
        (0..<(bytes.count / MemoryLayout<curricle_instruction>.stride)).compactMap { index in
            let raw = bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<curricle_instruction>.stride, as: curricle_instruction.self)
            guard let opcode = Opcode(rawValue: raw.opcode) else { return nil }
            func fields(_ kind: Int32) -> Int { String(cString: curricle_opcode_fields(raw.opcode, kind)).split(separator: " ").count }
            let operands = array(raw.operand, of: UInt64.self).prefix(fields(0)).map { operand in
                Segment(rawValue: UInt8(operand >> 56)).map { Operand($0, Int(operand & (1 << 56 - 1))) }
            }
            return Instruction(
                opcode, flags: InstructionFlags(rawValue: raw.flags), operands: operands,
                sizes: array(raw.size, of: Int32.self).prefix(fields(1)).map(Int.init), reals: Array(array(raw.real, of: Float.self).prefix(fields(2))))
        }
    }

    private static func array<Tuple, Element>(_ tuple: Tuple, of: Element.Type) -> [Element] {
        withUnsafeBytes(of: tuple) { Array($0.bindMemory(to: Element.self)) }
    }

    /// Copies an array into a C array, which Swift sees as a tuple.
    private static func fill<Tuple, Element>(_ tuple: inout Tuple, _ values: [Element], padding: Element) throws(RuntimeError) {
        let room = MemoryLayout<Tuple>.size / MemoryLayout<Element>.stride
        guard values.count <= room else { throw .badProgram("\(values.count) fields where there is room for \(room)") }
        withUnsafeMutableBytes(of: &tuple) { bytes in
            let out = bytes.bindMemory(to: Element.self)
            for i in 0..<room { out[i] = i < values.count ? values[i] : padding }
        }
    }

    /// The instructions as the bytes of a saved program.
    public var bytes: [UInt8] { instructions.withUnsafeBytes { Array($0) } }
}
