import Foundation
import Testing
@testable import CurricleDatasets
@testable import CurricleVision

/// What tools/make_dataset_fixtures.py wrote: the results of webdataset, tarfile, numpy and Pillow.
struct DatasetCases: Decodable {
    struct Shard: Decodable, CustomTestStringConvertible {
        struct Sample: Decodable { let name: String, offset: Int, size: Int, label: Int, level: UInt8 }
        let file: String, samples: [Sample]
        var testDescription: String { file }
    }
    struct Array: Decodable, CustomTestStringConvertible {
        let file: String, shape: [Int], bytes: [UInt8]
        var testDescription: String { file }
    }
    struct Resize: Decodable, CustomTestStringConvertible {
        let height: Int, width: Int, channels: Int, toHeight: Int, toWidth: Int, pixels: [UInt8]
        var testDescription: String { "\(height)×\(width)×\(channels) to \(toHeight)×\(toWidth)" }
    }
    let shards: [Shard], arrays: [Array], pictures: [Array], fortran: String, floats: String, resize: [Resize]

    static let all: DatasetCases? = try? JSONDecoder().decode(DatasetCases.self, from: Data(Fixture.bytes("datasets/datasets.json")))
    static func path(_ name: String) -> String { Fixture.folder.appendingPathComponent("datasets/\(name)").path }
}

/// Opens what must not open, or whose images must not read: the error, or nil when everything went well. Whatever is read has a sane size.
func firstError(_ path: String) -> VisionError? {
    error { () throws(VisionError) in
        let source = try openDataset(at: path, role: .train)
        for index in 0..<min(source.count, 1000) {
            let image = try source.image(at: index)
            #expect(image.pixels.count == image.width * image.height * image.channels)
        }
    }
}
