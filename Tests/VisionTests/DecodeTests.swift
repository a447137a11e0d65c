import Testing
@testable import CurricleDatasets
@testable import CurricleVision

@Suite struct DecodeTests {
    /// Kinds in which libpng's 16-to-8-bit scaling rounds where Pillow cuts: at most one level.
    static let rounded = ["rgba-16bit.png"]

    @Test("equals Pillow", arguments: Fixture.cases?.decode ?? []) func equalsPillow(_ kind: Cases.Decode) throws {
        let image = try decodeImage(bytes: Fixture.bytes(kind.file), name: kind.file)
        #expect(image.width == kind.width && image.height == kind.height && image.channels == 3)
        let expected = Fixture.pixels(kind.offset, kind.width * kind.height * 3)
        if Self.rounded.contains(kind.file) {
            #expect(zip(image.pixels, expected).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
        } else {
            #expect(image.pixels == expected)
        }
    }

    @Test("all kinds are there") func allKindsAreThere() { #expect((Fixture.cases?.decode.count ?? 0) == 32) }

    @Test("photograph equals golden") func photographEqualsGolden() throws {
        let flower = try #require(Fixture.cases?.flower)
        let image = try decodeImage(bytes: Fixture.bytes("flower.jpg"), name: "flower.jpg")
        #expect(image.width == flower.width && image.height == flower.height)
        #expect(String(fnv(image.pixels)) == flower.hash)
    }

    /// A file cut anywhere is an error, never a picture.
    @Test(
        "every cut is an error",
        arguments: [
            "420.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "rgb.png", "palette.png", "interlaced.png", "rgb-16bit.png",
            "grey-alpha-16bit.png"
        ])
    func everyCutIsAnError(_ name: String) {
        let file = Fixture.bytes(name)
        #expect(file.count > 100)
        for length in Array(stride(from: 0, to: file.count - 2, by: max(1, file.count / 150))) + [file.count - 2, file.count - 1] {
            let found = error { () throws(VisionError) in try decodeImage(bytes: Array(file[..<length]), name: name) }
            #expect(isOneLine(found) && found?.subject == name, "\(length) of \(file.count)")
        }
    }

    /// No byte flipped in a PNG's pixels passes its checksum, and nothing crashes whatever is changed.
    @Test("damage never crashes", arguments: ["420.jpg", "progressive.jpg", "rgb.png", "palette.png", "interlaced.png"])
    func damageNeverCrashes(_ name: String) {
        let file = Fixture.bytes(name)
        for place in file.indices {
            var damaged = file
            damaged[place] ^= 0x5A
            _ = error { () throws(VisionError) in try decodeImage(bytes: damaged, name: name) }
        }
        var damaged = Fixture.bytes("rgb.png")
        damaged[50] ^= 1
        let found = error { () throws(VisionError) in try decodeImage(bytes: damaged, name: "x") }
        #expect(found == .corrupt(name: "x", reason: "checksum of PNG chunk IDAT"))
    }

    @Test("huge headers are refused") func hugeHeadersAreRefused() throws {
        var png = Array(Fixture.bytes("rgb.png").prefix(33))
        png.replaceSubrange(16..<24, with: bigEndian(60000) + bigEndian(60000))
        png.replaceSubrange(29..<33, with: bigEndian(Int(checksum(Array(png[12..<29])))))
        var jpeg = Fixture.bytes("420.jpg")
        let frame = try #require(jpeg.indices.dropLast(9).first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
        jpeg.replaceSubrange((frame + 5)..<(frame + 9), with: [0xEA, 0x60, 0xEA, 0x60])
        for file in [png, jpeg] {
            let found = error { () throws(VisionError) in try decodeImage(bytes: file, name: "bomb") }
            #expect(found == .badDimensions(name: "bomb", width: 60000, height: 60000))
        }
        // Each side allowed, the area not.
        png.replaceSubrange(16..<24, with: bigEndian(16384) + bigEndian(16384))
        png.replaceSubrange(29..<33, with: bigEndian(Int(checksum(Array(png[12..<29])))))
        let found = error { () throws(VisionError) in try decodeImage(bytes: png, name: "bomb") }
        #expect(found == .badDimensions(name: "bomb", width: 16384, height: 16384))
    }

    /// libpng decodes by the first header, so a later, smaller one must not decide how much memory it writes to.
    @Test("a second header is refused") func aSecondHeaderIsRefused() throws {
        var file = Fixture.bytes("rgb.png")
        let header = Array(file[8..<33])  // length, IHDR, 13 bytes, checksum
        file.insert(contentsOf: header, at: file.count - 12)
        let error = #expect(throws: VisionError.self) { try decodeImage(bytes: file, name: "twice.png") }
        guard case .corrupt(_, let reason)? = error else {
            Issue.record("not corrupt: \(String(describing: error))")
            return
        }
        #expect(reason.contains("second"))
    }

    @Test("other formats are named") func otherFormatsAreNamed() {
        let gif = error { () throws(VisionError) in try decodeImage(bytes: Array("GIF89a....".utf8), name: "a.jpg") }
        #expect(gif == .foreignFile(path: "a.jpg", what: "a GIF picture", advice: "convert it to JPEG, PNG or WebP"))
        let unknown = error { () throws(VisionError) in try decodeImage(bytes: [1, 2, 3, 4], name: "a.jpg") }
        #expect(unknown == .unsupportedFormat(name: "a.jpg", reason: "is neither JPEG, PNG nor WebP by its first bytes"))
        let empty = error { () throws(VisionError) in try decodeImage(bytes: [], name: "a.jpg") }
        #expect(empty == .truncated(name: "a.jpg", reason: "the file is empty"))
        #expect(isOneLine(error { () throws(VisionError) in try loadImage(at: "/nowhere/a.png") }))
        #expect(isOneLine(error { () throws(VisionError) in try loadImage(at: "/dev/zero") }))
    }

    /// Garbage behind the stream does not matter, as with Pillow.
    @Test("trailing bytes are ignored", arguments: ["420.jpg", "rgb.png"]) func trailingBytesAreIgnored(_ name: String) throws {
        let file = Fixture.bytes(name)
        #expect(try decodeImage(bytes: file + [1, 2, 3], name: name) == decodeImage(bytes: file, name: name))
    }

    @Test("encoded PNG decodes", arguments: [1, 3]) func encodedPNGDecodes(_ channels: Int) throws {
        for (height, width) in [(1, 1), (7, 13), (200, 1), (64, 257)] {
            let image = noise(height: height, width: width, channels: channels)
            let decoded = try decodeImage(bytes: encodePNG(image), name: "own")
            #expect(decoded.width == width && decoded.height == height)
            #expect((0..<(width * height * 3)).allSatisfy { decoded.pixels[$0] == image.pixels[channels == 3 ? $0 : $0 / 3] })
        }
    }

    @Test("other channels are not encoded") func otherChannelsAreNotEncoded() {
        let found = error { () throws(VisionError) in try encodePNG(noise(height: 2, width: 2, channels: 4)) }
        #expect(found == .cannotEncode(reason: "the image has 4 channels"))
    }

    /// CRC-32 bit by bit.
    func checksum(_ bytes: [UInt8]) -> UInt32 {
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
        return ~crc
    }
}
