import Foundation
import CurricleTestSupport
import Testing
@testable import CurricleEngine
@testable import CurricleProofs
@testable import CurricleStorage

/// `photograph.safetensors` is Pillow's work: tools/make_augmentation_fixtures.py.
struct PhotographTests {
    @Test("pillows pictures are met") func pillowsPicturesAreMet() throws {
        let report = try Photograph(path: fixture("photograph.safetensors")).verify(image: fixture("photograph.jpg"))
        #expect(report.comparisons.map(\.kind) == ["pictures", "more than a level", "evaluation"])
        for comparison in report.comparisons {
            #expect(comparison.passes, "\(comparison.kind): \(comparison.worst) in \(comparison.worstTensor)")
        }
        #expect(report.comparisons[0].worst == 0 && report.comparisons[0].compared == 5)
        #expect(report.comparisons[2].compared == 3 * 28 * 28)
    }

    @Test("wrong pictures are refused", arguments: ["decoded", "crop0", "crop1", "crop2", "eval224"], [1, 3])
    func wrongPicturesAreRefused(tensor: String, change: Int) throws {
        let folder = try TemporaryFolder(), path = folder.file("wrong.safetensors")
        var bytes = try Data(contentsOf: URL(fileURLWithPath: fixture("photograph.safetensors")))
        let range = try TensorFile(path: fixture("photograph.safetensors")).entry(tensor).byteRange
        if tensor == "eval224" {
            // One number off by 2e-5: its byte is the same.
            let old = bytes[range.lowerBound..<(range.lowerBound + 4)].withUnsafeBytes { $0.loadUnaligned(as: Float.self) }
            withUnsafeBytes(of: old + 2e-5) { bytes.replaceSubrange(range.lowerBound..<(range.lowerBound + 4), with: $0) }
        } else {
            // One level everywhere is a match; three levels anywhere are none.
            for place in change == 1 ? range : range.lowerBound..<(range.lowerBound + 1) {
                bytes[place] = bytes[place] > 127 ? bytes[place] - UInt8(change) : bytes[place] + UInt8(change)
            }
        }
        try bytes.write(to: URL(fileURLWithPath: path))
        let report = try Photograph(path: path).verify(image: fixture("photograph.jpg"))
        #expect(report.passes == (change == 1 && tensor != "eval224"))
    }

    @Test("two levels in many places are refused") func twoLevelsInManyPlacesAreRefused() throws {
        let folder = try TemporaryFolder(), path = folder.file("wrong.safetensors")
        var bytes = try Data(contentsOf: URL(fileURLWithPath: fixture("photograph.safetensors")))
        for place in try TensorFile(path: fixture("photograph.safetensors")).entry("crop0").byteRange.prefix(5) {
            bytes[place] = bytes[place] > 127 ? bytes[place] - 2 : bytes[place] + 2
        }
        try bytes.write(to: URL(fileURLWithPath: path))
        #expect(!(try Photograph(path: path).verify(image: fixture("photograph.jpg")).passes))
    }

    @Test("other files are named") func otherFilesAreNamed() throws {
        #expect(
            Photograph.isMeant(by: fixture("photograph.safetensors")) && !Photograph.isMeant(by: fixture("micro.safetensors"))
                && !Photograph.isMeant(by: "/nowhere"))
        #expect(throws: LearningError.self) { try Photograph(path: fixture("micro.safetensors")) }
        // Another picture than the file's.
        let other = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
            "VisionTests/Fixtures/420.jpg"
        ).path
        #expect(throws: LearningError.self) { try Photograph(path: fixture("photograph.safetensors")).verify(image: other) }
    }
}
