import CurricleModels
import Testing
@testable import CurricleProofs

struct LeastWorkTests {
    /// GFLOP per image of a joint iteration, from an independent count of the same mathematics.
    @Test(
        "counts what the mathematics needs", arguments: [("tiny-p16", 3.19, 8.33), ("small-p16", 13.97, 31.44), ("base-p16", 69.43, 129.43)]
    )
    func countsWhatTheMathematicsNeeds(preset: String, a: Double, b: Double) throws {
        let work = LeastWork(try #require(ModelConfiguration.preset(preset)), maskRatio: 0.75)
        #expect(abs(work.stepA * 1e-9 - a) < 0.006)
        #expect(abs(work.stepB * 1e-9 - b) < 0.006)
    }

    /// A ViT-Tiny of 197 tokens by hand: 2·196·768·192 + 12 blocks of 24·197·192² + 4·197²·192.
    @Test("features by hand") func featuresByHand() throws {
        let d = 192.0, t = 197.0
        let expected = 2 * 196 * 768 * d + 12 * (24 * t * d * d + 4 * t * t * d)
        #expect(abs(LeastWork.features(try #require(ModelConfiguration.preset("tiny-p16"))) / expected - 1) < 1e-12)
    }
}
