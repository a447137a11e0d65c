import CurricleCompiler
import CurricleGraph
import CurricleProgram
import CurricleRuntime
import CurricleTensors

/// One run's results: numbers row-major, and memory as it lay, padding included, to compare bits.
package struct RunResults {
    package var values: [String: [Float]] = [:]
    package var bits: [String: [UInt32]] = [:]
    package var padding: [String: [Float]] = [:]
    package let status: RunStatus

    /// A parameter's exposed gradient, from one result or from its slices in order: a pass may cut rows [0, D) of qkv from the rest.
    package func gradient(of parameter: String) -> [Float]? {
        if let whole = values["grad.\(parameter)"] { return whole }
        let slices = values.keys.filter { $0.hasPrefix("grad.\(parameter)[") }.sorted()
        return slices.isEmpty ? nil : slices.flatMap { values[$0]! }
    }
}

/// A graph as a program, with all it needs to run on any ISA and any number of threads.
package struct CompiledCase {
    package let program: Program
    let given: GivenTensors
    let layout: ParameterLayout
    let constants: ConstantPool

    package init(_ graph: Graph, _ given: GivenTensors, training: Training? = nil, pipeline: Pipeline = Pipeline()) throws {
        self.given = given
        layout = ParameterLayout(given.parameters.map(\.parameter))
        var pool = ConstantPool()
        program = try pipeline.compile(graph, training: training, layout: layout, constants: &pool)
        constants = pool
    }

    package init(_ builder: CaseBuilder, training: Training? = nil) throws {
        try self.init(builder.graph, builder.given, training: training)
    }

    package func run(isa: ISA, threads: Int) throws -> RunResults {
        let session = try Session(parameterBytes: layout.bytes, trains: true, storesGradients: true, threads: threads, isa: isa)
        for (parameter, values) in given.parameters {
            let offset = layout.offset(of: parameter.name)!, start = offset / 4
            if parameter.element != .float32 {
                let order = PanelOrder(shape: parameter.shape, sections: parameter.sections)
                let bytes = parameter.element == .int8 ? order.quantized(values) : order.rounded(values)
                UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(session.parameters.floats)[offset...])
                    .copyBytes(from: bytes)
                continue
            }
            for (i, x) in PanelOrder(shape: parameter.shape, sections: parameter.sections).packed(values).enumerated() {
                session.parameters.floats[start + i] = x
            }
        }
        let executable = try session.prepare(program, constants: constants.values)
        return results(of: session, try given.run(executable, in: session))
    }

    private func results(of session: Session, _ status: RunStatus) -> RunResults {
        var out = RunResults(status: status)
        for place in program.results {
            if place.type.element == .int32 {
                let integers = session.integerResult(place)
                out.values[place.name] = integers.map(Float.init)
                out.bits[place.name] = integers.map { UInt32(truncatingIfNeeded: $0) }
                continue
            }
            let stored = Array(session.result(place))
            out.bits[place.name] = stored.map(\.bitPattern)
            guard case .panels(let sections) = place.type.layout else {
                out.values[place.name] = stored
                continue
            }
            let order = PanelOrder(shape: place.type.shape, sections: sections)
            out.values[place.name] = order.unpacked(stored)
            out.padding[place.name] = order.padding(stored)
        }
        return out
    }
}
