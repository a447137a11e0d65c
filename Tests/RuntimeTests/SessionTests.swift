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
