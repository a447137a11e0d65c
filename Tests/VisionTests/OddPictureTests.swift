import Foundation
import Testing
@testable import CurricleDatasets
@testable import CurricleVision

/// What tools/make_odd_fixtures.py wrote: Pillow 13's results for pictures as phones, cameras and old tools write them.
struct OddCases: Decodable {
    struct Picture: Decodable, CustomTestStringConvertible {
        let file: String, channels: Int, upright: Bool, width: Int, height: Int, hash: String
        var testDescription: String { "\(file) in \(channels)" }
    }
    struct Resize: Decodable {
        let height: Int, width: Int, channels: Int, seed: UInt32, toHeight: Int, toWidth: Int, hash: String, horizontalFirst: String
    }
    struct Evaluation: Decodable, CustomTestStringConvertible {
        let height: Int, width: Int, channels: Int, size: Int, resizeTo: Int, hash: String
        var testDescription: String { "\(height)×\(width) for \(size)" }
    }
    let decode: [Picture], damaged: [String], resize: [Resize], evaluation: [Evaluation]

    static let all: OddCases? = try? JSONDecoder().decode(OddCases.self, from: Data(Fixture.bytes("odd/odd.json")))
}

@Suite("Odd pictures") struct OddPictureTests {
    @Test("the cases are there")
    func casesAreThere() {
        #expect(
            OddCases.all?.decode.count == 42 && OddCases.all?.damaged.count == 3 && OddCases.all?.resize.count == 60
                && OddCases.all?.evaluation.count == 12)
    }

    /// Warnings of libjpeg that touch no pixel, zlib windows that are too small, orientations of every type, ImageMagick's profiles, grey
    /// and alpha.
    @Test("sound pictures are what Pillow makes of them", arguments: OddCases.all?.decode ?? [])
    func equalsPillow(_ one: OddCases.Picture) throws {
        let options = DecodeOptions(appliesOrientation: one.upright, channels: one.channels)
        let image = try decodeImage(bytes: Fixture.bytes("odd/" + one.file), name: one.file, options: options)
        #expect(image.width == one.width && image.height == one.height && image.channels == one.channels)
        #expect(String(fnv(image.pixels)) == one.hash)
    }

    @Test("behind a harmless warning damage is still found", arguments: OddCases.all?.damaged ?? [])
    func damageIsFound(_ name: String) {
        let found = error { () throws(VisionError) in try decodeImage(bytes: Fixture.bytes("odd/" + name), name: name) }
        switch found {
        case .corrupt, .truncated: break
        default: Issue.record("\(String(describing: found))")
        }
    }

    @Test("a picture in colour stays in colour where the model wants one channel, and one without alpha stays RGB")
    func otherChannels() throws {
        for (name, channels) in [("rgb.png", 1), ("420.jpg", 1), ("palette.png", 1), ("rgb.png", 4), ("grey.jpg", 4), ("lossy.webp", 4)] {
            let bytes = Fixture.bytes(name)
            #expect(
                try decodeImage(bytes: bytes, name: name, options: DecodeOptions(channels: channels))
                    == decodeImage(bytes: bytes, name: name))
        }
        // 16-bit grey keeps its high byte, in one channel as in three.
        let deep = Fixture.bytes("grey-16bit.png")
        #expect(try decodeImage(bytes: deep, name: "", options: DecodeOptions(channels: 1)) == decodeImage(bytes: deep, name: "").grey)
        #expect(try decodeImage(bytes: deep, name: "", options: DecodeOptions(channels: 1)).channels == 1)
    }

    @Test("a raw profile that is no hexadecimal is none, wherever it is cut or changed")
    func damagedProfiles() throws {
        let upright = DecodeOptions(appliesOrientation: true)
        let plain = try decodeImage(bytes: Fixture.bytes("odd/profile-not-hex.png"), name: "", options: upright)
        #expect(plain.width == 28 && plain.height == 20)
        let text = Array("\nexif\n      8\n4949".utf8)
        #expect(exifBlock(ofRawProfile: text) == [0x49, 0x49])
        for bad in ["", "\nexif", "\nexif\n 8\n494", "\nexif\n 8\n4g"] { #expect(exifBlock(ofRawProfile: Array(bad.utf8)) == []) }
    }

    @Test(
        "mending a stream never crashes, wherever it is cut or changed",
        arguments: ["adobe-9-and-scan.jpg", "progressive-bytes-between.jpg"])
    func mendingNeverCrashes(_ name: String) {
        let file = Fixture.bytes("odd/" + name)
        for length in 0..<file.count { _ = mendedJPEG(Array(file[..<length])) }
        for place in file.indices {
            for value in [0, 0xFF, file[place] ^ 0x5A] {
                var changed = file
                changed[place] = value
                _ = mendedJPEG(changed)
            }
        }
        #expect(mendedJPEG(Fixture.bytes("420.jpg")) == Fixture.bytes("420.jpg"))
    }

    @Test("resizes are Pillow 13's, and Pillow 12's where asked")
    func resizes() throws {
        let cases = try #require(OddCases.all?.resize)
        for one in cases {
            let image = noise(height: one.height, width: one.width, channels: one.channels, seed: one.seed), box = CropBox(whole: image)
            #expect(String(fnv(resizeBicubic(image, box: box, width: one.toWidth, height: one.toHeight).pixels)) == one.hash)
            #expect(
                String(fnv(resizeBicubic(image, box: box, width: one.toWidth, height: one.toHeight, order: .horizontalFirst).pixels))
                    == one.horizontalFirst)
        }
        #expect(cases.count { $0.hash != $0.horizontalFirst } == 30)
    }

    @Test("a part of a resize is that part of the whole, in either order of the passes")
    func parts() {
        for (height, width, channels) in [(50, 40, 3), (9, 31, 1), (70, 11, 4), (16, 16, 2), (20, 17, 6)] {
            let image = noise(height: height, width: width, channels: channels, seed: 4),
                box = CropBox(top: 1, left: 2, height: height - 1, width: width - 3)
            for (toHeight, toWidth) in [(20, 30), (height - 1, 24), (33, width - 3), (height - 1, width - 3)] {
                for order in [PassOrder.pillow13, .horizontalFirst] {
                    let whole = resizeBicubic(image, box: box, width: toWidth, height: toHeight, order: order)
                    for part in [
                        CropBox(top: 0, left: 0, height: 3, width: 2), CropBox(top: 2, left: 1, height: toHeight - 4, width: toWidth - 3),
                        CropBox(top: toHeight - 1, left: toWidth - 1, height: 1, width: 1)
                    ] {
                        let made = resizeBicubic(image, box: box, width: toWidth, height: toHeight, part: part, order: order)
                        let expected = (0..<part.height).flatMap { y in
                            (0..<(part.width * channels)).map { x in whole.pixels[((y + part.top) * toWidth + part.left) * channels + x] }
                        }
                        #expect(made.pixels == expected)
                    }
                }
            }
        }
    }

    @Test("evaluation's pixels are MAE's: at the model's size, above 224 pixels, and of needles", arguments: OddCases.all?.evaluation ?? [])
    func evaluation(_ one: OddCases.Evaluation) {
        let image = noise(height: one.height, width: one.width, channels: one.channels, seed: 7)
        #expect(evaluationResize(of: image, height: one.size, width: one.size) == one.resizeTo)
        let grid = PatchGrid(imageHeight: one.size, imageWidth: one.size, patchSize: 1, channels: one.channels)
        let pipeline = ImagePipeline(grid: grid, augmentation: .none, normalization: .imageNet, seed: 0, preprocessing: .reference)
        #expect(String(fnv(pipeline.prepared(image, epoch: 0, sample: 0).pixels)) == one.hash)
    }
}
