/// Protocol buffer wire format, as much of it as TensorBoard's events and ONNX need.
package struct ProtocolBuffer {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package mutating func varint(field: Int, _ value: UInt64) {
        append(varint: UInt64(field) << 3)
        append(varint: value)
    }

    mutating func fixed64(field: Int, _ value: UInt64) {
        append(varint: UInt64(field) << 3 | 1)
        bytes += ProtocolBuffer.littleEndian(value)
    }

    package mutating func fixed32(field: Int, _ value: UInt32) {
        append(varint: UInt64(field) << 3 | 5)
        bytes += ProtocolBuffer.littleEndian(value)
    }

    /// Bytes, a string or a message.
    mutating func delimited(field: Int, _ content: [UInt8]) {
        delimiter(field: field, count: content.count)
        bytes += content
    }

    package mutating func text(field: Int, _ text: String) { delimited(field: field, Array(text.utf8)) }

    /// A message, as `body` fills it.
    package mutating func message(field: Int, _ body: (inout ProtocolBuffer) -> Void) {
        var inner = ProtocolBuffer()
        body(&inner)
        delimited(field: field, inner.bytes)
    }

    /// What stands before `count` bytes that are written elsewhere.
    package mutating func delimiter(field: Int, count: Int) {
        append(varint: UInt64(field) << 3 | 2)
        append(varint: UInt64(count))
    }

    private mutating func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    package static func littleEndian<Word: FixedWidthInteger>(_ word: Word) -> [UInt8] {
        (0..<(Word.bitWidth / 8)).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
    }
}

/// The fields of a protocol buffer message, one after the other; it ends at the first that is damaged.
struct ProtocolBufferFields: Sequence, IteratorProtocol {
    private var rest: Slice<UnsafeRawBufferPointer>

    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes[...] }

    /// The next field's number and, if it is a varint, its value.
    mutating func next() -> (field: UInt64, varint: UInt64?)? {
        guard let key = varint() else { return nil }
        switch key & 7 {
        case 0:
            guard let value = varint() else { return nil }
            return (key >> 3, value)
        case 1: return skip(8) ? (key >> 3, nil) : nil
        case 2:
            guard let count = varint(), count <= UInt64(rest.count) else { return nil }
            return skip(Int(count)) ? (key >> 3, nil) : nil
        case 5: return skip(4) ? (key >> 3, nil) : nil
        default: return nil
        }
    }

    private mutating func varint() -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = rest.popFirst() else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }

    private mutating func skip(_ count: Int) -> Bool {
        guard count <= rest.count else { return false }
        rest.removeFirst(count)
        return true
    }
}
