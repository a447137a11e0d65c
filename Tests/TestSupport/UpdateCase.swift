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
    /// What moments are kept as.
    var moments = ElementType.float32
    static let step: [Float] = [2e-3, 1.5e-2, 4.25, 0.5]

    /// The gradient's norm is near 2: one limit cuts it, one does not.
    package static let all = [
        UpdateCase(clip: nil, rate: 1), UpdateCase(clip: 0.05, rate: 1), UpdateCase(clip: 1e3, rate: 0.25),
        UpdateCase(clip: 0.5, rate: 0.75), UpdateCase(clip: nil, rate: 1, moments: .bfloat16),
        UpdateCase(clip: 0.5, rate: 0.75, moments: .bfloat16)
    ]

    package var testDescription: String { "clip \(clip.map { "\($0)" } ?? "none"), rate \(rate), moments \(moments.rawValue)" }

    /// How near a result must be: a moment of bf16 lies beside the exact number, the second on either side.
    package func ulps(of name: String) -> Double { moments == .bfloat16 && name.contains(".") ? 0x1p16 : 64 }

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
    /// Of a moment, as it can be kept.
    private func moment(_ parameter: Parameter, _ salt: Int, squared: Bool = false) -> [Float] {
        let mask: UInt32 = moments == .bfloat16 ? 0xffff_0000 : 0xffff_ffff
        return numbers(parameter, salt, squared: squared).map { Float(bitPattern: $0.bitPattern & mask) }
    }

    package func program() throws -> Program { try compiled().program }

    private func compiled() throws -> (program: Program, constants: ConstantPool) {
        var pool = ConstantPool()
        let slices = parameters.map { ParameterSlice($0) }
        var pipeline = Pipeline()
        pipeline.narrowsMoments = moments == .bfloat16
        let program = try pipeline.compileUpdate(
            group: .autoencoder, adamw: AdamW(), clip: clip, slices: slices, layout: layout, constants: &pool)
        return (program, pool)
    }

    /// Parameters and moments afterwards, by `weight`, `weight.first`, `weight.second` ….
    package func expected() throws -> [String: [Double]] {
        var interpreter = Interpreter(inputs: [.step: UpdateCase.step.map(Double.init)])
        for p in parameters {
            interpreter.parameters[p.name] = numbers(p, 1).map(Double.init)
            interpreter.gradients[p.name] = numbers(p, 2).map(Double.init)
            interpreter.firstMoments[p.name] = moment(p, 3).map(Double.init)
            interpreter.secondMoments[p.name] = moment(p, 4, squared: true).map(Double.init)
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

    private func halves(_ memory: Memory) -> UnsafeMutableBufferPointer<UInt16> {
        UnsafeMutableRawBufferPointer(memory.floats).bindMemory(to: UInt16.self)
    }

    package func run(isa: ISA, threads: Int) throws -> [String: [Float]] {
        let (program, constants) = try compiled()
        let session = try Session(
            parameterBytes: layout.bytes, trains: true, moments: moments, storesGradients: true, threads: threads, isa: isa)
        let first = try #require(session.firstMoments), second = try #require(session.secondMoments),
            gradients = try #require(session.gradients)
        func places(_ p: Parameter) throws -> (order: PanelOrder, start: Int) {
            (PanelOrder(shape: p.shape, sections: p.sections), try #require(layout.offset(of: p.name)) / 4)
        }
        for p in parameters {
            let (order, start) = try places(p)
            for (memory, values) in [(session.parameters, numbers(p, 1)), (gradients, numbers(p, 2))] {
                for (i, x) in order.packed(values).enumerated() { memory.floats[start + i] = x }
            }
            for (memory, values) in [(first, moment(p, 3)), (second, moment(p, 4, squared: true))] {
                for (i, x) in order.packed(values).enumerated() {
                    if moments == .bfloat16 { halves(memory)[start + i] = UInt16(x.bitPattern >> 16) } else { memory.floats[start + i] = x }
                }
            }
        }
        let executable = try session.prepare(program, constants: constants.values)
        #expect(
            try session.run(
                executable,
                moments == .bfloat16 ? [.step: .numbers(UpdateCase.step), .updateNumber: [3]] : [.step: .numbers(UpdateCase.step)]) == .done
        )
        var out: [String: [Float]] = [:]
        for p in parameters {
            let (order, start) = try places(p)
            for (suffix, memory) in [("", session.parameters), (".first", first), (".second", second)] {
                let range = start..<(start + order.storedCount), isHalf = moments == .bfloat16 && !suffix.isEmpty
                let stored = isHalf ? halves(memory)[range].map { Float(bitPattern: UInt32($0) << 16) } : Array(memory.floats[range])
                out[p.name + suffix] = order.unpacked(stored)
            }
        }
        return out
    }
}
