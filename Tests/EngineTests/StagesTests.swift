import CurricleCInstructions
import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleRuntime
import CurricleTestSupport
import Testing
@testable import CurricleEngine

/// What a team runs in stages is the program: held against a memory of which every word remembers how it came to be.
@Suite("Stages of a program") struct StagesTests {
    /// Words of all segments, each a sum of what was written there and of all that was read for it.
    private struct Memory: Equatable {
        private var words: [Int: [Int: Int]] = [:]

        /// Every word that an instruction writes becomes a sum of the instruction and of all words that it reads.
        mutating func run(_ instruction: Instruction) {
            let extents = instruction.demand.extents
            var hasher = Mixer(instruction)
            let operands = zip(instruction.operands, extents).compactMap { operand, extent in operand.map { ($0, extent) } }
            for (operand, extent) in operands where extent.is_read != 0 {
                for word in range(operand, extent) { hasher.add(words[operand.segment.number]?[word] ?? word) }
            }
            for (operand, extent) in operands where extent.is_written != 0 {
                for word in range(operand, extent) { words[operand.segment.number, default: [:]][word] = hasher.state &+ word }
            }
        }

        private func range(_ operand: Operand, _ extent: curricle_extent) -> Range<Int> {
            operand.offset / 4..<(operand.offset + Int(extent.bytes) + 3) / 4
        }
    }

    private struct Mixer {
        var state = 17
        init(_ instruction: Instruction) {
            add(Int(instruction.opcode))
            for size in instruction.sizes { add(size) }
            for operand in instruction.operands { add(operand.map { $0.segment.number &* 1_000_003 &+ $0.offset } ?? -1) }
        }
        mutating func add(_ value: Int) { state = (state &* 6_364_136_223_846_793_005 &+ value) ^ (state >> 29) }
    }

    private func programs() throws -> [Program] {
        let configuration = ModelConfiguration(
            imageHeight: 8, imageWidth: 8, patchSize: 2, channels: 1, embedWidth: 8, depth: 2, heads: 2, decoderWidth: 8, decoderDepth: 1,
            decoderHeads: 2)
        let model = try ModelRuntime(configuration, trains: true, threads: 2, isa: .best)
        return try [
            model.autoencoderStep(images: 2, StepOptions(), update: .immediate(AdamW())).program,
            model.maskerStep(images: 2, StepOptions(), update: .immediate(AdamW())).program, model.features(images: 2).program
        ]
    }

    @Test("in any order within a stage, every word comes to be as in the program's order") func order() throws {
        for program in try programs() {
            let stages = Stages(program.instructions)
            var expected = Memory(), forwards = Memory(), backwards = Memory()
            program.instructions.forEach { expected.run($0) }
            var first = 0
            for end in stages.ends.map(Int.init) {
                let stage = stages.instructions[first..<end]
                stage.forEach { forwards.run($0) }
                stage.reversed().forEach { backwards.run($0) }
                first = end
            }
            #expect(first == program.instructions.count && forwards == expected && backwards == expected)
        }
    }

    @Test("there are fewer stages than instructions, and no fewer than the longest chain") func count() throws {
        for (program, share) in zip(try programs(), [0.7, 0.7, 1]) {
            let stages = Stages(program.instructions).ends.count
            #expect(stages >= Stages.longestChain(program.instructions))
            #expect(Double(stages) <= share * Double(program.instructions.count))
        }
    }

    @Test("a guard stands alone: nothing behind it begins before its loss was looked at") func guards() throws {
        for program in try programs() {
            let stages = Stages(program.instructions), ends = stages.ends.map(Int.init)
            for (at, instruction) in stages.instructions.enumerated() where instruction.kernel == .guard_finite {
                #expect(ends.contains(at) && ends.contains(at + 1))
                let before = stages.instructions[..<at].count
                #expect(program.instructions.firstIndex { $0.kernel == .guard_finite } == before)
            }
        }
    }
}
