import Foundation
import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleTestSupport
import Testing
@testable import CurricleCompiler

@Suite("Memory plan")
struct MemoryPlanTests {
    @Test("plans of the presets take no more than the lower bound", arguments: ModelConfiguration.presets.map(\.name), [1, 8, 64])
    func presets(_ name: String, images: Int) throws {
        let configuration = try #require(ModelConfiguration.preset(name)), parameters = ModelParameters(configuration)
        let layout = ParameterLayout(parameters.parameters)
        var pool = ConstantPool()
        for step in MicroModel.Step.allCases {
            var builder = ModelBuilder(configuration, parameters: parameters, images: images)
            let described = step == .autoencoder ? try builder.autoencoderStep(StepOptions()) : try builder.maskerStep(StepOptions())
            let training = Training(loss: described.loss, group: step == .autoencoder ? .autoencoder : .masker, update: .immediate(AdamW()))
            var pipeline = Pipeline()
            pipeline.guardBytes = 0
            let program = try pipeline.compile(described.graph, training: training, layout: layout, constants: &pool)
            #expect(PlanChecker.problems(program).isEmpty, "\(step)")
            let bound = PlanChecker.mostAlive(program.buffers.map { ($0.bytes, $0.lifetime) })
            #expect(program.lowerBoundBytes == bound)
            #expect(program.arenaBytes == bound, "\(step): \(program.arenaBytes) of \(bound)")
            #expect(program.naiveBytes >= program.arenaBytes)
        }
    }

    @Test("plans of stored and exposed gradients hold", arguments: MicroModel.Step.allCases)
    func otherUpdates(_ step: MicroModel.Step) throws {
        for update in [Update.store(adding: false), .store(adding: true), .expose] {
            #expect(PlanChecker.problems(try MicroModel(step).program(update)).isEmpty)
        }
    }

    /// Lifetimes as training has them: what the forward pass keeps ends in the mirror of where it began; the rest is short.
    private func nested(_ random: inout Draws) -> [BufferRequest] {
        let half = 4 + random.below(40)
        return (0..<4 + random.below(60)).map { _ in
            let first = random.below(2 * half), bytes = [1, 64, 100, 4096][random.below(4)] * (1 + random.below(50))
            let last = random.below(2) == 0 && first < half ? 2 * half - first : min(2 * half, first + random.below(4))
            return BufferRequest(bytes: bytes, lifetime: first...max(first, last))
        }
    }

    @Test("10,000 random plans of nested lifetimes hold and are within 1 % of the lower bound")
    func random() {
        var worst = 1.0
        var random = Draws(state: 99)
        for instance in 0..<10_000 {
            let requests = nested(&random), plan = MemoryPlan(requests)
            let placed = zip(plan.offsets, requests).map { PlacedBuffer(offset: $0, bytes: $1.bytes, lifetime: $1.lifetime) }
            #expect(PlanChecker.problems(placed, arenaBytes: plan.bytes).isEmpty, "instance \(instance)")
            let bound = PlanChecker.mostAlive(requests.map { ($0.bytes, $0.lifetime) })
            #expect(plan.lowerBound == bound && plan.bytes >= bound && plan.bytes <= plan.naive, "instance \(instance)")
            worst = max(worst, Double(plan.bytes) / Double(bound))
        }
        #expect(worst <= 1.01)
    }

    /// Google's hard instances, each known to fit 1 MiB (Tests/Fixtures/minimalloc/README.md).
    @Test("the exact search solves nine of MiniMalloc's eleven hard instances", arguments: Array("ABCDFGHJK"))
    func hardInstances(_ name: Character) throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
            "Fixtures/minimalloc")
        let text = try String(contentsOf: folder.appendingPathComponent("\(name).csv"), encoding: .utf8)
        let rows = text.split(separator: "\n").dropFirst().map { $0.split(separator: ",").compactMap { Int($0) } }
        let lifetimes = rows.map { $0[1]...($0[2] - 1) }, sizes = rows.map { $0[3] }, capacity = 1 << 20
        let offsets = try #require(PackingSearch.offsets(sizes: sizes, lifetimes: lifetimes, capacity: capacity, nodes: 1_000_000))
        let placed = zip(offsets, rows).map { PlacedBuffer(offset: $0, bytes: $1[3], lifetime: $1[1]...($1[2] - 1)) }
        #expect(PlanChecker.problems(placed, arenaBytes: capacity, alignment: 1).isEmpty)
    }

    @Test("the checker sees what is wrong")
    func checker() {
        let one = PlacedBuffer(offset: 0, bytes: 128, lifetime: 0...2)
        #expect(PlanChecker.problems([one, PlacedBuffer(offset: 64, bytes: 64, lifetime: 2...3)], arenaBytes: 128).count == 1)
        #expect(PlanChecker.problems([one, PlacedBuffer(offset: 64, bytes: 64, lifetime: 3...4)], arenaBytes: 128).isEmpty)
        #expect(PlanChecker.problems([one], arenaBytes: 127).count == 1)
        #expect(PlanChecker.problems([PlacedBuffer(offset: 32, bytes: 8, lifetime: 0...0)], arenaBytes: 64).count == 1)
    }

    /// A small linear congruential generator (Knuth's MMIX constants): tests want the same draws everywhere.
    private struct Draws {
        var state: UInt64
        mutating func below(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
    }
}
