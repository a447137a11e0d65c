public enum RuntimeError: Error, Sendable, Equatable, CustomStringConvertible {
    case outOfMemory(bytes: Int, purpose: String)
    case unknownISA(String, available: [String])
    case badProgram(String)
    /// A checked run found that an instruction wrote behind a buffer.
    case overrun(instruction: String, buffer: String)

    public var description: String {
        switch self {
        case .outOfMemory(let bytes, let purpose): "cannot get \(bytes / 1_000_000) MB for \(purpose): choose a smaller batch or model"
        case .unknownISA(let name, let available): "this CPU cannot run ISA '\(name)': it has \(available.joined(separator: ", "))"
        case .badProgram(let reason): "the program cannot be run: \(reason)"
        case .overrun(let instruction, let buffer): "\(instruction) wrote behind buffer \(buffer): this is an error of the program's compiler or kernel"
        }
    }
}
