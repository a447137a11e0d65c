/// Why a safetensors file could not be read or written.
package enum TensorFileError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The system refused.
    case file(FileError)
    /// The bytes are no valid safetensors file.
    case malformed(path: String, reason: String)
    /// The checksum in the metadata is not that of the bytes.
    case torn(path: String, expected: String, found: String)
    case missingTensor(path: String, name: String)
    /// The tensor is there, but not of a type that was asked for.
    case unsuitable(path: String, name: String, element: TensorElement, wanted: String)
    /// A tensor or metadata handed to the writer contradicts what was declared.
    case misuse(path: String, reason: String)

    package var description: String {
        switch self {
        case .file(let error):
            return error.description
        case .malformed(let path, let reason):
            return "\(path) is not a valid safetensors file: \(reason); take another copy of it"
        case .torn(let path, let expected, let found):
            return "\(path) is damaged: its checksum is \(found), not \(expected) as written in it; take another copy of it"
        case .missingTensor(let path, let name):
            return "\(path) holds no tensor '\(name)'; is it a checkpoint of this kind of model?"
        case .unsuitable(let path, let name, let element, let wanted):
            return "\(path): tensor '\(name)' is of type \(element.rawValue); \(wanted) is wanted there"
        case .misuse(let path, let reason):
            return "cannot write \(path): \(reason)"
        }
    }
}
