import CSupport
import Compiler
import Graph
import Models
import Program
import Testing

@Suite("Registry")
struct RegistryTests {
    private func fields(_ opcode: Opcode, _ kind: Int32) -> [Substring] {
        String(cString: curricle_opcode_fields(opcode.rawValue, kind)).split(separator: " ")
    }

    @Test("the C library has just the opcodes that programs have, in their order")
    func names() {
        #expect(curricle_opcode_count() == UInt32(Opcode.allCases.count))
        for opcode in Opcode.allCases { #expect(String(cString: curricle_opcode_name(opcode.rawValue)) == opcode.kernelName) }
        #expect(String(cString: curricle_opcode_name(UInt32(Opcode.allCases.count))) == "unknown")
    }

    @Test("every kernel fits an instruction")
    func room() {
        for opcode in Opcode.allCases {
            #expect(fields(opcode, 0).count <= CURRICLE_OPERANDS)
            #expect(fields(opcode, 1).count <= CURRICLE_SIZES)
            #expect(fields(opcode, 2).count <= CURRICLE_REALS)
        }
        #expect(Segment.allCases.count == CURRICLE_SEGMENTS)
    }

    @Test("lowered instructions have the fields that the registry names", arguments: TwoSteps.programs(update: .immediate(AdamW())) + TwoSteps.otherPrograms())
    func lowered(_ program: Program) {
        for instruction in program.instructions {
            let operands = fields(instruction.opcode, 0)
            #expect(instruction.operands.count <= operands.count, "\(instruction)")
            #expect(instruction.sizes.count == fields(instruction.opcode, 1).count, "\(instruction)")
            #expect(instruction.reals.count == fields(instruction.opcode, 2).count, "\(instruction)")
            for (slot, name) in operands.enumerated() where !name.hasSuffix("?") {
                #expect(slot < instruction.operands.count && instruction.operands[slot] != nil, "\(instruction): \(name) is missing")
            }
        }
    }
}
