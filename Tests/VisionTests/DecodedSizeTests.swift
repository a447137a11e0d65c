import Foundation
import Testing
@testable import CurricleDatasets
@testable import CurricleVision

/// What an image takes is told by its header before it is decoded.
@Suite("Sizes by headers") struct DecodedSizeTests {
    private static let pictures: [String] = {
        let folder = Fixture.folder.path
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasSuffix(".jpg") || $0.hasSuffix(".png") || $0.hasSuffix(".webp") }.sorted()
    }()

    @Test("as much as the pixels are, or twice that for inks", arguments: pictures)
    func sizes(name: String) throws {
        let bytes = Fixture.bytes(name)
        guard let image = try? decodeImage(bytes: bytes, name: name) else { return }  // broken on purpose
        let told = try #require(decodedBytes(start: Array(bytes.prefix(1 << 16)), options: DecodeOptions()))
        #expect(told == image.width * image.height * (name.contains("cmyk") || name.contains("ycck") ? 7 : 3))
    }

    @Test("a folder, a tar and an array tell it too, through whatever stands around them")
    func sources() throws {
        let folder = try TemporaryFolder()
        for (name, file) in [("a/1.png", "rgb.png"), ("b/2.jpg", "444.jpg")] { try folder.write(name, Fixture.bytes(file)) }
        try folder.write("b/broken.png", Array(Fixture.bytes("rgb.png").prefix(20)))
        let source = try openDataset(at: folder.path, role: .train)
        for index in 0..<2 {
            let size = try #require(source.bytesToRead(at: index)), image = try source.image(at: index)
            #expect(size == image.pixels.count + Fixture.bytes(index == 0 ? "rgb.png" : "444.jpg").count)
        }
        #expect(source.bytesToRead(at: 2) == nil)
        #expect(ImageSelection(source, [1]).bytesToRead(at: 0) == source.bytesToRead(at: 1))
    }
}
