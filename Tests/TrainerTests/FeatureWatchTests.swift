import CurricleDatasets
import Foundation
import CurricleGraph
import CurricleModels
import CurricleRunSupport
import CurricleRuntime
import CurricleSettings
import CurricleTestSupport
import Testing
import CurricleVision
@testable import CurricleEngine
@testable import CurricleFeatures
@testable import CurricleTrainer

struct FeatureWatchTests {
    private func epochs(_ run: String) throws -> [[String: Any]] {
        try String(contentsOfFile: run + "/log.jsonl", encoding: .utf8).split(separator: "\n")
            .compactMap { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }.filter { $0["time_s"] != nil }
    }

    /// The log has what the evaluation finds for the snapshot of that epoch, in every second epoch and the last.
    @Test("is what the saved weights give", arguments: [Masking.learned, .random]) func isWhatTheSavedWeightsGive(masking: Masking) throws {
        let folder = try TemporaryFolder(), run = folder.file("run")
        #expect(try LabelledRun.begin(LabelledRun.settings(epochs: 5, masking: masking), run, threads: 2).run() == .finished)
        let lines = try epochs(run)
        #expect(lines.map { $0["knn_cls"] != nil } == [false, true, false, true, true])
        var accuracies: Set<Double> = []
        for epoch in [2, 4, 5] {
            let extractor = try FeatureExtractor(weights: "\(run)/checkpoint-\(epoch).safetensors", threads: 1, isa: .best)
            for (pool, key) in [(Pooling.cls, "knn_cls"), (.mean, "knn_mean")] {
                let neighbours = try NearestNeighbours(training: extractor.labelled(LabelledRun.training, pool: pool), k: 5)
                let expected = try neighbours.accuracy(on: extractor.labelled(ImageSelection(LabelledRun.test, most: 160), pool: pool)).top1
                #expect(lines[epoch - 1][key] as? Double == expected)
                accuracies.insert(expected)
            }
        }
        let events = try #require(FileManager.default.contentsOfDirectory(atPath: run).first { $0.hasPrefix("events") })
        let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(run)/\(events)"))
        for tag in ["eval/knn_cls", "eval/knn_mean"] { #expect(bytes.range(of: Data(tag.utf8)) != nil) }
        #expect(accuracies.count > 1 && !accuracies.contains(0) && !accuracies.contains(1), "\(accuracies)")
    }

    /// It changes nothing of what is learned, and a run that was stopped anywhere, also while judging, ends in the same bits and lines.
    @Test("training and resuming stay the same") func trainingAndResumingStayTheSame() throws {
        let folder = try TemporaryFolder(), settings = LabelledRun.settings(epochs: 3)
        func weights(_ run: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: "\(folder.file(run))/model.safetensors")) }
        #expect(try LabelledRun.begin(settings, folder.file("whole"), threads: 2).run() == .finished)
        #expect(try LabelledRun.begin(LabelledRun.settings(epochs: 3, knnEpochs: 0), folder.file("plain"), threads: 2).run() == .finished)
        #expect(try weights("whole") == weights("plain"))
        let expected = try logWithoutTimes(folder.file("whole/log.jsonl"))

        for (i, stop) in [1, 3, 5, 6].enumerated() {
            var cut = settings
            cut.maxSteps = stop
            _ = try LabelledRun.begin(cut, folder.file("cut\(i)"), threads: 1).run()
            #expect(try LabelledRun.begin(settings, folder.file("cut\(i)"), threads: 2, resumes: true).run() == .finished)
            #expect(try weights("cut\(i)") == weights("whole") && logWithoutTimes(folder.file("cut\(i)/log.jsonl")) == expected)
        }
        var told: [Int] = []
        let training = try LabelledRun.begin(settings, folder.file("judging"), threads: 2)
        #expect(
            try training.run(isInterrupted: { !told.isEmpty }, judging: { epoch, done, total in told += [epoch, done, total] })
                == .interrupted)
        #expect(told.prefix(3) == [2, 64, 310])
        #expect(try epochs(folder.file("judging")).count == 1)
        #expect(try LabelledRun.begin(settings, folder.file("judging"), threads: 1, resumes: true).run() == .finished)
        #expect(try weights("judging") == weights("whole") && logWithoutTimes(folder.file("judging/log.jsonl")) == expected)
    }

    @Test("the arena does not grow") func theArenaDoesNotGrow() throws {
        let folder = try TemporaryFolder()
        var sizes: [Int] = []
        for knnEpochs in [0, 1] {
            let training = try LabelledRun.begin(
                LabelledRun.settings(epochs: 2, knnEpochs: knnEpochs), folder.file("run\(knnEpochs)"), threads: 2)
            _ = try training.run()
            sizes.append(training.model.session.arenaBytes)
        }
        #expect(sizes[0] == sizes[1])
    }

    /// What watching takes is in the plan: features of every image twice over, at least.
    @Test("its memory is planned") func itsMemoryIsPlanned() throws {
        let settings = LabelledRun.settings(epochs: 2), plain = try TrainingPlan(settings, threads: 2, isa: .best)
        let watched = try TrainingPlan(settings, threads: 2, isa: .best, data: DataMemory(judgedImages: 10_000))
        #expect(watched.arenaBytes == plain.arenaBytes)
        #expect(watched.residentBytes - plain.residentBytes >= 2 * 10_000 * 16 * 4 + 3 * 64 * 9 * 16 * 4)
        let limit = plain.residentBytes + plain.residentBytes / 50
        #expect(throws: Never.self) { try TrainingPlan(settings, threads: 2, isa: .best, memoryLimit: limit) }
        #expect(throws: LearningError.self) {
            try TrainingPlan(settings, threads: 2, isa: .best, memoryLimit: limit, data: DataMemory(judgedImages: 10_000))
        }
    }

    @Test("what it needs is said") func whatItNeedsIsSaid() throws {
        let good = LabelledImages(count: 20)
        for (training, test, word) in [
            (LabelledImages(count: 20, labels: false), good, "give knn-train PATH"),
            (good, LabelledImages(count: 20, labels: false), "and knn-test PATH"),
            (LabelledImages(count: 4), good, "at least 5")
        ] {
            let error = #expect(throws: LearningError.self) { try FeatureWatch(training: training, test: test) }
            #expect(error?.description.contains(word) == true, "\(String(describing: error))")
        }
        let none = #expect(throws: LearningError.self) {
            try Pretraining(LabelledRun.settings(epochs: 2), source: good, output: "/nowhere", threads: 1, isa: .best)
        }
        #expect(none?.description.contains("knn-every needs labelled images") == true)
    }

    /// Every class of a folder sorted by class is in a part of it.
    @Test("a part is spread over the whole") func aPartIsSpreadOverTheWhole() {
        let source = LabelledImages(count: 1000), part = ImageSelection(source, most: 7)
        #expect((0..<part.count).map { part.name(at: $0) } == [0, 142, 285, 428, 571, 714, 857].map { "labelled#\($0)" })
        #expect(ImageSelection(source, most: 5000).count == 1000)
    }
}
