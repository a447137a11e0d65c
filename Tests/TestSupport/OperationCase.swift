import CurricleGraph
import Testing

/// One operation at one size: how to build a small graph that ends in it, and how exact its kernel must be.
package struct OperationCase: Sendable, CustomTestStringConvertible {
    package let name: String
    /// Largest error of a forward result, in units in the last place of the result's largest magnitude.
    package let ulps: Double
    /// The same for gradients, which pass several kernels; nil where there is no gradient to check.
    package let gradientULPs: Double?
    /// Whether a NaN in any input shows in the outputs as the formulas say.
    package let carriesNaN: Bool
    /// Adds the operation to a graph and returns its outputs, the differentiated one first.
    package let build: @Sendable (inout CaseBuilder) throws -> [ValueID]

    package init(
        _ name: String, ulps: Double, gradientULPs: Double? = nil, carriesNaN: Bool = true,
        build: @escaping @Sendable (inout CaseBuilder) throws -> [ValueID]
    ) {
        self.name = name
        self.ulps = ulps
        self.gradientULPs = gradientULPs
        self.carriesNaN = carriesNaN
        self.build = build
    }

    package var testDescription: String { name }

    private var seed: UInt64 { name.utf8.reduce(14_695_981_039_346_656_037) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 } }

    /// The graph with each output as a result `y0`, `y1` ….
    package func forward(_ feeding: Feeding = .constants, poisoned: Int? = nil) throws -> CaseBuilder {
        var builder = CaseBuilder(seed: seed, feeding: feeding, poisoned: poisoned)
        for (i, output) in try build(&builder).enumerated() { builder.result("y\(i)", output) }
        return builder
    }

    /// The graph with a scalar loss: the first output if it is a loss already, or else mean(y∘c) for constants c.
    package func withLoss() throws -> (builder: CaseBuilder, loss: ValueID) {
        var builder = CaseBuilder(seed: seed, feeding: .parameters)
        var loss = try build(&builder)[0]
        switch builder.graph.producer(loss)?.operation {
        case .mean?, .maskerLoss?: break
        case .patchError?, .crossEntropy?, .rankingLoss?, .uniformity?: loss = try builder.append(.mean, [loss])
        default:
            let weights = try builder.constant(builder.graph.shape(loss))
            loss = try builder.append(.mean, [try builder.append(.multiply, [loss, weights])])
        }
        return (builder, loss)
    }
}
