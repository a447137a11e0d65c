import CurricleTensors
package enum RuntimeError: Error, Sendable, Equatable, CustomStringConvertible {
    case outOfMemory(bytes: Int, purpose: String)
    case unknownISA(String, available: [String])
    case badProgram(String)
    /// The system does not give so many threads.
    case threads(team: Int, wanted: Int, possible: Int, reason: String)
    /// An input that the program reads was not given.
    case missingInput(InputName, TensorType)
    /// An input was given as many bytes as its type does not have.
    case wrongInput(InputName, TensorType, bytes: Int)
    /// An input was given that the program does not have.
    case unknownInput(InputName, inputs: [InputName])
    /// A checked run found that an instruction wrote behind a buffer.
    case overrun(instruction: String, buffer: String)

    package var description: String {
        switch self {
        case .outOfMemory(let bytes, let purpose): "cannot get \(bytes / 1_000_000) MB for \(purpose): choose a smaller batch or model"
        case .unknownISA(let name, let available): "this CPU cannot run ISA '\(name)': it has \(available.joined(separator: ", "))"
        case .badProgram(let reason): "the program cannot be run: \(reason)"
        case .threads(let team, let wanted, let possible, let reason):
            "cannot run \(team) threads: with what runs beside them they are \(wanted), and the system gives \(possible) (\(reason)); "
                + "take fewer, or raise the limits of processes and memory (ulimit -u, ulimit -v)"
        case .missingInput(let name, let type): "the program's input '\(name)', \(type), was not given"
        case .wrongInput(let name, let type, let bytes):
            "the program's input '\(name)' is \(type), \(type.bytes) bytes, but \(bytes) were given"
        case .unknownInput(let name, let inputs):
            "the program has no input '\(name)': it has \(inputs.isEmpty ? "none" : inputs.map(\.rawValue).joined(separator: ", "))"
        case .overrun(let instruction, let buffer):
            "\(instruction) wrote behind buffer \(buffer): this is an error of the program's compiler or kernel"
        }
    }
}
