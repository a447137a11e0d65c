import CurricleCompiler
import CurricleGraph
import CurricleProgram
import CurricleReference
import CurricleRuntime
import CurricleTensors
import Testing

/// AdamW of a few parameters from stored gradients: what is given, what the oracle makes of it, and a run.
package struct UpdateCase: Sendable, CustomTestStringConvertible {
    let clip: Float?
    let rate: Float
    static let step: [Float] = [2e-3, 1.5e-2, 4.25, 0.5]

    /// The gradient's norm is near 2: one limit cuts it, one does not.
    package static let all = [
        UpdateCase(clip: nil, rate: 1), UpdateCase(clip: 0.05, rate: 1), UpdateCase(clip: 1e3, rate: 0.25),
        UpdateCase(clip: 0.5, rate: 0.75)
    ]

    package var testDescription: String { "clip \(clip.map { "\($0)" } ?? "none"), rate \(rate)" }

    private var parameters: [Parameter] {
        [
            Parameter(name: "weight", shape: [33, 7], group: .autoencoder, decays: true, rateScale: rate),
            Parameter(name: "bias", shape: [33], group: .autoencoder, decays: false, rateScale: rate),
            Parameter(name: "packed", shape: [30, 5], sections: 3, group: .autoencoder, decays: true, rateScale: rate)
        ]
    }
    private var layout: ParameterLayout { ParameterLayout(parameters) }

    /// Numbers of a parameter, a function of its name and what they are for.
    private func numbers(_ parameter: Parameter, _ salt: Int, squared: Bool = false) -> [Float] {
        (0..<parameter.type.count).map { i in
            let x = Float((i * 7919 + salt * 104_729 + parameter.name.count * 31) % 2003) / 1001.5 - 1
            return squared ? x * x * 0.1 : x * 0.1
        }
    }

    package func program() throws -> Program { try compiled().program }

    private func compiled() throws -> (program: Program, constants: ConstantPool) {
        var pool = ConstantPool()
        let slices = parameters.map { ParameterSlice($0) }
        let program = try Pipeline().compileUpdate(
            group: .autoencoder, adamw: AdamW(), clip: clip, slices: slices, layout: layout, constants: &pool)
        return (program, pool)
    }

    /// Parameters and moments afterwards, by `weight`, `weight.first`, `weight.second` ….
    package func expected() throws -> [String: [Double]] {
        var interpreter = Interpreter(inputs: [.step: UpdateCase.step.map(Double.init)])
        for p in parameters {
            interpreter.parameters[p.name] = numbers(p, 1).map(Double.init)
            interpreter.gradients[p.name] = numbers(p, 2).map(Double.init)
            interpreter.firstMoments[p.name] = numbers(p, 3).map(Double.init)
            interpreter.secondMoments[p.name] = numbers(p, 4, squared: true).map(Double.init)
        }
        var graph = Graph()
        let step = try graph.append(.input(.step), type: TensorType([4]))[0]
        let gradients = try parameters.map { try graph.append(.gradient(ParameterSlice($0)))[0] }
        var scale: [ValueID] = []
        if let clip {
            let squares = try graph.append(.gradientSquares(.autoencoder, count: layout.bytes / 4))
            scale = [try graph.append(.clipScale(limit: clip), squares + [step])[0]]
        }
        let rates = rate == 1 ? [] : [try graph.define(constant: "rate", [rate], shape: [1])]
        for (p, gradient) in zip(parameters, gradients) {
            let slice = ParameterSlice(p)
            try graph.append(
                .adamw(slice, AdamW(), clipped: clip != nil), [try graph.append(.parameter(slice))[0], gradient, step] + scale + rates)
        }
        var out: [String: [Double]] = [:]
        for (slice, after) in try interpreter.evaluate(graph).updates {
            out[slice.parameter.name] = after.parameter
            out["\(slice.parameter.name).first"] = after.firstMoment
            out["\(slice.parameter.name).second"] = after.secondMoment
        }
        return out
    }

    package func run(isa: ISA, threads: Int) throws -> [String: [Float]] {
        let (program, constants) = try compiled()
        let session = try Session(parameterBytes: layout.bytes, trains: true, storesGradients: true, threads: threads, isa: isa)
        let first = try #require(session.firstMoments), second = try #require(session.secondMoments),
            gradients = try #require(session.gradients)
        func places(_ p: Parameter) throws -> (order: PanelOrder, start: Int) {
            (PanelOrder(shape: p.shape, sections: p.sections), try #require(layout.offset(of: p.name)) / 4)
        }
        for p in parameters {
            let (order, start) = try places(p)
            let contents = [
                (session.parameters, numbers(p, 1)), (gradients, numbers(p, 2)), (first, numbers(p, 3)),
                (second, numbers(p, 4, squared: true))
            ]
            for (memory, values) in contents { for (i, x) in order.packed(values).enumerated() { memory.floats[start + i] = x } }
        }
        let executable = try session.prepare(program, constants: constants.values)
        #expect(try session.run(executable, [.step: .numbers(UpdateCase.step)]) == .done)
        var out: [String: [Float]] = [:]
        for p in parameters {
            let (order, start) = try places(p)
            for (suffix, memory) in [("", session.parameters), (".first", first), (".second", second)] {
                out[p.name + suffix] = order.unpacked(Array(memory.floats[start..<(start + order.storedCount)]))
            }
        }
        return out
    }
}
