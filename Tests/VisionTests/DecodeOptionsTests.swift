import Foundation
import Testing
@testable import CurricleDatasets
@testable import CurricleVision

/// What tools/make_augmentation_fixtures.py wrote: hashes of what Pillow and timm make of pictures that come from formulas.
struct AugmentationCases: Decodable {
    struct Decode: Decodable, CustomTestStringConvertible {
        let file: String, upright: Bool, background: String?, shortest: Int?, width: Int, height: Int, hash: String
        var testDescription: String { "\(file) upright \(upright) background \(background ?? "none") shortest \(shortest ?? 0)" }
    }
    struct Resize: Decodable {
        let seed: UInt32, height: Int, width: Int, channels: Int, top: Int, left: Int, boxHeight: Int, boxWidth: Int, toHeight: Int,
            toWidth: Int, hash: String
    }
    struct Operation: Decodable {
        let operation: String, kind: String, height: Int, width: Int, channels: Int, magnitude: Double, negative: Bool, resample: String,
            hash: String
    }
    struct Adjustment: Decodable { let adjustment: String, kind: String, factor: Double, hash: String }
    let decode: [Decode], resize: [Resize], operations: [Operation], adjustments: [Adjustment]

    static let all: AugmentationCases? = try? JSONDecoder().decode(AugmentationCases.self, from: Data(Fixture.bytes("augmentation.json")))
}

@Suite struct DecodeOptionsTests {
    @Test("equals Pillow", arguments: AugmentationCases.all?.decode ?? []) func equalsPillow(_ one: AugmentationCases.Decode) throws {
        let color = try one.background.map { try #require(BackgroundColor($0)) }
        let options = DecodeOptions(appliesOrientation: one.upright, background: color, fastDecode: one.shortest)
        let image = try decodeImage(bytes: Fixture.bytes(one.file), name: one.file, options: options)
        #expect(image.width == one.width && image.height == one.height && image.channels == 3)
        #expect(String(fnv(image.pixels)) == one.hash)
    }

    @Test("cases are there") func casesAreThere() { #expect(AugmentationCases.all?.decode.count == 87) }

    @Test("colors are read") func colorsAreRead() {
        #expect(
            BackgroundColor("white") == BackgroundColor("#ffffff") && BackgroundColor("black") == BackgroundColor(red: 0, green: 0, blue: 0)
        )
        #expect(BackgroundColor("#0a64FF") == BackgroundColor(red: 10, green: 100, blue: 255))
        #expect(BackgroundColor("#0a64FF")?.description == "#0a64ff")
        for text in ["", "#", "grey", "#fff", "#12345g", "#+12345", "123456", "#1234567"] {
            #expect(BackgroundColor(text) == nil, "\(text)")
        }
    }

    /// Damaged EXIF changes nothing, and never crashes.
    @Test("damaged orientation is none") func damagedOrientationIsNone() throws {
        let file = Fixture.bytes("orientation-6.jpg"), plain = try decodeImage(bytes: file, name: "plain")
        let turned = try decodeImage(bytes: file, name: "turned", options: DecodeOptions(appliesOrientation: true))
        #expect(turned.width == plain.height && turned.height == plain.width)
        let block = exifBlock(ofJPEG: file)
        #expect(orientation(ofEXIF: block) == 6 && orientation(ofEXIF: Array(block.dropFirst(6))) == 6)
        for length in 0..<block.count { #expect((1...8).contains(orientation(ofEXIF: Array(block[..<length])))) }
        for place in block.indices {
            var damaged = block
            for value in [0, 0xFF, damaged[place] ^ 0x5A] {
                damaged[place] = value
                #expect((1...8).contains(orientation(ofEXIF: damaged)))
            }
        }
        for length in 0..<file.count { _ = exifBlock(ofJPEG: Array(file[..<length])) }
    }

    // WebP

    @Test("every cut is an error", arguments: ["lossy.webp", "lossless.webp", "lossy-alpha.webp", "animated.webp", "orientation-5.webp"])
    func everyCutIsAnError(_ name: String) {
        let file = Fixture.bytes(name)
        #expect(file.count > 50)
        for length in 0..<file.count {
            let found = error { () throws(VisionError) in try decodeImage(bytes: Array(file[..<length]), name: name) }
            #expect(isOneLine(found) && found?.subject == name, "\(length) of \(file.count)")
        }
    }

    @Test(
        "damage never crashes",
        arguments: [
            "lossy.webp", "lossless-alpha.webp", "animated-alpha.webp", "orientation-5.webp", "palette-alpha.png", "orientation-6.jpg"
        ]) func damageNeverCrashes(_ name: String)
    {
        let file = Fixture.bytes(name), options = DecodeOptions(appliesOrientation: true, background: BackgroundColor("white"))
        for place in file.indices {
            var damaged = file
            for value in [0xFF, damaged[place] ^ 0x5A] {
                damaged[place] = value
                let found = error { () throws(VisionError) in try decodeImage(bytes: damaged, name: name, options: options) }
                #expect(found == nil || (isOneLine(found) && found?.subject == name), "byte \(place)")
            }
        }
    }

    /// A canvas of 16384 × 16384, in the extended header of an animation: refused before anything is allocated.
    @Test("huge web p is refused") func hugeWebPIsRefused() throws {
        var file = Fixture.bytes("animated.webp")
        let header = try #require((12..<(file.count - 18)).first { file[$0..<($0 + 4)].elementsEqual(Array("VP8X".utf8)) })
        file.replaceSubrange((header + 12)..<(header + 18), with: [0xFF, 0x3F, 0, 0xFF, 0x3F, 0])
        let found = error { () throws(VisionError) in try decodeImage(bytes: file, name: "bomb") }
        #expect(found == .badDimensions(name: "bomb", width: 16384, height: 16384))
    }

    @Test("folders hold web p") func foldersHoldWebP() throws {
        let folder = try TemporaryFolder()
        try folder.write("a.webp", Fixture.bytes("orientation-5.webp"))
        try folder.write("b.WEBP", Fixture.bytes("lossless-alpha.webp"))
        let options = DecodeOptions(appliesOrientation: true, background: BackgroundColor("#336699"))
        let source = try openDataset(at: folder.path, role: .train, decoding: options)
        #expect(source.count == 2)
        #expect(try source.image(at: 0).width == 13)
        #expect(try source.image(at: 1) == decodeImage(bytes: Fixture.bytes("lossless-alpha.webp"), name: "", options: options))
    }
}
