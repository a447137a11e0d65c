extension TensorFile {
    /// A tensor's elements as floats, row-major; F16, BF16 and the types of 8 bits widen exactly, F64 rounds to nearest.
    /// - Throws: `.missingTensor`; `.unsuitable` for any other type.
    package func floats(_ name: String) throws(TensorFileError) -> [Float] {
        let element = try entry(name).element
        guard let values = try withBytes(name, element.floats(of:)) else {
            throw .unsuitable(path: path, name: name, element: element, wanted: "a type of floating point")
        }
        return values
    }

    /// A tensor's elements as doubles, row-major, all exact.
    /// - Throws: as ``floats(_:)``.
    package func doubles(_ name: String) throws(TensorFileError) -> [Double] {
        if try entry(name).element == .float64 {
            return try withBytes(name) { TensorElement.decode($0, UInt64.self) { Double(bitPattern: $0) } }
        }
        return try floats(name).map(Double.init)
    }

    /// A tensor's elements as integers, row-major; BOOL gives 0 and 1.
    /// - Throws: `.missingTensor`; `.unsuitable` for any type but the integers, or a U64 beyond `Int.max`.
    package func integers(_ name: String) throws(TensorFileError) -> [Int] {
        let element = try entry(name).element
        guard let values = try withBytes(name, element.integers(of:)) else {
            let wanted = element == .unsigned64 ? "a number below 2^63" : "a type of integers"
            throw .unsuitable(path: path, name: name, element: element, wanted: wanted)
        }
        return values
    }
}

extension TensorElement {
    /// Little-endian elements as floats; nil for a type that is not of floating point, or has less than 8 bits.
    package func floats(of bytes: UnsafeRawBufferPointer) -> [Float]? {
        switch self {
        case .float32: TensorElement.decode(bytes, UInt32.self) { Float(bitPattern: $0) }
        case .float16: TensorElement.decode(bytes, UInt16.self) { Float(Float16(bitPattern: $0)) }
        case .bfloat16: TensorElement.decode(bytes, UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
        case .float64: TensorElement.decode(bytes, UInt64.self) { Float(Double(bitPattern: $0)) }
        case .float8E4M3:
            TensorElement.decode(bytes, UInt8.self) { $0 & 0x7F == 0x7F ? .nan : TensorElement.small($0, mantissaBits: 3, bias: 7) }
        case .float8E5M2: TensorElement.decode(bytes, UInt8.self) { Float(Float16(bitPattern: UInt16($0) << 8)) }
        case .float8E4M3FNUZ:
            TensorElement.decode(bytes, UInt8.self) { $0 == 0x80 ? .nan : TensorElement.small($0, mantissaBits: 3, bias: 8) }
        case .float8E5M2FNUZ:
            TensorElement.decode(bytes, UInt8.self) { $0 == 0x80 ? .nan : TensorElement.small($0, mantissaBits: 2, bias: 16) }
        case .float8E8M0:
            TensorElement.decode(bytes, UInt8.self) { $0 == 0xFF ? .nan : Float(sign: .plus, exponent: Int($0) - 127, significand: 1) }
        default: nil
        }
    }

    /// A float of 8 bits: a sign, an exponent and a mantissa, subnormal where the exponent is 0, without infinities.
    private static func small(_ bits: UInt8, mantissaBits: Int, bias: Int) -> Float {
        let magnitude = Int(bits & 0x7F), exponent = magnitude >> mantissaBits,
            mantissa = Float(magnitude & (1 << mantissaBits - 1)) / Float(1 << mantissaBits)
        let value = Float(sign: .plus, exponent: max(1, exponent) - bias, significand: exponent == 0 ? mantissa : 1 + mantissa)
        return bits < 0x80 ? value : -value
    }

    /// Little-endian elements as integers; nil for any other type, or a U64 beyond `Int.max`.
    package func integers(of bytes: UnsafeRawBufferPointer) -> [Int]? {
        switch self {
        case .bool: return TensorElement.decode(bytes, UInt8.self) { $0 == 0 ? 0 : 1 }
        case .unsigned8: return TensorElement.decode(bytes, UInt8.self) { Int($0) }
        case .signed8: return TensorElement.decode(bytes, UInt8.self) { Int(Int8(bitPattern: $0)) }
        case .unsigned16: return TensorElement.decode(bytes, UInt16.self) { Int($0) }
        case .signed16: return TensorElement.decode(bytes, UInt16.self) { Int(Int16(bitPattern: $0)) }
        case .unsigned32: return TensorElement.decode(bytes, UInt32.self) { Int($0) }
        case .signed32: return TensorElement.decode(bytes, UInt32.self) { Int(Int32(bitPattern: $0)) }
        case .signed64: return TensorElement.decode(bytes, UInt64.self) { Int(Int64(bitPattern: $0)) }
        case .unsigned64:
            let values = TensorElement.decode(bytes, UInt64.self) { Int(exactly: $0) }
            let whole = values.compactMap(\.self)
            return whole.count == values.count ? whole : nil
        default: return nil
        }
    }

    /// Turns each little-endian word, which may lie at any address, into a value.
    package static func decode<Value, Word: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: UnsafeRawBufferPointer, _: Word.Type, _ convert: (Word) -> Value
    ) -> [Value] {
        let size = MemoryLayout<Word>.size, count = bytes.count / size
        return [Value](unsafeUninitializedCapacity: count) { values, initialised in
            for index in 0..<count {
                let word = Word(littleEndian: bytes.loadUnaligned(fromByteOffset: index * size, as: Word.self))
                (values.baseAddress! + index).initialize(to: convert(word))
            }
            initialised = count
        }
    }
}
