import Tensors

/// What a run is given, by the names of the program's inputs: `[.patches: .memory(batch), .curriculum: [0.4]]`.
public struct RunInputs: ExpressibleByDictionaryLiteral {
    /// One input.
    public enum Tensor: ExpressibleByArrayLiteral {
        /// Memory of the caller's, valid during the call; 64-byte aligned where it is large.
        case memory(UnsafeRawBufferPointer)
        /// A few numbers, which the session copies.
        case numbers([Float])

        public init(arrayLiteral numbers: Float...) { self = .numbers(numbers) }

        var bytes: Int {
            switch self {
            case .memory(let memory): memory.count
            case .numbers(let numbers): numbers.count * ElementType.float32.bytes
            }
        }
    }

    private(set) var entries: [(name: InputName, tensor: Tensor)]

    public init(dictionaryLiteral entries: (InputName, Tensor)...) { self.entries = entries }

    public subscript(_ name: InputName) -> Tensor? {
        get { entries.first { $0.name == name }?.tensor }
        set {
            entries.removeAll { $0.name == name }
            if let newValue { entries.append((name, newValue)) }
        }
    }
}
