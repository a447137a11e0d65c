import CurricleCZlib

/// The chunks of a PNG file that decide its pixels, checked, in a form libpng decodes without changing any value.
///
/// Why not the file itself: libpng's simple interface (the one that reports errors without longjmp, which Swift cannot cross) applies
/// gamma, colour profiles and backgrounds. Pillow's `convert("RGB")` does not, so the chunks that ask for them are left out.
struct PNGStream {
    static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    var width = 0
    var height = 0
    var bitDepth: UInt8 = 0
    var colorType: UInt8 = 0
    /// Signature, IHDR, PLTE, tRNS if it is kept, IDAT…, IEND.
    var bytes = PNGStream.signature
    /// The EXIF block, of its own chunk or else in ImageMagick's text; empty if there is none, or a damaged one.
    var exif: [UInt8] = []
    /// Where in `bytes` the data of the IDAT chunks begin and end, as far as the zlib header reaches.
    private var zlibHeader: [Range<Int>] = []
    /// Whether a tRNS chunk was kept: colours or palette entries that are transparent.
    var hasTransparency = false

    var hasAlpha: Bool { colorType & 4 != 0 }

    /// - Parameter keepsTransparency: keeps the tRNS chunk too, for who asks libpng for alpha.
    init(_ file: [UInt8], keepsTransparency: Bool = false, name: String) throws(VisionError) {
        let kept = ["IHDR", "PLTE", "IDAT", "IEND"] + (keepsTransparency ? ["tRNS"] : [])
        var place = Self.signature.count, rawProfile: [UInt8] = []
        while true {
            guard place + 12 <= file.count else { throw .truncated(name: name, reason: "the PNG stream ends before its IEND chunk") }
            let length = Self.bigEndian(file, place)
            guard length <= file.count - place - 12 else { throw .truncated(name: name, reason: "the PNG stream ends inside a chunk") }
            let kind = String(decoding: file[(place + 4)..<(place + 8)], as: UTF8.self)
            // libpng decodes by the first header: another one must not change the sizes that memory is taken for.
            if width != 0 && kind == "IHDR" { throw .corrupt(name: name, reason: "a second PNG header") }
            if width == 0 && kind != "IHDR" { throw .corrupt(name: name, reason: "the first PNG chunk is not IHDR") }
            let isSound = Self.checksum(file, from: place + 4, to: place + 8 + length) == Self.bigEndian(file, place + 8 + length)
            if kept.contains(kind) {
                guard isSound else { throw .corrupt(name: name, reason: "checksum of PNG chunk \(kind)") }
                if kind == "IHDR" { try readHeader(file, at: place + 8, length: length, name: name) }
                if kind == "tRNS" { hasTransparency = true }
                if kind == "IDAT", length > 0, zlibHeader.reduce(0, { $0 + $1.count }) < 2 {
                    zlibHeader.append((bytes.count + 8)..<(bytes.count + 8 + length))
                }
                bytes.append(contentsOf: file[place..<(place + 12 + length)])
            } else if kind == "eXIf" {
                if isSound { exif = Array(file[(place + 8)..<(place + 8 + length)]) }
            } else if ["tEXt", "zTXt", "iTXt"].contains(kind) {
                if isSound, rawProfile.isEmpty { rawProfile = Self.rawProfile(kind, file[(place + 8)..<(place + 8 + length)]) }
            } else if file[place + 4] & 0x20 == 0 {
                throw .unsupportedFormat(name: name, reason: "unknown critical PNG chunk \(kind)")
            }
            if kind == "IEND" { break }
            place += 12 + length
        }
        if exif.isEmpty { exif = exifBlock(ofRawProfile: rawProfile) }
        widenWindow()
    }

    /// Sets the window that the zlib header names to the largest: some writers name a smaller one than they use, and libpng then calls the
    /// picture damaged.
    ///
    /// Source: libpng's `pngfix`; zlib's format (RFC 1950): CINFO above CM in the first byte, both bytes together a multiple of 31.
    private mutating func widenWindow() {
        let places = zlibHeader.flatMap { $0.prefix(2) }.prefix(2)
        guard places.count == 2, let first = places.first, let second = places.last, bytes[first] & 0x0F == 8, bytes[first] >> 4 < 7,
            (Int(bytes[first]) << 8 | Int(bytes[second])) % 31 == 0
        else { return }
        bytes[first] = 0x78
        let flags = Int(bytes[second] & 0xE0)
        bytes[second] = UInt8(flags + (31 - (0x7800 + flags) % 31) % 31)
        for chunk in zlibHeader { seal(chunk) }
    }

    /// Writes a chunk's checksum anew.
    private mutating func seal(_ data: Range<Int>) {
        let checksum = Self.checksum(bytes, from: data.lowerBound - 4, to: data.upperBound)
        for byte in 0..<4 { bytes[data.upperBound + byte] = UInt8(truncatingIfNeeded: checksum >> (24 - 8 * byte)) }
    }

    /// The text "Raw profile type exif" of a text chunk; empty where the chunk has another, or it is damaged or above 1 MiB.
    private static func rawProfile(_ kind: String, _ data: ArraySlice<UInt8>) -> [UInt8] {
        let key = Array("Raw profile type exif".utf8) + [0]
        guard data.starts(with: key) else { return [] }
        var text = data.dropFirst(key.count), isPacked = kind == "zTXt"
        if kind == "iTXt" {
            // Whether it is compressed, how, and then the language and the key's translation, each ended by a zero.
            isPacked = text.first == 1
            text = text.dropFirst(2)
            for _ in 0..<2 { text = text.drop { $0 != 0 }.dropFirst() }
        } else if isPacked {
            text = text.dropFirst()
        }
        guard isPacked else { return Array(text) }
        let most = 1 << 20
        guard let unpacked = try? Inflater(Array(text), name: "").next(most), unpacked.count < most else { return [] }
        return unpacked
    }

    private mutating func readHeader(_ file: [UInt8], at place: Int, length: Int, name: String) throws(VisionError) {
        guard length == 13 else { throw .corrupt(name: name, reason: "the PNG header has \(length) bytes instead of 13") }
        try PixelImage.checkDimensions(width: Self.bigEndian(file, place), height: Self.bigEndian(file, place + 4), name: name)
        width = Self.bigEndian(file, place)
        height = Self.bigEndian(file, place + 4)
        bitDepth = file[place + 8]
        colorType = file[place + 9]
    }

    /// 16-bit grey with alpha has four bytes a pixel, as 8-bit RGBA has, and PNG's filters work on bytes:
    /// under that header libpng hands out the samples' bytes as they are.
    mutating func relabelGreyAlpha16() {
        bitDepth = 8
        colorType = 6
        bytes[24] = bitDepth
        bytes[25] = colorType
        seal(16..<29)
    }

    private static func bigEndian(_ file: [UInt8], _ place: Int) -> Int {
        Int(file[place]) << 24 | Int(file[place + 1]) << 16 | Int(file[place + 2]) << 8 | Int(file[place + 3])
    }

    private static func checksum(_ file: [UInt8], from start: Int, to end: Int) -> Int {
        file.withUnsafeBufferPointer { Int(crc32_z(0, $0.baseAddress.map { $0 + start }, end - start)) }
    }
}
