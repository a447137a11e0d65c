import CurricleCompiler
import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleReference
import CurricleRuntime
import CurricleTensors
import CurricleTestSupport
import Testing

@Suite("Updates")
struct UpdateTests {
    private func rows(_ memory: Memory, _ steps: TwoSteps, _ parameter: Parameter) -> [Float] {
        let order = PanelOrder(shape: parameter.shape, sections: parameter.sections), start = steps.layout.offset(of: parameter.name)! / 4
        return order.unpacked(Array(memory.floats[start..<start + order.storedCount]))
    }

    @Test("AdamW from stored gradients of two batches, clipped, is the formula's", arguments: [Float?.none, 0.05, 1e6])
    func stored(clip: Float?) throws {
        let first = try TwoSteps(update: .store(adding: false)), second = try TwoSteps(update: .store(adding: true)),
            exposed = try TwoSteps(update: .expose)
        let adamw = AdamW(), step: [Float] = [2e-3, 1.5e-2, 4.25, 0.5]
        var constants = first.constants
        let (session, executables) = try first.session(isa: .best, threads: 2),
            adding = try session.prepare(second.programs[0], constants: second.constants.values)
        let slices = first.slices(.autoencoder)
        let update = try session.prepare(
            Pipeline().compileUpdate(
                group: .autoencoder, adamw: adamw, clip: clip, slices: slices, layout: first.layout, constants: &constants))

        // What the gradients are, from the program that hands them out (its own tests hold it to the reference).
        let (other, others) = try exposed.session(isa: .best, threads: 2)
        #expect(try first.run(session, executables[0]) == .done)
        #expect(try first.run(session, adding) == .done)
        #expect(try first.run(other, others[0]) == .done)
        var interpreter = first.given.interpreter
        interpreter.inputs[.step] = step.map(Double.init)
        let trained = first.given.parameters.map(\.parameter).filter { $0.group == .autoencoder }
        for parameter in trained {
            let sum = rows(session.gradients!, first, parameter)
            interpreter.gradients[parameter.name] = sum.map(Double.init)
            if others[0].program.hasResult("grad.\(parameter.name)") {
                let place = try others[0].program.result("grad.\(parameter.name)")
                let once = PanelOrder(shape: parameter.shape, sections: parameter.sections).unpacked(Array(other.result(place)))
                expectClose(sum, once.map { 2 * Double($0) }, ulps: 64, "two batches' gradient of \(parameter.name)")
            }
        }
        #expect(try session.run(update, [.step: .numbers(step)]) == .done)

        var graph = Graph()
        let scalars = try graph.append(.input(.step), type: TensorType([4]))[0]
        var scale: [ValueID] = []
        if let clip {
            let squares = try graph.append(.gradientSquares(.autoencoder, count: first.layout.groups[.autoencoder]!.count / 4))
            for parameter in trained { try graph.append(.gradient(ParameterSlice(parameter))) }
            let clipped = try graph.append(.clipScale(limit: clip), squares + [scalars])
            graph.results.append(("gradient norm", clipped[1]))
            scale = [clipped[0]]
        }
        for parameter in trained {
            let slice = ParameterSlice(parameter), value = try graph.append(.parameter(slice))[0],
                gradient = try graph.append(.gradient(slice))[0]
            try graph.append(.adamw(slice, adamw, clipped: clip != nil), [value, gradient, scalars] + scale)
        }
        let expected = try interpreter.evaluate(graph)
        if clip != nil {
            expectClose(
                Array(session.result(try update.program.result("gradient norm"))), expected.results["gradient norm"], ulps: 64, "norm")
        }
        for parameter in trained {
            let after = try #require(expected.updates[ParameterSlice(parameter)])
            expectClose(rows(session.firstMoments!, first, parameter), after.firstMoment, ulps: 64, "first moment of \(parameter.name)")
            expectClose(rows(session.secondMoments!, first, parameter), after.secondMoment, ulps: 64, "second moment of \(parameter.name)")
            expectClose(rows(session.parameters, first, parameter), after.parameter, ulps: 64, scale: 1e-1, "\(parameter.name)")
        }
    }

    @Test("an immediate update is that from a stored gradient, bit for bit")
    func immediate() throws {
        let now = try TwoSteps(update: .immediate(AdamW())), later = try TwoSteps(update: .store(adding: false))
        let (a, executables) = try now.session(isa: .best, threads: 2), (b, storing) = try later.session(isa: .best, threads: 2)
        var constants = later.constants
        let update = try b.prepare(
            Pipeline().compileUpdate(
                group: .autoencoder, adamw: AdamW(), clip: nil, slices: later.slices(.autoencoder), layout: later.layout,
                constants: &constants))
        #expect(try now.run(a, executables[0]) == .done)
        #expect(try later.run(b, storing[0]) == .done)
        #expect(try b.run(update, [.step: .numbers(later.given.inputs[.step]!)]) == .done)
        #expect(zip(a.parameters.floats, b.parameters.floats).allSatisfy { $0.bitPattern == $1.bitPattern })
        #expect(zip(a.secondMoments!.floats, b.secondMoments!.floats).allSatisfy { $0.bitPattern == $1.bitPattern })
    }
}

extension TwoSteps {
    /// A group's parameters, whole.
    func slices(_ group: ParameterGroup) -> [ParameterSlice] {
        given.parameters.map(\.parameter).filter { $0.group == group }.map { ParameterSlice($0) }
    }
}
