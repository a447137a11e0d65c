import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleTestSupport
import Testing
@testable import CurricleCompiler

@Suite("Passes")
struct PassTests {
    static let passes: [Set<String>] = [
        [], ["hoist selections"], ["simplify placed rows"], ["fuse epilogues"], ["order updates early"],
        ["hoist selections", "simplify placed rows", "fuse epilogues", "order updates early"]
    ]

    @Test("losses and gradients are the reference's, whichever passes are left out", arguments: MicroModel.Step.allCases, passes)
    func skipping(_ step: MicroModel.Step, passes: Set<String>) throws {
        let model = try MicroModel(step)
        var differentiated = model.graph
        let gradients = try differentiated.gradients(of: model.loss, for: model.group)
        let expected = try model.given.interpreter.evaluate(differentiated)
        var pipeline = Pipeline()
        pipeline.skipping = passes
        let compiled = try CompiledCase(model.graph, model.given, training: model.training(.expose), pipeline: pipeline)
        let results = try compiled.run(isa: .best, threads: 2)

        expectClose(results.values["losses"], expected.results["losses"], ulps: 64, "losses")
        for (slice, value) in gradients {
            expectClose(results.gradient(of: slice.parameter.name), expected.values[value], ulps: 4096, "gradient of \(slice)")
        }
        #expect(results.padding.values.allSatisfy { $0.allSatisfy { $0 == 0 } })
    }

    @Test("a rewritten graph means the same to the interpreter", arguments: MicroModel.Step.allCases)
    func rewriting(_ step: MicroModel.Step) throws {
        let model = try MicroModel(step)
        var trained = model.graph
        for (slice, value) in try trained.gradients(of: model.loss, for: model.group) { trained.results.append(("grad.\(slice)", value)) }
        let expected = try model.given.interpreter.evaluate(trained).results
        let rewrites: [(String, (Graph) throws -> Graph)] = [
            ("prune", { try $0.pruned() }), ("hoist selections", { try $0.hoistingSelections() }),
            ("simplify placed rows", { try $0.simplifyingPlacedRows() }), ("fuse epilogues", { try $0.fusingEpilogues() }),
            ("order updates early", { try $0.orderingUpdatesEarly() })
        ]
        for (name, rewrite) in rewrites {
            let graph = try rewrite(trained)
            #expect(graph.verify().isEmpty, "\(name)")
            let found = try model.given.interpreter.evaluate(graph).results
            for (result, numbers) in expected {
                let other = try #require(found[result], "\(name) lost \(result)"), largest = numbers.map { abs($0) }.max() ?? 0
                #expect(zip(numbers, other).allSatisfy { abs($0 - $1) <= 1e-9 * largest }, "\(name) changed \(result)")
            }
        }
    }

    @Test("the program is a function of the description", arguments: MicroModel.Step.allCases)
    func deterministic(_ step: MicroModel.Step) throws {
        #expect(try MicroModel(step).program().description == MicroModel(step).program().description)
    }

    @Test("each pass shows its graph under its name")
    func dump() throws {
        let seen = Seen()
        var pipeline = Pipeline()
        pipeline.dump = { pass, text in seen.passes.append((pass, text.isEmpty)) }
        _ = try MicroModel(.autoencoder).program(.immediate(AdamW()), pipeline)
        #expect(
            seen.passes.map(\.0) == [
                "prune", "hoist selections", "differentiate", "simplify placed rows", "fuse epilogues", "quantise rows",
                "order updates early", "program"
            ])
        #expect(!seen.passes.contains { $0.1 })
    }

    /// Only ever touched by the one thread that compiles.
    private final class Seen: @unchecked Sendable { var passes: [(String, Bool)] = [] }
}
