import Compiler
import Graph
import Program
import Runtime
import TestSupport
import Testing

@Suite("Session")
struct SessionTests {
    @Test("constants reach the kernels, however few")
    func fewConstants() throws {
        for count in [1, 15, 16, 17] {
            var graph = Graph()
            let x = try graph.define(constant: "x", (0..<count).map { Float($0 + 1) }, shape: [1, count])
            graph.results.append(("y", try graph.append(.add, [x, x])[0]))
            let y = try CompiledCase(graph, GivenTensors()).run(isa: .best, threads: 1).values["y"]
            #expect(y == (0..<count).map { Float(2 * ($0 + 1)) })
        }
    }

    @Test("a loss that is not finite ends the run before any parameter changes")
    func nonfinite() throws {
        let steps = try TwoSteps(update: .immediate(AdamW()))
        for (index, name) in ["decoder_pred.bias", "masking_net.mlp_head.1.bias"].enumerated() {
            let (session, executables) = try steps.session(isa: .best, threads: 2)
            session.parameters.floats[try #require(steps.layout.offset(of: name)) / 4] = .nan
            let before = session.parameters.floats.map(\.bitPattern)
            let status = try steps.withBatch { try session.run(executables[index], batch: $0) }
            #expect(status == .nonfinite)
            #expect(session.parameters.floats.map(\.bitPattern) == before)
            #expect(session.firstMoments!.floats.allSatisfy { $0 == 0 })
        }
    }

    @Test("every instruction's time is counted")
    func clock() throws {
        let steps = try TwoSteps(update: .expose)
        let (session, executables) = try steps.session(isa: .best, threads: 1)
        var times = [UInt64](repeating: 0, count: steps.programs[0].instructions.count)
        try times.withUnsafeMutableBufferPointer { times in
            _ = try steps.withBatch { try session.run(executables[0], batch: $0, nanoseconds: times) }
        }
        // A guard has nothing to run.
        let idle = zip(times, steps.programs[0].instructions).filter { $0.0 == 0 && $0.1.opcode != .guardFinite }
        #expect(idle.count < times.count / 10)
    }

    @Test("poisoned memory and guarded buffers change no bit", arguments: [Update.immediate(AdamW()), .expose])
    func checkedRuns(_ update: Update) throws {
        func run(checked: Bool, isa: ISA) throws -> [UInt32] {
            let steps = try TwoSteps(update: update, guardBytes: checked ? 64 : 0)
            let (session, executables) = try steps.session(isa: isa, threads: 2)
            session.checksMemory = checked
            var bits: [UInt32] = []
            for executable in executables {
                #expect(try steps.run(session, executable) == .done)
                for place in executable.program.results { bits += session.result(place).map(\.bitPattern) }
            }
            return bits + session.parameters.floats.map(\.bitPattern)
        }
        for isa in ISA.available { #expect(try run(checked: true, isa: isa) == run(checked: false, isa: isa)) }
    }

    @Test("a write behind a buffer is found and named")
    func overrun() throws {
        // A sum of 32 floats into a buffer that the plan says has 16.
        let sum = Instruction(.add, operands: [Operand(.arena, 0), Operand(.arena, 256), Operand(.arena, 256)], sizes: [1, 32, 1])
        let short = PlannedBuffer(name: "short", offset: 0, bytes: 64, lifetime: 0...0)
        let program = Program(
            instructions: [sum], buffers: [short], results: [], arenaBytes: 512, resultBytes: 0, lowerBoundBytes: 512, naiveBytes: 512, guardBytes: 64)
        let session = try Session(parameterBytes: 0, trains: false, threads: 1, isa: .best)
        session.checksMemory = true
        let executable = try session.prepare(program)
        let error = #expect(throws: RuntimeError.self) { try session.run(executable) }
        #expect(error?.description.contains("short") == true)
    }

    @Test("an instruction with too many fields is refused")
    func tooManyFields() {
        let instruction = Instruction(.mean, operands: Array(repeating: nil, count: 10), sizes: [1])
        let program = Program(instructions: [instruction], buffers: [], results: [], arenaBytes: 0, resultBytes: 0, lowerBoundBytes: 0, naiveBytes: 0)
        #expect(throws: RuntimeError.self) { try Executable(program) }
        let large = Instruction(.mean, operands: [nil, nil], sizes: [1 << 40])
        #expect(throws: RuntimeError.self) {
            try Executable(Program(instructions: [large], buffers: [], results: [], arenaBytes: 0, resultBytes: 0, lowerBoundBytes: 0, naiveBytes: 0))
        }
    }
}
