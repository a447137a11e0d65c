import Foundation
import Testing

struct StatsTests {
    @Test("prints the options that pretrain takes") func printsTheOptionsThatPretrainTakes() throws {
        let folder = try Folder()
        // Two grey images of 2×2 in the IDX format: 0 0 0 0 and 255 255 0 0.
        let header: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2]
        let path = try folder.write("images", header + [0, 0, 0, 0, 255, 255, 0, 0])
        let text = try curricle("stats", path)
        #expect(
            text.code == 0 && text.output.hasPrefix("2 of 2 images, 8 pixels\n") && text.output.hasSuffix("--mean 0.25 --std 0.4330127\n"),
            "\(text.output) \(text.errors)")
        let json =
            try JSONSerialization.jsonObject(with: Data(try curricle("stats", path, "--json", "--limit", "1").output.utf8))
            as? [String: Any]
        // The middle one of two is the second.
        #expect(
            json?["images"] as? Int == 1 && json?["mean"] as? [Double] == [0.5] && json?["std"] as? [Double] == [0.5]
                && json?["broken"] as? Int == 0)
    }

    @Test("broken images are named") func brokenImagesAreNamed() throws {
        let folder = try Folder()
        let broken = try folder.write("data/broken.png", [1, 2, 3])
        let alone = try curricle("stats", folder.file("data"))
        #expect(alone.code == 2 && alone.lastError.contains(broken))
        let header = Array("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 5)}".utf8)
        _ = try folder.write(
            "data/five.npy", [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, UInt8(header.count), 0] + header + [0, 51, 102, 153, 255])
        let result = try curricle("stats", folder.file("data"))
        #expect(
            result.code == 0 && result.errors.contains("left out: \(broken)")
                && result.output.hasPrefix("1 of 2 images, 1 pixels; 1 broken"))
        #expect(result.output.hasSuffix("--mean 0.0,0.2,0.4,0.6,1.0 --std 1.0,1.0,1.0,1.0,1.0\n"), "\(result.output)")
    }

    @Test("help has an example") func helpHasAnExample() throws {
        let help = try curricle("stats", "--help")
        #expect(help.code == 0 && help.output.contains("--limit N") && help.output.contains("curricle stats photos --limit 10000"))
        #expect(try curricle("stats").code == 2)
        #expect(try curricle("stats", "/nowhere/at/all").lastError.contains("/nowhere/at/all: no such file"))
    }
}
