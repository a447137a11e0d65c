import Testing
@testable import CurricleStorage

@Suite struct CRC32CTests {
    /// RFC 3720 (iSCSI), appendix B.4, and the usual check value.
    private static let vectors: [([UInt8], UInt32)] = [
        (Array("123456789".utf8), 0xE306_9283),
        ([], 0),
        ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
        ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
        ([UInt8](0..<32), 0x46DD_794E),
        ([UInt8]((0..<32).reversed()), 0x113F_DB5C)
    ]

    @Test("known vectors", arguments: vectors)
    func knownVectors(bytes: [UInt8], expected: UInt32) {
        #expect(CRC32C.checksum(bytes) == expected)
    }

    @Test("pieces of any length give the same") func piecesOfAnyLengthGiveTheSame() {
        let bytes: [UInt8] = (0..<100).map { UInt8(($0 * 37 + 11) % 256) }
        let whole = bitByBit(bytes)
        #expect(CRC32C.checksum(bytes) == whole)
        for cut in 0...bytes.count {
            var sum = CRC32C()
            sum.update(Array(bytes[..<cut]))
            sum.update(Array(bytes[cut...]))
            #expect(sum.value == whole)
        }
    }

    /// The definition: polynomial division, a bit at a time.
    private func bitByBit(_ bytes: [UInt8]) -> UInt32 {
        var remainder: UInt32 = 0xFFFF_FFFF
        for byte in bytes {
            remainder ^= UInt32(byte)
            for _ in 0..<8 { remainder = (remainder >> 1) ^ (0x82F6_3B78 & (0 &- (remainder & 1))) }
        }
        return ~remainder
    }
}
