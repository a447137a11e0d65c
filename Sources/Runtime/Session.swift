import CSupport
import CurricleProgram
import CurricleTensors

/// How a run ended.
package enum RunStatus: Sendable, Equatable {
    case done
    /// A loss was not finite; nothing behind it was done, so no parameter has changed.
    case nonfinite
}

/// A C function that is told before a stage of an ``Executable`` that all before it are done, while nothing goes on.
package struct StageCallback {
    package typealias Function = @convention(c) (_ context: UnsafeMutableRawPointer?, _ next: UInt32) -> Void
    let function: Function
    let context: UnsafeMutableRawPointer?
    package init(_ function: @escaping Function, context: UnsafeMutableRawPointer?) { (self.function, self.context) = (function, context) }
}

/// The memory that a model's programs share, and their execution. Not for use from several threads at once.
package final class Session {
    package let threads: Int
    package let isa: ISA
    package let parameters: Memory
    package let firstMoments: Memory?
    /// What moments are: float32 or bf16.
    package let moments: ElementType
    package let secondMoments: Memory?
    package let gradients: Memory?
    private var hasRun = false
    /// Executables that were made.
    private var prepared = 0
    var constants: Memory
    private var constantCount = 0
    /// Numbers that were given in the last run, and where each input's lie.
    private var numbers: Memory
    private(set) var numberPlaces: [Int: UnsafeRawBufferPointer] = [:]
    private var arena: Memory
    var results: Memory
    private var workspace: Memory
    /// Runs programs instruction by instruction: whatever of the arena is dead holds signalling NaNs, so that reading it shows in
    /// the results, and what is left free behind each buffer (`Pipeline.guardBytes`) must stay as it is. Debug builds do.
    #if DEBUG
    package var checksMemory = true
    #else
    package var checksMemory = false
    #endif

    /// - Parameters:
    ///   - parameterBytes: size of the parameters segment; gradients, where wanted, have the same, and moments by their own element type.
    ///   - moments: float32 or bf16.
    ///   - sharesMoments: whether others have most of them, so that here only a part is touched.
    /// - Throws: `RuntimeError.threads`, `RuntimeError.outOfMemory`.
    package init(
        parameterBytes: Int, trains: Bool, moments: ElementType = .float32, sharesMoments: Bool = false, storesGradients: Bool = false,
        threads: Int, isa: ISA
    ) throws(RuntimeError) {
        self.threads = max(1, threads)
        self.isa = isa
        try Machine.requireThreads(self.threads)
        parameters = try Memory(bytes: parameterBytes, purpose: "parameters")
        self.moments = moments
        let momentBytes = parameterBytes / ElementType.float32.bytes * moments.bytes
        firstMoments = trains ? try Memory(bytes: momentBytes, purpose: "first moments", isSparse: sharesMoments) : nil
        secondMoments = trains ? try Memory(bytes: momentBytes, purpose: "second moments", isSparse: sharesMoments) : nil
        gradients = storesGradients ? try Memory(bytes: parameterBytes, purpose: "gradients") : nil
        constants = try Memory(bytes: 0, purpose: "constants")
        numbers = try Memory(bytes: 4096, purpose: "given numbers")
        arena = try Memory(bytes: 0, purpose: "the arena")
        results = try Memory(bytes: 0, purpose: "results")
        workspace = try Memory(bytes: 0, purpose: "workspace")
    }

    /// Makes a program ready: holds it to account, and makes the shared memory large enough for it.
    /// - Parameter values: contents of the constants segment; what earlier programs use stands at the same places.
    /// - Throws: `RuntimeError.badProgram` naming the instruction that is not sound; `RuntimeError.outOfMemory`.
    package func prepare(_ program: Program, constants values: [Float] = []) throws(RuntimeError) -> Executable {
        if constantCount < values.count {
            constantCount = values.count
            constants = try Memory(bytes: values.count * ElementType.float32.bytes, purpose: "constants")
            constants.fill(values)
        }
        let held: [Segment: Memory?] = [
            .parameters: parameters, .firstMoments: firstMoments, .secondMoments: secondMoments, .gradients: gradients,
            .constants: constants
        ]
        try program.check(held.compactMapValues { $0?.bytes })
        if arena.bytes < program.arenaBytes { arena = try Memory(bytes: program.arenaBytes, purpose: "the arena") }
        if results.bytes < program.resultBytes { results = try Memory(bytes: program.resultBytes, purpose: "results") }
        let need = try program.workspaceBytes(threads: threads, isa: isa)
        if workspace.bytes < need { workspace = try Memory(bytes: need, purpose: "the threads' scratch") }
        prepared += 1
        return Executable(program: program, stages: threads > 1 && !checksMemory ? Stages(program.instructions) : nil, number: prepared)
    }

    /// Bytes of arena and scratch held now.
    package var arenaBytes: Int { arena.bytes }
    package var workspaceBytes: Int { workspace.bytes }

    /// Executes a program.
    /// - Parameters:
    ///   - inputs: one for each of the program's, of its type's size.
    ///   - nanoseconds: one place per instruction, added to; nil for no clock.
    ///   - reached: told how far the run is; not where memory is checked or a clock runs.
    /// - Throws: `RuntimeError` for an input that is missing, unknown or of another size.
    package func run(
        _ executable: Executable, _ inputs: RunInputs = [:], nanoseconds: UnsafeMutableBufferPointer<UInt64>? = nil,
        reached: StageCallback? = nil
    ) throws(RuntimeError) -> RunStatus {
        if !hasRun {  // by now the memory is taken that threads leave room for
            try Machine.requireThreads(threads)
            hasRun = true
        }
        let program = executable.program
        var run = curricle_execution()
        run.workspace = workspace.base
        run.threads = Int32(threads)
        run.isa = isa.value
        run.nanoseconds = nanoseconds?.baseAddress
        if !checksMemory, nanoseconds == nil { (run.reached, run.reached_context) = (reached?.function, reached?.context) }
        let given = try addresses(of: inputs, for: program)
        withUnsafeMutableBytes(of: &run.segments) { bytes in
            let segments = bytes.bindMemory(to: UnsafeMutableRawPointer?.self)
            segments[Segment.arena.number] = arena.base
            segments[Segment.parameters.number] = parameters.base
            segments[Segment.firstMoments.number] = firstMoments?.base
            segments[Segment.secondMoments.number] = secondMoments?.base
            segments[Segment.gradients.number] = gradients?.base
            segments[Segment.constants.number] = constants.base
            segments[Segment.results.number] = results.base
            for (index, address) in given.enumerated() {
                segments[Segment.given(index).number] = UnsafeMutableRawPointer(mutating: address)
            }
        }
        let status =
            if checksMemory {
                try runChecked(program, &run)
            } else if let stages = executable.stages, nanoseconds == nil {
                curricle_execute(stages, &run)
            } else {
                program.instructions.withUnsafeBufferPointer { curricle_execute($0.baseAddress, UInt32($0.count), &run) }
            }
        switch status {
        case CURRICLE_OK: return .done
        case CURRICLE_NONFINITE: return .nonfinite
        default: throw .badProgram("this library does not know one of its instructions")
        }
    }

    /// Where each of the program's inputs lies; numbers are copied, each to a line of its own.
    private func addresses(of inputs: RunInputs, for program: Program) throws(RuntimeError) -> [UnsafeRawPointer?] {
        for entry in inputs.entries where program.input(entry.name) == nil {
            throw .unknownInput(entry.name, inputs: program.inputs.map(\.name))
        }
        var addresses: [UnsafeRawPointer?] = [], end = 0
        for (index, input) in program.inputs.enumerated() {
            guard let tensor = inputs[input.name] else { throw .missingInput(input.name, input.type) }
            guard tensor.bytes == input.type.bytes else { throw .wrongInput(input.name, input.type, bytes: tensor.bytes) }
            switch tensor {
            case .memory(let memory): addresses.append(memory.baseAddress)
            case .numbers(let values):
                if numbers.bytes < end + tensor.bytes {
                    throw .outOfMemory(bytes: end + tensor.bytes, purpose: "given numbers: give large inputs as memory")
                }
                let place = UnsafeMutableRawBufferPointer(start: numbers.base + end, count: tensor.bytes)
                values.withUnsafeBytes { place.copyMemory(from: $0) }
                numberPlaces[index] = UnsafeRawBufferPointer(place)
                addresses.append(UnsafeRawPointer(place.baseAddress))
                end += (tensor.bytes + 63) / 64 * 64
            }
        }
        return addresses
    }

    /// A float result of the program that ran last, as it lies in memory (panels included).
    /// - Precondition: its type has floats.
    package func result(_ place: ResultPlace) -> UnsafeBufferPointer<Float> {
        precondition(place.type.element == .float32, "result \(place.name) is \(place.type)")
        let first = place.offset / ElementType.float32.bytes
        return UnsafeBufferPointer(rebasing: results.floats[first..<(first + place.type.storedCount)])
    }

    /// An integer result of the program that ran last.
    /// - Precondition: its type has integers.
    package func integerResult(_ place: ResultPlace) -> [Int] {
        precondition(place.type.element == .int32, "result \(place.name) is \(place.type)")
        let first = place.offset / ElementType.int32.bytes
        return results.integers[first..<(first + place.type.count)].map(Int.init)
    }
}

private func curricle_execute(_ stages: Stages, _ run: inout curricle_execution) -> curricle_status {
    stages.ends.withUnsafeBufferPointer { ends in
        (run.stage_ends, run.stages) = (ends.baseAddress, UInt32(ends.count))
        return stages.instructions.withUnsafeBufferPointer { curricle_execute($0.baseAddress, UInt32($0.count), &run) }
    }
}
