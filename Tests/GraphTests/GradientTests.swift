import CurricleGraph
import CurricleProgram
import CurricleReference
import CurricleTestSupport
import Testing
@testable import CurricleCompiler

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
                expectClose(
                    results.gradient(of: name), numbers, ulps: operation.gradientULPs!, scale: scale, "gradient of \(name) on \(isa)")
            }
        }
    }

    /// Why a kernel's operation has no gradient to check.
    static let without: [Opcode: String] = [
        .transpose_panels: "only made by linear's rule", .linear_weight_gradient: "only made by linear's rule",
        .attention_gradient: "only made by attention's rule", .layer_norm_gradient: "only made by layerNorm's rule",
        .sigmoid_gradient: "only made by sigmoid's rule", .column_sum: "only made by the rules of what is repeated",
        .mean_rows_gradient: "only made by meanRows' rule", .row_dot: "only made by scaleRows' rule",
        .patch_error_gradient: "only made by patchError's rule", .masker_loss_gradient: "only made by maskerLoss's rule",
        .cross_entropy_gradient: "only made by crossEntropy's rule", .order_descending: "an order is no number: nothing flows through it",
        .keep_rows: "tokens of a finished encoder: training chooses rows by an order",
        .row_variance: "of pixels, which nothing is trained before",
        .softmax: "what a finished classifier says: training takes logits",
        .order_hardest: "an order is no number: nothing flows through it",
        .ranking_loss_gradient: "only made by rankingLoss's rule", .uniformity_gradient: "only made by uniformity's rule",
        .guard_finite: "an effect", .adamw: "an effect", .adamw_bf16: "an effect", .sum_squares: "of gradients, in an update",
        .clip_scale: "of gradients, in an update",
        .patchify: "its input is pixels: nothing that is trained lies before",
        .linear_bf16: "rounds what it multiplies: no difference of two values is its slope",
        .attention_bf16: "likewise", .linear_weight_gradient_bf16: "only made by linear's rule",
        .attention_gradient_bf16: "only made by attention's rule",
        .quantize_rows: "an encoder of bytes is not trained", .linear_int8: "an encoder of bytes is not trained",
        .concatenate: "joins features that are handed out: nothing is trained through it"
    ]

    @Test("every line of the registry has a gradient that is checked, or a written reason why not")
    func coverage() throws {
        var checked = Set<Opcode>()
        for operation in OperationCase.all where operation.gradientULPs != nil {
            checked.formUnion(try CompiledCase(operation.forward()).program.instructions.compactMap(\.kernel))
        }
        #expect(Set(Opcode.allCases).subtracting(checked).subtracting(Self.without.keys).map(\.description) == [], "no gradient is checked")
        for kernel in checked.intersection(Self.without.keys) where !Self.isHelper(kernel) {
            Issue.record("\(kernel) is checked: its reason is void")
        }
    }

    /// Kernels that a checked forward pass may use on the side.
    private static func isHelper(_ kernel: Opcode) -> Bool { [.order_descending].contains(kernel) }
}
