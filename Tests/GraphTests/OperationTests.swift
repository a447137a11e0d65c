import CurricleCompiler
import CurricleGraph
import CurricleProgram
import CurricleReference
import CurricleRuntime
import CurricleTestSupport
import Testing

@Suite("Operations")
struct OperationTests {
    @Test("forward as the formulas say, on every ISA and any team", arguments: OperationCase.all)
    func forward(_ operation: OperationCase) throws {
        for feeding in [Feeding.constants, .parameters] {
            let builder = try operation.forward(feeding)
            let expected = try builder.given.interpreter.evaluate(builder.graph).results
            try onEveryISA(CompiledCase(builder)) { isa, results in
                #expect(results.status == .done)
                for (name, numbers) in expected {
                    // Drawn through a product, tensors carry that product's rounding too.
                    let ulps = feeding == .constants ? operation.ulps : 4 * operation.ulps + 64
                    expectClose(results.values[name], numbers, ulps: ulps, "\(name) on \(isa)")
                }
            }
        }
    }

    @Test("a NaN comes out wherever it must", arguments: OperationCase.all.filter(\.carriesNaN))
    func notANumber(_ operation: OperationCase) throws {
        for poisoned in 0..<(try operation.forward().drawnTensors) {
            let builder = try operation.forward(poisoned: poisoned)
            let expected = try builder.given.interpreter.evaluate(builder.graph).results
            try onEveryISA(CompiledCase(builder), threads: [1]) { isa, results in
                for (name, numbers) in expected {
                    let missing = zip(numbers, results.values[name] ?? []).enumerated().filter { $0.element.0.isNaN != $0.element.1.isNaN }
                    #expect(
                        missing.isEmpty, "\(name), tensor \(poisoned) poisoned, \(isa): NaN differs at \(missing.map(\.offset).prefix(5))")
                }
            }
        }
    }

    @Test(
        "AdamW of stored gradients as the formula says, clipped or not, at a rate of its own, on every ISA and any team",
        arguments: UpdateCase.all)
    func updates(_ update: UpdateCase) throws {
        let expected = try update.expected()
        for isa in ISA.available {
            for threads in [1, 2, 3] {
                let after = try update.run(isa: isa, threads: threads)
                for (name, numbers) in expected {
                    expectClose(after[name], numbers, ulps: update.ulps(of: name), scale: 1e-1, "\(name) on \(isa)")
                }
            }
        }
    }

    @Test("every line of the registry is held to the oracle by a case: forward, in a gradient, or in an update")
    func coverage() throws {
        var covered = Set<Opcode>()
        for operation in OperationCase.all {
            covered.formUnion(try CompiledCase(operation.forward()).program.instructions.compactMap(\.kernel))
            guard operation.gradientULPs != nil else { continue }
            let (builder, loss) = try operation.withLoss()
            let training = Training(loss: loss, group: .autoencoder, update: .expose)
            covered.formUnion(try CompiledCase(builder, training: training).program.instructions.compactMap(\.kernel))
        }
        for update in UpdateCase.all { covered.formUnion(try update.program().instructions.compactMap(\.kernel)) }
        #expect(Set(Opcode.allCases).subtracting(covered).map(\.description) == [])
    }
}
