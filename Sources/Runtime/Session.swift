import CSupport
import Program

/// How a run ended.
public enum RunStatus: Sendable, Equatable {
    case done
    /// A loss was not finite; nothing behind it was done, so no parameter has changed.
    case nonfinite
}

/// The memory that a model's programs share, and their execution. Not for use from several threads at once.
public final class Session {
    public let threads: Int
    public let isa: ISA
    public let parameters: Memory
    public let firstMoments: Memory?
    public let secondMoments: Memory?
    public let gradients: Memory?
    var constants: Memory
    private var constantCount = 0
    let scalars: Memory
    private var arena: Memory
    var results: Memory
    private var workspace: Memory
    /// Runs programs instruction by instruction: whatever of the arena is dead holds signalling NaNs, so that reading it shows in
    /// the results, and what is left free behind each buffer (`Pipeline.guardBytes`) must stay as it is. Debug builds do.
    #if DEBUG
    public var checksMemory = true
    #else
    public var checksMemory = false
    #endif

    /// - Parameters:
    ///   - parameterBytes: size of the parameters segment; moments and gradients, where wanted, have the same.
    public init(
        parameterBytes: Int, trains: Bool, storesGradients: Bool = false, threads: Int, isa: ISA
    ) throws(RuntimeError) {
        self.threads = max(1, threads)
        self.isa = isa
        parameters = try Memory(bytes: parameterBytes, purpose: "parameters")
        firstMoments = trains ? try Memory(bytes: parameterBytes, purpose: "first moments") : nil
        secondMoments = trains ? try Memory(bytes: parameterBytes, purpose: "second moments") : nil
        gradients = storesGradients ? try Memory(bytes: parameterBytes, purpose: "gradients") : nil
        constants = try Memory(bytes: 0, purpose: "constants")
        scalars = try Memory(bytes: 4096, purpose: "scalars")
        arena = try Memory(bytes: 0, purpose: "the arena")
        results = try Memory(bytes: 0, purpose: "results")
        workspace = try Memory(bytes: 0, purpose: "workspace")
    }

    /// Makes a program ready: encodes it, and makes the shared memory large enough for it.
    /// - Parameter values: contents of the constants segment; what earlier programs use stands at the same places.
    public func prepare(_ program: Program, constants values: [Float] = []) throws(RuntimeError) -> Executable {
        let executable = try Executable(program)
        if constantCount < values.count {
            constantCount = values.count
            constants = try Memory(bytes: values.count * 4, purpose: "constants")
            for (i, value) in values.enumerated() { constants.floats[i] = value }
        }
        if arena.bytes < program.arenaBytes { arena = try Memory(bytes: program.arenaBytes, purpose: "the arena") }
        if results.bytes < program.resultBytes { results = try Memory(bytes: program.resultBytes, purpose: "results") }
        let need = executable.workspaceBytes(threads: threads, isa: isa)
        if workspace.bytes < need { workspace = try Memory(bytes: need, purpose: "the threads' scratch") }
        return executable
    }

    /// Bytes of arena and scratch held now.
    public var arenaBytes: Int { arena.bytes }
    public var workspaceBytes: Int { workspace.bytes }

    /// Writes a scalar input: `index` floats after the place the compiler gave it.
    public func setScalars(at operand: Operand, _ values: [Float]) {
        for (i, value) in values.enumerated() where operand.offset / 4 + i < scalars.floats.count {
            scalars.floats[operand.offset / 4 + i] = value
        }
    }

    /// Executes a program.
    /// - Parameters:
    ///   - batch: patches or pixels, as the program was compiled for; valid during the call.
    ///   - order: the caller's order of patches, if the program reads one.
    ///   - scores, errors, upstream: what other programs made, if the program reads it (`GraphInput`).
    ///   - targets, branchScales: what a classifier is trained with (`GraphInput`).
    ///   - nanoseconds: one place per instruction, added to; nil for no clock.
    /// - Throws: `RuntimeError.badProgram`.
    public func run(
        _ executable: Executable, batch: UnsafeRawBufferPointer? = nil, order: UnsafeRawBufferPointer? = nil,
        scores: UnsafeRawBufferPointer? = nil, errors: UnsafeRawBufferPointer? = nil, upstream: UnsafeRawBufferPointer? = nil,
        targets: UnsafeRawBufferPointer? = nil, branchScales: UnsafeRawBufferPointer? = nil,
        nanoseconds: UnsafeMutableBufferPointer<UInt64>? = nil
    ) throws(RuntimeError) -> RunStatus {
        var run = curricle_execution()
        run.segments.0 = arena.base
        run.segments.1 = parameters.base
        run.segments.2 = firstMoments?.base
        run.segments.3 = secondMoments?.base
        run.segments.4 = gradients?.base
        run.segments.5 = constants.base
        run.segments.6 = UnsafeMutableRawPointer(mutating: batch?.baseAddress)
        run.segments.7 = UnsafeMutableRawPointer(mutating: order?.baseAddress)
        run.segments.8 = UnsafeMutableRawPointer(mutating: scores?.baseAddress)
        run.segments.9 = UnsafeMutableRawPointer(mutating: errors?.baseAddress)
        run.segments.10 = UnsafeMutableRawPointer(mutating: upstream?.baseAddress)
        run.segments.11 = scalars.base
        run.segments.12 = results.base
        run.segments.13 = UnsafeMutableRawPointer(mutating: targets?.baseAddress)
        run.segments.14 = UnsafeMutableRawPointer(mutating: branchScales?.baseAddress)
        run.workspace = workspace.base
        run.threads = Int32(threads)
        run.isa = isa.value
        run.nanoseconds = nanoseconds?.baseAddress
        let status = checksMemory ? try runChecked(executable, &run)
            : executable.instructions.withUnsafeBufferPointer { curricle_execute($0.baseAddress, UInt32($0.count), &run) }
        switch status {
        case CURRICLE_OK: return .done
        case CURRICLE_NONFINITE: return .nonfinite
        default: throw .badProgram("this library does not know one of its instructions")
        }
    }

    /// A float result of the program that ran last, as it lies in memory (panels included).
    public func result(_ place: ResultPlace) -> UnsafeBufferPointer<Float> {
        let width = 16
        let count: Int
        if let sections = place.sections, let rows = place.shape.first {
            count = sections * ((rows / sections + width - 1) / width) * width * place.shape.dropFirst().reduce(1, *)
        } else {
            count = place.shape.reduce(1, *)
        }
        return UnsafeBufferPointer(rebasing: results.floats[(place.offset / 4)..<(place.offset / 4 + count)])
    }

    public func integerResult(_ place: ResultPlace) -> [Int] {
        let start = place.offset / 4
        return results.integers[start..<(start + place.shape.reduce(1, *))].map(Int.init)
    }
}
