import CZlib

/// The chunks of a PNG file that decide its pixels, checked, in a form libpng decodes without changing any value.
///
/// Why not the file itself: libpng's simple interface (the one that reports errors without longjmp, which Swift cannot cross) applies gamma,
/// colour profiles and backgrounds. Pillow's `convert("RGB")` does not, so the chunks that ask for them are left out.
struct PNGStream {
    static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

    var width = 0
    var height = 0
    var bitDepth: UInt8 = 0
    var colorType: UInt8 = 0
    /// Signature, IHDR, PLTE, tRNS if it is kept, IDAT…, IEND.
    var bytes = PNGStream.signature
    /// The EXIF block; empty if there is none, or a damaged one.
    var exif: [UInt8] = []
    /// Whether a tRNS chunk was kept: colours or palette entries that are transparent.
    var hasTransparency = false

    var hasAlpha: Bool { colorType & 4 != 0 }

    /// - Parameter keepsTransparency: keeps the tRNS chunk too, for who asks libpng for alpha.
    init(_ file: [UInt8], keepsTransparency: Bool = false, name: String) throws(VisionError) {
        let kept = ["IHDR", "PLTE", "IDAT", "IEND"] + (keepsTransparency ? ["tRNS"] : [])
        var place = Self.signature.count
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
                bytes.append(contentsOf: file[place..<(place + 12 + length)])
            } else if kind == "eXIf" {
                if isSound { exif = Array(file[(place + 8)..<(place + 8 + length)]) }
            } else if file[place + 4] & 0x20 == 0 {
                throw .unsupportedFormat(name: name, reason: "unknown critical PNG chunk \(kind)")
            }
            if kind == "IEND" { return }
            place += 12 + length
        }
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
        let checksum = Self.checksum(bytes, from: 12, to: 29)
        for byte in 0..<4 { bytes[29 + byte] = UInt8(truncatingIfNeeded: checksum >> (24 - 8 * byte)) }
    }

    private static func bigEndian(_ file: [UInt8], _ place: Int) -> Int {
        Int(file[place]) << 24 | Int(file[place + 1]) << 16 | Int(file[place + 2]) << 8 | Int(file[place + 3])
    }

    private static func checksum(_ file: [UInt8], from start: Int, to end: Int) -> Int {
        file.withUnsafeBufferPointer { Int(crc32_z(0, $0.baseAddress.map { $0 + start }, end - start)) }
    }
}
