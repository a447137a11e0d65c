import CurricleCInstructions
import CurricleCompiler
import CurricleGraph
import CurricleProgram
import CurricleRuntime
import CurricleTensors
import CurricleTestSupport
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
            let status = try steps.run(session, executables[index])
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
        let patches = steps.given.inputs[.patches]!
        try times.withUnsafeMutableBufferPointer { times in
            try patches.withUnsafeBytes { _ = try session.run(executables[0], [.patches: .memory($0)], nanoseconds: times) }
        }
        // A guard has nothing to run.
        let idle = zip(times, steps.programs[0].instructions).filter { $0.0 == 0 && $0.1.kernel != .guard_finite }
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
                for place in executable.program.results {
                    let isOrder = place.type.element == .int32
                    bits += isOrder ? session.integerResult(place).map { UInt32($0) } : session.result(place).map(\.bitPattern)
                }
            }
            return bits + session.parameters.floats.map(\.bitPattern)
        }
        for isa in ISA.available { #expect(try run(checked: true, isa: isa) == run(checked: false, isa: isa)) }
    }

    @Test("a write behind a buffer is found and named")
    func overrun() throws {
        // A sum of 32 floats into a buffer that the plan says has 16.
        let from = Operand(.arena, 256).encoded
        let sum = Instruction.add(add_places(rows: 1, width: 32, period: 1, y: Operand(.arena, 0).encoded, a: from, b: from))
        let short = PlannedBuffer(name: "short", offset: 0, bytes: 64, lifetime: 0...0)
        let program = Program(
            instructions: [sum], buffers: [short], arenaBytes: 512, lowerBoundBytes: 512, naiveBytes: 512, guardBytes: 64)
        let session = try Session(parameterBytes: 0, trains: false, threads: 1, isa: .best)
        session.checksMemory = true
        let executable = try session.prepare(program)
        let error = #expect(throws: RuntimeError.self) { try session.run(executable) }
        #expect(error?.description.contains("short") == true)
    }

    /// A program of one instruction in an arena of `bytes`, with inputs.
    private func prepare(_ instruction: Instruction, arena bytes: Int, inputs: [GivenPlace] = []) throws -> (Session, Executable) {
        let session = try Session(parameterBytes: 64, trains: false, threads: 1, isa: .best)
        let program = Program(instructions: [instruction], inputs: inputs, arenaBytes: bytes, lowerBoundBytes: bytes, naiveBytes: bytes)
        return (session, try session.prepare(program))
    }

    private func mean(of x: Operand, count: Int32, to y: Operand = Operand(.arena, 0)) -> Instruction {
        .mean(mean_places(count: count, y: y.encoded, x: x.encoded))
    }

    @Test("an instruction that is not sound, or reaches out of its memory, is refused and named")
    func unsound() throws {
        let inside = Operand(.arena, 64)
        #expect(throws: Never.self) { try prepare(mean(of: inside, count: 16), arena: 128) }
        var unknown = mean(of: inside, count: 16), extra = mean(of: inside, count: 16), marked = mean(of: inside, count: 16)
        unknown.opcode = 4000
        extra.operand.8 = inside.encoded
        marked.marks = .gelu
        let unsound = [
            mean(of: inside, count: 17), mean(of: inside, count: 0), mean(of: inside, count: -1), mean(of: inside, count: .max),
            mean(of: Operand(.arena, 66), count: 1),
            mean(of: Operand(.gradients, 0), count: 1), mean(of: Operand(.given(0), 0), count: 1), mean(of: Operand(.arena, 0), count: 2),
            unknown, extra, marked
        ]
        for instruction in unsound {
            let error = #expect(throws: RuntimeError.self, "\(instruction.text([]))") { try prepare(instruction, arena: 128) }
            #expect(error?.description.contains("instruction 0, \(instruction.name)") == true)
        }
    }

    @Test("inputs are checked by name and size")
    func inputs() throws {
        let type = TensorType([3, 4])
        let (session, executable) = try prepare(
            mean(of: Operand(.given(0), 0), count: 12), arena: 64, inputs: [GivenPlace(name: .patches, type: type)])
        let numbers = (0..<12).map(Float.init)
        #expect(try session.run(executable, [.patches: .numbers(numbers)]) == .done)
        #expect(throws: RuntimeError.missingInput(.patches, type)) { try session.run(executable) }
        #expect(throws: RuntimeError.wrongInput(.patches, type, bytes: 44)) {
            try session.run(executable, [.patches: .numbers(Array(numbers.dropLast()))])
        }
        #expect(throws: RuntimeError.unknownInput("paches", inputs: [.patches])) {
            try session.run(executable, [.patches: .numbers(numbers), "paches": [1]])
        }
    }

    @Test("a result that a program does not have is an error that names those it has")
    func missingResult() throws {
        let steps = try TwoSteps(update: .expose)
        let error = #expect(throws: MissingResult.self) { try steps.programs[0].result("loss") }
        #expect(error?.description.contains("losses") == true)
    }
}
