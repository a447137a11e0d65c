/// Writes zip archives of stored entries, honest or not.
package struct ZipWriter {
    private var bytes: [UInt8] = []
    private var directory: [UInt8] = []
    private var count = 0

    package init() {}

    /// - Parameter claimedSize: what the directory says of its size, if not the truth.
    package mutating func add(_ name: String, _ content: [UInt8], claimedSize: UInt32? = nil) {
        let size = claimedSize ?? UInt32(content.count), title = Array(name.utf8)
        // Flags, method and time are zero; the date is the first of January 1980.
        let common =
            [0, 0, 0, 0, 0, 0, 0x21, 0] + le(ZipWriter.crc(content)) + le(size) + le(size) + le(UInt16(title.count)) + le(UInt16(0))
        directory += le(UInt32(0x0201_4B50)) + [20, 0, 20, 0] + common + [UInt8](repeating: 0, count: 10) + le(UInt32(bytes.count)) + title
        bytes += le(UInt32(0x0403_4B50)) + le(UInt16(20)) + common + title + content
        count += 1
    }

    package func finished() -> [UInt8] {
        let end = [0, 0, 0, 0] + le(UInt16(count)) + le(UInt16(count)) + le(UInt32(directory.count)) + le(UInt32(bytes.count)) + [0, 0]
        return bytes + directory + le(UInt32(0x0605_4B50)) + end
    }

    private func le<Word: FixedWidthInteger>(_ word: Word) -> [UInt8] {
        (0..<(Word.bitWidth / 8)).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) }
    }

    private static func crc(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(UInt32.max) { sum, byte in
            (0..<8).reduce(sum ^ UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
        }
    }
}
