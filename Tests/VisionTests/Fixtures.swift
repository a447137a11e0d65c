import CurricleDatasets
import Foundation
import Testing
import CurricleVision

/// What tools/make_vision_fixtures.py wrote: Pillow's results.
struct Cases: Decodable {
    struct Decode: Decodable, CustomTestStringConvertible {
        let file: String, width: Int, height: Int, offset: Int
        var testDescription: String { file }
    }
    struct Resize: Decodable, CustomTestStringConvertible {
        let height: Int, width: Int, channels: Int, top: Int, left: Int, boxHeight: Int, boxWidth: Int, toHeight: Int, toWidth: Int,
            offset: Int
        var testDescription: String {
            "\(height)×\(width)×\(channels) box \(top),\(left) \(boxHeight)×\(boxWidth) to \(toHeight)×\(toWidth)"
        }
    }
    struct Evaluation: Decodable, CustomTestStringConvertible {
        let height: Int, width: Int, channels: Int, toHeight: Int, toWidth: Int, resizeTo: Int, offset: Int
        var testDescription: String { "\(height)×\(width) by \(resizeTo) to \(toHeight)×\(toWidth)" }
    }
    struct Box: Decodable { let top: Int, left: Int, height: Int, width: Int, flip: Int, size: Int }
    struct Flower: Decodable { let width: Int, height: Int, hash: String, boxes: [Box] }
    let decode: [Decode], resize: [Resize], evaluation: [Evaluation], flower: Flower
}

enum Fixture {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures")
    static func bytes(_ name: String) -> [UInt8] { (try? Data(contentsOf: folder.appendingPathComponent(name))).map { [UInt8]($0) } ?? [] }
    static let expected = bytes("expected.bin")
    static let cases: Cases? = try? JSONDecoder().decode(Cases.self, from: Data(bytes("cases.json")))
    static func pixels(_ offset: Int, _ count: Int) -> [UInt8] { Array(expected[offset..<(offset + count)]) }
}

/// The bytes `noise` of the script makes.
func noise(height: Int, width: Int, channels: Int, seed: UInt32 = 1) -> PixelImage {
    var state = seed
    let pixels = (0..<(height * width * channels)).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return UInt8(state >> 24)
    }
    return PixelImage(width: width, height: height, channels: channels, pixels: pixels)
}

func fnv(_ bytes: [UInt8]) -> UInt64 { bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 } }

/// A folder that goes away with the value.
final class TemporaryFolder {
    let path = NSTemporaryDirectory() + "/vision-" + UUID().uuidString

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }

    @discardableResult
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let url = URL(fileURLWithPath: path + "/" + name)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
        return path + "/" + name
    }

    func folder(_ name: String) throws {
        try FileManager.default.createDirectory(atPath: path + "/" + name, withIntermediateDirectories: true)
    }
}

func bigEndian(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }

/// An IDX images file of `count` images; pixel i of image n is (31 n + i) mod 256.
func indexImages(_ count: Int, rows: Int = 4, columns: Int = 5) -> [UInt8] {
    var file: [UInt8] = [0, 0, 8, 3] + bigEndian(count) + bigEndian(rows) + bigEndian(columns)
    for image in 0..<count { file += (0..<(rows * columns)).map { UInt8((31 * image + $0) % 256) } }
    return file
}

func indexLabels(_ labels: [UInt8]) -> [UInt8] { [0, 0, 8, 1] + bigEndian(labels.count) + labels }

/// The error a call throws, nil when it throws none.
func error<T>(_ body: () throws(VisionError) -> T) -> VisionError? {
    do throws(VisionError) {
        _ = try body()
        return nil
    } catch { return error }
}

/// One line, long enough to say something.
func isOneLine(_ error: VisionError?) -> Bool { error.map { !$0.description.contains("\n") && $0.description.count > 20 } ?? false }
