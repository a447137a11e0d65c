/// The orientation 1…8 that an EXIF block states; 1, upright, where it states none.
///
/// Source: TIFF 6.0's directories, and what Pillow takes: a number of any type but BYTE and UNDEFINED, of which only the first counts.
/// - Parameter block: a TIFF structure, with or without `Exif\0\0` before it; may be empty or damaged.
func orientation(ofEXIF block: [UInt8]) -> Int {
    var bytes = block[...]
    while bytes.starts(with: exifMark) { bytes = bytes.dropFirst(exifMark.count) }
    guard let tiff = TIFFDirectory(Array(bytes)), let value = tiff.number(ofTag: 274), value == value.rounded(), (1...8).contains(value)
    else { return 1 }
    return Int(value)
}

/// The first directory of a TIFF structure.
private struct TIFFDirectory {
    private let bytes: [UInt8]
    private let isLittleEndian: Bool
    private let start: Int
    private let entries: Int

    init?(_ bytes: [UInt8]) {
        self.bytes = bytes
        guard bytes.count >= 8 else { return nil }
        isLittleEndian = bytes.starts(with: [0x49, 0x49, 0x2A, 0])
        guard isLittleEndian || bytes.starts(with: [0x4D, 0x4D, 0, 0x2A]) else { return nil }
        let offset = Self.integer(bytes, at: 4, bytes: 4, isLittleEndian)
        guard let offset, let entries = Self.integer(bytes, at: Int(offset), bytes: 2, isLittleEndian) else { return nil }
        (start, self.entries) = (Int(offset) + 2, Int(entries))
    }

    private static func integer(_ bytes: [UInt8], at place: Int, bytes count: Int, _ isLittleEndian: Bool) -> UInt64? {
        guard place >= 0, place <= bytes.count - count else { return nil }
        let digits = bytes[place..<(place + count)]
        return isLittleEndian ? digits.reversed().reduce(0) { $0 << 8 | UInt64($1) } : digits.reduce(0) { $0 << 8 | UInt64($1) }
    }

    private func integer(at place: Int, bytes count: Int) -> UInt64? { Self.integer(bytes, at: place, bytes: count, isLittleEndian) }

    /// The first value of a tag; nil where there is none, or it is no number.
    func number(ofTag tag: UInt64) -> Double? {
        let places = (0..<entries).lazy.map { start + 12 * $0 }
        guard let place = places.first(where: { integer(at: $0, bytes: 2) == tag }), let type = integer(at: place + 2, bytes: 2),
            let count = integer(at: place + 4, bytes: 4), count > 0
        else { return nil }
        guard let size = [3: 2, 4: 4, 5: 8, 6: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8][type] else { return nil }
        // Four bytes stand in the entry itself, more elsewhere.
        guard count <= 1 << 20, let value = Int(count) * size <= 4 ? place + 8 : integer(at: place + 8, bytes: 4).map({ Int($0) }),
            let bits = integer(at: value, bytes: size)
        else { return nil }
        switch type {
        case 6: return Double(Int8(truncatingIfNeeded: bits))
        case 8: return Double(Int16(truncatingIfNeeded: bits))
        case 9: return Double(Int32(truncatingIfNeeded: bits))
        case 11: return Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
        case 12: return Double(bitPattern: bits)
        case 5, 10:
            guard let above = integer(at: value, bytes: 4), let below = integer(at: value + 4, bytes: 4), below != 0 else { return nil }
            return Double(above) / Double(below)
        default: return Double(bits)
        }
    }
}

/// The first EXIF block (APP1) before the pixels of a JPEG; empty if there is none.
func exifBlock(ofJPEG file: [UInt8]) -> [UInt8] {
    var place = 2
    while place + 4 <= file.count, file[place] == 0xFF {
        let marker = file[place + 1]
        if marker == 0xFF { place += 1; continue }  // filling
        if marker == 0x01 || (0xD0...0xD8).contains(marker) { place += 2; continue }  // markers that stand alone
        if marker == 0xDA || marker == 0xD9 { break }  // pixels, or the end
        let length = Int(file[place + 2]) << 8 | Int(file[place + 3])
        guard length >= 2, place + 2 + length <= file.count else { break }
        let segment = file[(place + 4)..<(place + 2 + length)]
        if marker == 0xE1 && segment.starts(with: exifMark) { return Array(segment) }
        place += 2 + length
    }
    return []
}

/// The EXIF block in a "Raw profile type exif" text of ImageMagick's: a line of the kind, a line of the length, then hexadecimal digits.
///
/// Source: what Pillow takes: all that follows the third line break, as digits. Empty where these are none.
func exifBlock(ofRawProfile text: [UInt8]) -> [UInt8] {
    let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    var bytes: [UInt8] = [], high: UInt8?
    for byte in lines.dropFirst(3).joined() where ![0x20, 0x09, 0x0D, 0x0B, 0x0C].contains(byte) {
        guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { return [] }
        if let first = high {
            bytes.append(first << 4 | UInt8(digit))
            high = nil
        } else {
            high = UInt8(digit)
        }
    }
    return high == nil ? bytes : []
}

private let exifMark = Array("Exif\0\0".utf8)

/// Turns and mirrors a picture so that its orientation becomes 1.
///
/// Source: Pillow's `ImageOps.exif_transpose` and the TIFF specification's tag 274.
func upright(_ image: PixelImage, orientation: Int) -> PixelImage {
    if orientation == 1 { return image }
    let (width, height, channels) = (image.width, image.height, image.channels)
    let turns = orientation >= 5
    // Where the result's pixel (row 0, column 0) lies in the picture, and how far apart its neighbours to the right and below are there.
    let line = width * channels, right = line - channels, bottom = (height - 1) * line
    let (start, across, down) =
        switch orientation {
        case 2: (right, -channels, line)  // mirrored
        case 3: (bottom + right, -channels, -line)  // upside down
        case 4: (bottom, channels, -line)  // mirrored upside down
        case 5: (0, line, channels)  // transposed
        case 6: (bottom, -line, channels)  // to be turned clockwise
        case 7: (bottom + right, -line, -channels)  // transposed on the other diagonal
        default: (right, line, -channels)  // to be turned anticlockwise
        }
    let (newWidth, newHeight) = turns ? (height, width) : (width, height)
    let pixels = image.pixels.withUnsafeBufferPointer { input in
        [UInt8](unsafeUninitializedCapacity: input.count) { output, count in
            for y in 0..<newHeight {
                for x in 0..<newWidth {
                    let source = start + y * down + x * across, target = (y * newWidth + x) * channels
                    for channel in 0..<channels { output[target + channel] = input[source + channel] }
                }
            }
            count = input.count
        }
    }
    return PixelImage(width: newWidth, height: newHeight, channels: channels, pixels: pixels)
}
