import CurricleDatasets
import Foundation
import CurricleModels
import CurricleRuntime
import CurricleTestSupport
import Testing
import CurricleVision
@testable import CurricleFeatures

/// Features that timm and transformers computed for the fixtures.
struct ExpectedFeatures: Decodable {
    let cls: [Float]
    let mean: [Float]

    static func of(_ name: String) throws -> ExpectedFeatures {
        let data = try Data(contentsOf: URL(fileURLWithPath: checkpointFixture("features.json")))
        return try #require(try JSONDecoder().decode([String: ExpectedFeatures].self, from: data)[name])
    }
}

/// Our features of the fixtures' image, square or 48×40.
func features(_ weights: String, _ pool: Pooling, heads: Int? = 4, oblong: Bool = false) throws -> [Float] {
    let extractor = try FeatureExtractor(
        weights: weights, heads: heads, imageHeight: oblong ? 48 : nil, imageWidth: oblong ? 40 : nil, pool: pool, threads: 2, isa: .best)
    extractor.preprocessing = .none  // theirs are of these very pixels
    return try extractor.features(try openDataset(at: checkpointFixture(oblong ? "oblong" : "square"), role: .test), pool: pool)
}
