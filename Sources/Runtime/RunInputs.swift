import CurricleTensors

/// What a run is given, by the names of the program's inputs: `[.patches: .memory(batch), .curriculum: [0.4]]`.
package struct RunInputs: ExpressibleByDictionaryLiteral {
    /// One input.
    package enum Tensor: ExpressibleByArrayLiteral {
        /// Memory of the caller's, valid during the call; 64-byte aligned where it is large.
        case memory(UnsafeRawBufferPointer)
        /// A few numbers, which the session copies.
        case numbers([Float])

        package init(arrayLiteral numbers: Float...) { self = .numbers(numbers) }

        var bytes: Int {
            switch self {
            case .memory(let memory): memory.count
            case .numbers(let numbers): numbers.count * ElementType.float32.bytes
            }
        }
    }

    private(set) var entries: [(name: InputName, tensor: Tensor)]

    package init(dictionaryLiteral entries: (InputName, Tensor)...) { self.entries = entries }

    package subscript(_ name: InputName) -> Tensor? {
        get { entries.first { $0.name == name }?.tensor }
        set {
            entries.removeAll { $0.name == name }
            if let newValue { entries.append((name, newValue)) }
        }
    }
}
