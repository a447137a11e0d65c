import Foundation
import CurricleGraph
import CurricleModels
import CurricleRunSupport
import CurricleTestSupport
import Testing
import CurricleVision
@testable import CurricleEngine
@testable import CurricleTrainer

struct CurriculumMicroscopeTests {
    private func reading(_ scores: [Float], order: [Int], images: Int) -> CurriculumMicroscope.Reading {
        CurriculumMicroscope.Reading(scores: scores, order: order, images: images, kept: 2, maskedError: 0.5, randomError: 0.25)
    }

    /// Two images of four patches, two kept: by hand.
    @Test("counts what scores say") func countsWhatScoresSay() {
        let r = reading([0.5, 0.999, 0.25, 0.001, 0.5, 0.5, 0.75, 0.25], order: [1, 0, 2, 3, 2, 0, 1, 3], images: 2)
        let quarter = 2 - 0.75 * log2(3.0)  // of ¼ and ¾
        let sure = -(0.999 * log2(0.999) + 0.001 * log2(0.001))
        #expect(abs(r.entropy - (3 + 3 * quarter + 2 * sure) / 8) < 1e-6)
        #expect(r.saturated == 0.25)
        #expect(r.maskDistance == 0.5)  // {0, 1} and {0, 2} share one of two
        #expect(r.keptShare == [1, 0.5, 0.5, 0])
        #expect(r.collapse == nil)
    }

    @Test("sees a collapse") func seesACollapse() {
        #expect(
            reading([0.9, 0.8, 0.1, 0.2, 0.9, 0.7, 0.1, 0.3], order: [0, 1, 3, 2, 0, 1, 3, 2], images: 2).collapse?.contains("same mask")
                == true)
        #expect(
            reading([0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25], order: [0, 1, 2, 3, 2, 3, 0, 1], images: 2).collapse?.contains(
                "equal") == true)
    }

    /// A run writes it down for each epoch, on images held out.
    @Test("is in the log") func isInTheLog() throws {
        let folder = try TemporaryFolder()
        let settings = PretrainSettings(
            model: ModelConfiguration(
                imageHeight: 12, imageWidth: 12, patchSize: 4, channels: 1, embedWidth: 16, depth: 1, heads: 2, decoderWidth: 16,
                decoderDepth: 1, decoderHeads: 2),
            step: StepOptions(), adamw: AdamW(), schedule: Schedule(epochs: 2, warmupEpochs: 1, learningRate: 1e-3), batchSize: 4,
            normalization: PixelNormalization(mean: [0.5], std: [0.25]))
        let training = try Pretraining(
            settings, source: GeneratedImages(count: 8), output: folder.file("run"), threads: 1, isa: .best,
            heldOut: GeneratedImages(count: 3))
        try training.begin(from: nil)
        #expect(try training.run() == .finished)
        let lines = try String(contentsOfFile: folder.file("run/log.jsonl"), encoding: .utf8).split(separator: "\n")
            .compactMap { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }.filter { $0["time_s"] != nil }
        #expect(lines.count == 2)
        for line in lines {
            let kept = try #require(line["kept_share"] as? [Double])
            #expect(kept.count == 9 && abs(kept.reduce(0, +) - 2) < 1e-9)  // int(9·0.25) kept of each
            for name in ["held_entropy", "held_saturated", "held_mask_distance", "held_masked_error", "held_random_error"] {
                #expect((line[name] as? Double)?.isFinite == true, "\(name)")
            }
        }
    }
}
