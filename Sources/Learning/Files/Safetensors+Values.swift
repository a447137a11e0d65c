extension TensorFile {
    /// A tensor's elements as floats, row-major; F16 and BF16 widen exactly, F64 rounds to nearest.
    /// - Throws: `.missingTensor`; `.unsuitable` for any other type.
    public func floats(_ name: String) throws(TensorFileError) -> [Float] {
        let entry = try entry(name)
        switch entry.element {
        case .float32: return try decode(name, Float.self, UInt32.self) { Float(bitPattern: $0) }
        case .float16: return try decode(name, Float.self, UInt16.self) { Float(Float16(bitPattern: $0)) }
        case .bfloat16: return try decode(name, Float.self, UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
        case .float64: return try decode(name, Float.self, UInt64.self) { Float(Double(bitPattern: $0)) }
        default: throw .unsuitable(path: path, name: name, element: entry.element, wanted: "F32, F16, BF16 or F64")
        }
    }

    /// A tensor's elements as doubles, row-major, all exact.
    /// - Throws: as ``floats(_:)``.
    public func doubles(_ name: String) throws(TensorFileError) -> [Double] {
        if try entry(name).element == .float64 {
            return try decode(name, Double.self, UInt64.self) { Double(bitPattern: $0) }
        }
        return try floats(name).map(Double.init)
    }

    /// A tensor's elements as integers, row-major; BOOL gives 0 and 1.
    /// - Throws: `.missingTensor`; `.unsuitable` for any type but the integers, or a U64 beyond `Int.max`.
    public func integers(_ name: String) throws(TensorFileError) -> [Int] {
        let entry = try entry(name)
        switch entry.element {
        case .bool: return try decode(name, Int.self, UInt8.self) { $0 == 0 ? 0 : 1 }
        case .unsigned8: return try decode(name, Int.self, UInt8.self) { Int($0) }
        case .signed8: return try decode(name, Int.self, UInt8.self) { Int(Int8(bitPattern: $0)) }
        case .unsigned16: return try decode(name, Int.self, UInt16.self) { Int($0) }
        case .signed16: return try decode(name, Int.self, UInt16.self) { Int(Int16(bitPattern: $0)) }
        case .unsigned32: return try decode(name, Int.self, UInt32.self) { Int($0) }
        case .signed32: return try decode(name, Int.self, UInt32.self) { Int(Int32(bitPattern: $0)) }
        case .signed64: return try decode(name, Int.self, UInt64.self) { Int(Int64(bitPattern: $0)) }
        case .unsigned64:
            let values = try decode(name, UInt64.self, UInt64.self) { $0 }
            guard values.allSatisfy({ $0 <= UInt64(Int.max) }) else {
                throw .unsuitable(path: path, name: name, element: entry.element, wanted: "a number below 2^63")
            }
            return values.map { Int($0) }
        default: throw .unsuitable(path: path, name: name, element: entry.element, wanted: "a type of integers")
        }
    }

    /// Turns each little-endian word of a tensor, which may lie at any address, into a value.
    private func decode<Value, Word: FixedWidthInteger & BitwiseCopyable>(
        _ name: String, _: Value.Type, _: Word.Type, _ convert: (Word) -> Value
    ) throws(TensorFileError) -> [Value] {
        let size = MemoryLayout<Word>.size
        return try withBytes(name) { bytes in
            let count = bytes.count / size
            return [Value](unsafeUninitializedCapacity: count) { values, initialised in
                for index in 0..<count {
                    let word = Word(littleEndian: bytes.loadUnaligned(fromByteOffset: index * size, as: Word.self))
                    (values.baseAddress! + index).initialize(to: convert(word))
                }
                initialised = count
            }
        }
    }
}
