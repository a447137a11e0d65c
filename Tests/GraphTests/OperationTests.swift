import Compiler
import Graph
import Reference
import TestSupport
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
                    #expect(missing.isEmpty, "\(name), tensor \(poisoned) poisoned, \(isa): NaN differs at \(missing.map(\.offset).prefix(5))")
                }
            }
        }
    }

    @Test("each operation has a case")
    func coverage() throws {
        let covered = Set(try OperationCase.all.flatMap { try $0.forward().graph.nodes.map(\.operation.name) })
        let wanted: Set = [
            "linear", "transposePanels", "attention", "layerNorm", "gelu", "add", "multiply", "sigmoid", "sigmoidGradient", "selectRows",
            "placeRows", "prependRow", "restoreTokens", "columnSum", "meanRows", "scaleRows", "rowDot", "orderDescending", "patchError",
            "mean", "maskerTerms", "maskerLoss", "patchify", "meanRowsGradient", "crossEntropy", "crossEntropyGradient", "concatenate",
        ]
        #expect(wanted.subtracting(covered).isEmpty)
    }
}
