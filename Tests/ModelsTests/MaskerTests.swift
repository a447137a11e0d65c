import CurricleGraph
import CurricleModels
import CurricleReference
import CurricleTestSupport
import Testing
@testable import CurricleCompiler

/// Another masker than CL-MAE's, of general operations alone: a token's attention over the patches makes the scores; the loss is
/// λ·mean(error) + mean((score − share)²), which holds the scores to the share of patches that are to be kept.
private struct PoolingMasker: Masker {
    let share: Float

    func logits(of tokens: ValueID, in model: inout ModelBuilder) throws(GraphError) -> ValueID {
        let c = model.configuration, patches = try model.norm(tokens, "norm", epsilon: 1e-6)
        let rows = try model.graph.append(.prependRow, [patches, model.token("query_token", width: c.embedWidth)])[0]
        let query = try model.linear(model.classRow(rows), "query", to: c.embedWidth)
        let keysValues = try model.linear(patches, "key_value", to: 2 * c.embedWidth, sections: 2)
        let pooled = try model.graph.append(.attention(heads: c.maskerHeads), [query, keysValues])[0]
        return try model.linear(pooled, "head", to: c.patches)
    }

    func losses(
        _ weights: MaskerWeights, errors: ValueID, scores: ValueID, in model: inout ModelBuilder
    ) throws(GraphError) -> ValueID {
        let patches = model.configuration.patches
        let error = try model.graph.append(.mean, [model.graph.append(.scaleRows, [errors, model.curriculum()])[0]])[0]
        let share = try model.graph.define(constant: "masker.share", Array(repeating: -share, count: patches), shape: [patches])
        let distance = try model.graph.append(.add, [scores, share])[0]
        let price = try model.graph.append(.mean, [model.graph.append(.multiply, [distance, distance])[0]])[0]
        return try model.graph.append(.add, [error, price])[0]
    }
}

@Suite("Maskers")
struct MaskerTests {
    static let configuration = ModelConfiguration(
        imageHeight: 8, imageWidth: 12, patchSize: 4, embedWidth: 20, depth: 1, heads: 5, decoderWidth: 12, decoderDepth: 1,
        decoderHeads: 3, maskerDepth: 1, maskerHeads: 2, mlpRatio: 2)
    static let images = 3
    private let masker = PoolingMasker(share: 0.25)
    private var parameters: ModelParameters { ModelParameters(Self.configuration, masker: masker) }
    private var builder: ModelBuilder { ModelBuilder(Self.configuration, parameters: parameters, images: Self.images) }

    private func given(curriculum: Float) -> GivenTensors {
        var given = GivenTensors(drawing: parameters.parameters, seed: 31)
        given.drawPatches(Self.images * Self.configuration.patches * Self.configuration.patchWidth, seed: 32)
        given.inputs[.curriculum] = [curriculum]
        return given
    }

    @Test("another masker brings its own parameters; encoder and decoder stay as they are")
    func parametersOfAnother() {
        let usual = ModelParameters(Self.configuration).all.filter { $0.part != .masker }, all = parameters.all
        #expect(all.filter { $0.part != .masker }.map(\.parameter) == usual.map(\.parameter))
        let pairs = ["norm", "query", "key_value", "head"].map { ["masking_net.\($0).weight", "masking_net.\($0).bias"] }
        let wanted = pairs[0] + ["masking_net.query_token"] + pairs[1...].joined()
        #expect(all.filter { $0.part == .masker }.map(\.parameter.name) == wanted)
        #expect(all.allSatisfy { ($0.parameter.group == .masker) == ($0.part == .masker) })
        #expect(parameters["masking_net.key_value.weight"]?.parameter.sections == 2)
    }

    @Test("another masker's scores choose the patches that step A keeps")
    func scoresOrder() throws {
        var builder = builder
        let step = try builder.autoencoderStep(StepOptions(maskRatio: 0.5), examined: true)
        let results = try given(curriculum: 1).interpreter.evaluate(step.graph).results
        let scores = try #require(results["scores"]), order = try #require(results["order"]), patches = Self.configuration.patches
        for image in 0..<Self.images {
            let places = order[(image * patches)..<((image + 1) * patches)].map { Int($0) }
            #expect(places.sorted() == Array(0..<patches))
            #expect(zip(places, places.dropFirst()).allSatisfy { scores[image * patches + $0] >= scores[image * patches + $1] })
        }
    }

    @Test("another masker's gradients: rules against central differences, kernels against rules", arguments: [1, -0.6] as [Float])
    func gradients(curriculum: Float) throws {
        var builder = builder
        let step = try builder.maskerStep(StepOptions(normalizedTargets: true)), given = given(curriculum: curriculum)
        var differentiated = step.graph
        let gradients = try differentiated.gradients(of: step.loss, for: .masker)
        let values = try given.interpreter.evaluate(differentiated).values
        var expected: [String: [Double]] = [:]
        for (slice, value) in gradients { expected[slice.parameter.name] = values[value] }
        let differences = FiniteDifferences(step.graph, loss: step.loss, interpreter: given.interpreter)
        let trained = parameters.all.filter { $0.part == .masker }
        #expect(Set(expected.keys) == Set(trained.map(\.parameter.name)))
        for parameter in trained {
            let gradient = try #require(expected[parameter.parameter.name]), largest = gradient.map { abs($0) }.max() ?? 0
            for direction in FiniteDifferences.directions(gradient.count) {
                let slope = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
                let measured = try differences.slope(of: parameter.parameter.name, along: direction)
                let length = direction.reduce(0) { $0 + abs($1) }
                #expect(abs(slope - measured) <= 1e-6 * largest * max(1, length.squareRoot()) + 1e-9, "\(parameter.parameter.name)")
            }
        }
        let training = Training(loss: step.loss, group: .masker, update: .expose), scale = expected.values.joined().map { abs($0) }.max()
        try onEveryISA(CompiledCase(step.graph, given, training: training)) { isa, results in
            #expect(results.status == .done)
            for (name, numbers) in expected {
                expectClose(results.gradient(of: name), numbers, ulps: 128, scale: scale, "gradient of \(name) on \(isa)")
            }
        }
    }

    @Test("another masker learns: its loss falls in each of a few steps down its gradient", arguments: [1, -1] as [Float])
    func learns(curriculum: Float) throws {
        var builder = builder
        let step = try builder.maskerStep(StepOptions(normalizedTargets: true))
        var given = given(curriculum: curriculum), losses: [Float] = []
        for _ in 0..<8 {
            let compiled = try CompiledCase(step.graph, given, training: Training(loss: step.loss, group: .masker, update: .expose))
            let results = try compiled.run(isa: .best, threads: 2)
            losses.append(try #require(results.values["losses"]?.last))
            for (i, parameter) in given.parameters.enumerated() where parameter.parameter.group == .masker {
                let gradient = try #require(results.gradient(of: parameter.parameter.name))
                given.parameters[i].values = zip(parameter.values, gradient).map { $0 - 0.2 * $1 }
            }
        }
        #expect(zip(losses, losses.dropFirst()).allSatisfy { $0 > $1 }, "\(losses)")
        #expect(losses[0] - losses[7] > 0.005, "\(losses)")
    }

    @Test("another masker's losses in pieces: of given scores and errors as in the whole step")
    func pieces() throws {
        var whole = builder, errors = builder, losses = builder
        let step = try whole.maskerStep(StepOptions()), piece = try errors.maskerErrors(StepOptions())
        let end = try losses.maskerLosses(StepOptions())
        var given = given(curriculum: 0.7)
        let expected = try given.interpreter.evaluate(step.graph).results, scores = try #require(expected["scores"])
        given.inputs[.scores] = scores.map { Float($0) }
        given.inputs[.upstream] = scores.map { _ in 0 }
        given.inputs[.errors] = try #require(given.interpreter.evaluate(piece.graph).results["errors"]).map { Float($0) }
        let found = try #require(given.interpreter.evaluate(end.graph).results["losses"]?.last)
        let wanted = try #require(expected["losses"]?.last)
        #expect(abs(found - wanted) < 1e-6 * abs(wanted))
        // And back to the scores, by the errors and by the losses themselves.
        _ = try CompiledCase(piece.graph, given, training: Training(.given(piece.errors, upstream: piece.upstream), .inputs([.scores])))
        _ = try CompiledCase(end.graph, given, training: Training(.loss(end.loss, weight: 1), .inputs([.errors, .scores])))
    }

    @Test("what a model does not declare cannot be used by it")
    func undeclared() {
        var usual = ModelBuilder(Self.configuration, parameters: ModelParameters(Self.configuration), images: Self.images)
        #expect(throws: GraphError(operation: "parameter masking_net.norm.weight", problem: "is not of this model")) {
            let tokens = try usual.tokens(usual.patches())
            _ = try usual.scope("masking_net", part: .masker) { m throws(GraphError) in try masker.logits(of: tokens, in: &m) }
        }
    }
}
