@testable import Compiler
import Graph
import Reference
import TestSupport
import Testing

@Suite("Gradients")
struct GradientTests {
    @Test("rules against central differences, kernels against rules", arguments: OperationCase.all.filter { $0.gradientULPs != nil })
    func gradient(_ operation: OperationCase) throws {
        let (builder, loss) = try operation.withLoss()

        // The rules, in Double.
        var differentiated = builder.graph
        let gradients = try differentiated.gradients(of: loss, for: .autoencoder)
        let values = try builder.given.interpreter.evaluate(differentiated).values
        let differences = FiniteDifferences(builder.graph, loss: loss, interpreter: builder.given.interpreter)
        var expected: [String: [Double]] = [:]
        for (slice, value) in gradients { expected[slice.parameter.name] = values[value] }
        for (parameter, _) in builder.given.parameters {
            let gradient = try #require(expected[parameter.name], "\(parameter.name) has no gradient")
            let largest = gradient.map { abs($0) }.max() ?? 0
            for direction in FiniteDifferences.directions(gradient.count) {
                let slope = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
                let measured = try differences.slope(of: parameter.name, along: direction)
                let length = direction.reduce(0) { $0 + abs($1) }
                #expect(
                    abs(slope - measured) <= 1e-6 * largest * max(1, length.squareRoot()) + 1e-9,
                    "\(parameter.name): slope \(slope), measured \(measured)")
            }
        }

        // The kernels, through all passes.
        let training = Training(loss: loss, group: .autoencoder, update: .expose)
        let scale = expected.values.joined().map { abs($0) }.max()
        try onEveryISA(CompiledCase(builder, training: training)) { isa, results in
            #expect(results.status == .done)
            for (name, numbers) in expected {
                expectClose(results.gradient(of: name), numbers, ulps: operation.gradientULPs!, scale: scale, "gradient of \(name) on \(isa)")
            }
        }
    }

    @Test("each operation that models train through has a case")
    func coverage() throws {
        let covered = Set(try OperationCase.all.filter { $0.gradientULPs != nil }.flatMap { try $0.withLoss().builder.graph.nodes.map(\.operation.name) })
        let wanted: Set = [
            "linear", "attention", "layerNorm", "gelu", "add", "multiply", "sigmoid", "selectRows", "placeRows", "prependRow", "restoreTokens",
            "scaleRows", "meanRows", "crossEntropy", "patchError", "mean", "maskerTerms", "maskerLoss",
        ]
        #expect(wanted.subtracting(covered).isEmpty)
    }
}
