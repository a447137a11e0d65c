/// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), fed piece by piece.
///
/// It guards state files (``TensorFileWriter``) and frames the records of TensorBoard event files.
/// Eight bytes a turn by eight tables ("slicing-by-8", Kounavis and Berry, 2005).
///
///     var sum = CRC32C()
///     sum.update(Array("123456789".utf8))
///     sum.value  // 0xE306_9283
package struct CRC32C: Sendable, Equatable {
    private var remainder: UInt32 = 0xFFFF_FFFF

    package init() {}

    /// The checksum of everything fed so far.
    package var value: UInt32 { ~remainder }

    /// The checksum as TFRecord files hold it: rotated and offset, so that a checksum of data that itself
    /// contains checksums does not degenerate.
    package var masked: UInt32 { ((value >> 15) | (value << 17)) &+ 0xA282_EAD8 }

    /// Feeds the next bytes.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        remainder = CRC32C.tables.withUnsafeBufferPointer { CRC32C.advance(remainder, over: bytes, tables: $0) }
    }

    /// Feeds the next bytes.
    package mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// The checksum of one piece.
    package static func checksum(_ bytes: [UInt8]) -> UInt32 {
        var sum = CRC32C()
        sum.update(bytes)
        return sum.value
    }

    /// Entry `256 * k + b` is the remainder of byte `b` followed by `k` zero bytes.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var remainder = UInt32(byte)
            for _ in 0..<8 { remainder = remainder & 1 == 1 ? (remainder >> 1) ^ 0x82F6_3B78 : remainder >> 1 }
            tables[byte] = remainder
        }
        for index in 256..<(8 * 256) {
            let previous = tables[index - 256]
            tables[index] = (previous >> 8) ^ tables[Int(previous & 0xFF)]
        }
        return tables
    }()

    private static func advance(
        _ start: UInt32, over bytes: UnsafeRawBufferPointer, tables: UnsafeBufferPointer<UInt32>
    ) -> UInt32 {
        var remainder = start
        var offset = 0
        while offset &+ 8 <= bytes.count {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) ^ UInt64(remainder)
            let low =
                tables[7 * 256 + Int(word & 0xFF)] ^ tables[6 * 256 + Int(word >> 8 & 0xFF)]
                ^ tables[5 * 256 + Int(word >> 16 & 0xFF)] ^ tables[4 * 256 + Int(word >> 24 & 0xFF)]
            let high =
                tables[3 * 256 + Int(word >> 32 & 0xFF)] ^ tables[2 * 256 + Int(word >> 40 & 0xFF)]
                ^ tables[256 + Int(word >> 48 & 0xFF)] ^ tables[Int(word >> 56)]
            remainder = low ^ high
            offset &+= 8
        }
        while offset < bytes.count {
            remainder = (remainder >> 8) ^ tables[Int((remainder ^ UInt32(bytes[offset])) & 0xFF)]
            offset &+= 1
        }
        return remainder
    }
}
