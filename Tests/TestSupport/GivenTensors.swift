import CurricleGraph
import CurricleProgram
import CurricleRandomness
import CurricleReference
import CurricleRuntime
import CurricleTensors

/// What a run is given: the caller's tensors and the parameters, for the interpreter and for the runtime alike.
package struct GivenTensors {
    /// Integers and pixels as floats.
    package var inputs: [InputName: [Float]] = [:]
    /// Values row-major.
    package var parameters: [(parameter: Parameter, values: [Float])] = []

    package init() {}

    /// Parameters drawn for a model: matrices by Xavier's bound, norm weights about 1, the rest about 0.
    package init(drawing parameters: [Parameter], seed: UInt64) {
        var random = Philox(seed: seed)
        for parameter in parameters {
            let bound = parameter.shape.count > 1 ? (6 / Double(parameter.shape[0] + parameter.shape[1])).squareRoot() : 0.2
            let middle = parameter.shape.count == 1 && parameter.name.hasSuffix(".weight") ? 1.0 : 0.0
            let values = (0..<parameter.shape.reduce(1, *)).map { _ in Float(middle + random.uniform(-bound, bound)) }
            self.parameters.append((parameter, values))
        }
    }

    /// A batch of `count` normal numbers.
    package mutating func drawPatches(_ count: Int, seed: UInt64) {
        var random = Philox(seed: seed, stream: (1, 0, 0))
        inputs[.patches] = (0..<count).map { _ in Float(random.normal()) }
    }

    /// The same numbers for the oracle.
    package var interpreter: Interpreter {
        Interpreter(
            inputs: inputs.mapValues { $0.map(Double.init) },
            parameters: Dictionary(uniqueKeysWithValues: parameters.map { ($0.parameter.name, $0.values.map(Double.init)) }))
    }

    /// Runs a program on them: each input in a block of just its size, aligned as the loader's.
    /// - Parameter more: numbers given besides.
    package func run(_ executable: Executable, in session: Session, more: [InputName: [Float]] = [:]) throws -> RunStatus {
        var inputs: RunInputs = [:], blocks: [UnsafeMutableRawBufferPointer] = []
        defer { for block in blocks { block.deallocate() } }
        for input in executable.program.inputs {
            guard let values = more[input.name] ?? self.inputs[input.name] else { continue }
            let block = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, values.count * input.type.element.bytes), alignment: 64)
            blocks.append(block)
            switch input.type.element {
            case .float32: values.withUnsafeBytes { block.copyMemory(from: $0) }
            case .int32: values.map { Int32($0) }.withUnsafeBytes { block.copyMemory(from: $0) }
            case .int8: values.map { Int8($0) }.withUnsafeBytes { block.copyMemory(from: $0) }
            case .uint8, .bfloat16: values.map { UInt8($0) }.withUnsafeBytes { block.copyMemory(from: $0) }
            }
            inputs[input.name] = .memory(UnsafeRawBufferPointer(block))
        }
        return try session.run(executable, inputs)
    }
}
