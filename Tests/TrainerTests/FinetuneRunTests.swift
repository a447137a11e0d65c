import CurricleDatasets
import Foundation
import CurricleGraph
import CurricleModels
import CurricleRunSupport
import CurricleRuntime
import CurricleTestSupport
import Testing
import CurricleVision
@testable import CurricleEngine
@testable import CurricleFeatures
@testable import CurricleTrainer
@testable import CurricleWeights

/// Bright and dark squares to tell apart: of class 1, the left half is the brighter one.
private struct Halves: ImageSource {
    let count: Int
    var classNames: [ByteName] { ["right", "left"] }
    /// Images that cannot be read.
    var broken: Set<Int> = []
    func label(at index: Int) -> Int? { index % 2 }
    func name(at index: Int) -> ByteName { "half#\(index)" }
    func image(at index: Int) throws(VisionError) -> PixelImage {
        if broken.contains(index) { throw .corrupt(name: "\(name(at: index))", reason: "as wanted") }
        return PixelImage(
            width: 12, height: 12, channels: 1,
            pixels: (0..<144).map { i in
                let noise = (i * 31 + index * 57) % 61
                return UInt8((i % 12 < 6) == (index % 2 == 1) ? 150 + noise : 60 + noise)
            })
    }
}

@Suite struct FinetuneRunTests {
    private let model = ModelConfiguration(
        imageHeight: 12, imageWidth: 12, patchSize: 4, channels: 1, embedWidth: 16, depth: 2, heads: 2, decoderWidth: 16, decoderDepth: 1,
        decoderHeads: 2)

    /// The weights of a pretraining run of no steps.
    private func pretrained(_ folder: TemporaryFolder, name: String = "pretrained") throws -> String {
        let settings = PretrainSettings(
            model: model, step: StepOptions(), adamw: AdamW(), schedule: Schedule(epochs: 1, warmupEpochs: 0, learningRate: 0),
            batchSize: 4,
            normalization: PixelNormalization(mean: [0.5], std: [0.25]), seed: 5)
        let run = try Pretraining(settings, source: GeneratedImages(count: 4), output: folder.file(name), threads: 1, isa: .best)
        try run.begin(from: nil)
        try run.files.saveWeights(settings, run.model, to: run.files.model)
        return run.files.model
    }

    private func settings(epochs: Int = 3, accumulation: Int = 1) -> FinetuneSettings {
        var model = model
        model.normalizesPooled = true
        var settings = FinetuneSettings(
            model: model, classes: ["right", "left"], schedule: Schedule(epochs: epochs, warmupEpochs: 1, learningRate: 3e-3), batchSize: 5,
            normalization: PixelNormalization(mean: [0.5], std: [0.25]))
        settings.accumulation = accumulation
        settings.augmentation = .mae
        settings.seed = 7
        return settings
    }

    private func run(
        _ settings: FinetuneSettings, _ weights: String, _ folder: String, maxSteps: Int? = nil, resume: Bool = false, threads: Int = 2
    ) throws -> Finetuning {
        var settings = settings
        settings.maxSteps = maxSteps
        let tuning = try Finetuning(
            settings, training: Halves(count: 23), test: Halves(count: 8), output: folder, threads: threads, isa: .best)
        if !(try resume && tuning.resume()) { try tuning.begin(from: Checkpoint(path: weights)) }
        _ = try tuning.run()
        return tuning
    }

    @Test("a resumed run ends in the same bits", arguments: [1, 2])
    func aResumedRunEndsInTheSameBits(accumulation: Int) throws {
        let folder = try TemporaryFolder(), weights = try pretrained(folder), settings = settings(accumulation: accumulation)
        let whole = try run(settings, weights, folder.file("whole"))
        for stop in [1, 3, 4] {
            let path = folder.file("cut \(stop)")
            _ = try run(settings, weights, path, maxSteps: stop)
            let resumed = try run(settings, weights, path, resume: true, threads: 3)
            #expect(
                try Data(contentsOf: URL(filePath: #require(resumed.files).model))
                    == Data(contentsOf: URL(filePath: #require(whole.files).model)), "stopped after \(stop)")
            #expect(try logWithoutTimes(#require(resumed.files).log) == logWithoutTimes(#require(whole.files).log))
            #expect(resumed.best == whole.best)
        }
        let other = #expect(throws: LearningError.self) {
            var changed = settings
            changed.layerDecay = 0.9
            _ = try run(changed, weights, folder.file("whole"), resume: true)
        }
        #expect("\(try #require(other))".contains("layer-decay"))
    }

    @Test("learns what can be told") func learnsWhatCanBeTold() throws {
        let folder = try TemporaryFolder(), weights = try pretrained(folder)
        var settings = settings(epochs: 12)
        settings.augmentation = .none
        settings.mixing.mixup = 0
        settings.mixing.cutmix = 0
        let tuning = try run(settings, weights, folder.file("run"))
        #expect(try tuning.score().top1 == 1)
        let files = try #require(tuning.files)

        // What it leaves is a checkpoint: read again, it says the same of the images, with no part begun afresh.
        let again = try Finetuning(
            settings, training: Halves(count: 23), test: Halves(count: 8), output: folder.file("again"), threads: 1, isa: .best)
        #expect(try again.begin(from: Checkpoint(path: files.model)).isEmpty)
        #expect(try again.score().top1 == 1)
        #expect(abs(try again.score().loss - tuning.score().loss) < 1e-4)
        // And its encoder gives features, by the norm that was trained with the mean.
        let extractor = try FeatureExtractor(weights: files.model, threads: 1, isa: .best)
        #expect(extractor.description.model.normalizesPooled == true)
        #expect(try extractor.features(Halves(count: 3), pool: .mean).count == 3 * 16)
    }

    /// A test image that cannot be read is told of and left out; where that must not be, the epoch's work is kept.
    @Test("broken test images") func brokenTestImages() throws {
        let folder = try TemporaryFolder(), weights = try pretrained(folder)
        var settings = settings(epochs: 2)
        let lenient = try Finetuning(
            settings, training: Halves(count: 12), test: Halves(count: 8, broken: [3]), output: nil, threads: 1, isa: .best)
        var told: [String] = []
        lenient.report = { told.append($0) }
        try lenient.begin(from: Checkpoint(path: weights))
        #expect(try lenient.run() == .finished)
        #expect(told.count == 1 && told[0].contains("half#3"))  // once a run

        settings.strict = true
        let strict = try Finetuning(
            settings, training: Halves(count: 12), test: Halves(count: 8, broken: [3]), output: folder.file("strict"), threads: 1,
            isa: .best)
        try strict.begin(from: Checkpoint(path: weights))
        #expect(throws: VisionError.self) { try strict.run() }
        let mended = try Finetuning(
            settings, training: Halves(count: 12), test: Halves(count: 8), output: folder.file("strict"), threads: 1, isa: .best)
        #expect(try mended.resume() && mended.position.step == 3 && mended.position.batch == 3)
        #expect(try mended.run() == .finished)
    }

    @Test("weights that compute no numbers are not judged") func weightsThatComputeNoNumbersAreNotJudged() throws {
        let folder = try TemporaryFolder(), weights = try pretrained(folder)
        let tuning = try Finetuning(settings(), training: Halves(count: 12), test: Halves(count: 8), output: nil, threads: 1, isa: .best)
        try tuning.begin(from: Checkpoint(path: weights))
        let head = try #require(tuning.model.parameters["head.bias"])
        tuning.model.set(head, in: tuning.model.session.parameters, [.nan, 0])
        let error = #expect(throws: LearningError.self) { try tuning.score() }
        #expect(error?.isFailedCheck == true)
    }

    /// Whatever decides what is computed, or what the classes mean, must be as it was.
    @Test("resuming takes nothing else") func resumingTakesNothingElse() throws {
        let folder = try TemporaryFolder(), weights = try pretrained(folder), settings = settings()
        _ = try run(settings, weights, folder.file("run"), maxSteps: 2)
        var heads = settings, names = settings, decoding = settings
        heads.model.heads = 4
        names.classes = ["left", "right"]
        decoding.decoding.appliesOrientation = true
        for (changed, key) in [(heads, "num-heads"), (names, "class-names"), (decoding, "apply-orientation")] {
            let error = #expect(throws: LearningError.self) { _ = try run(changed, weights, folder.file("run"), resume: true) }
            #expect("\(try #require(error))".contains(key))
        }
    }

    @Test("a folder belongs to its run") func aFolderBelongsToItsRun() throws {
        let folder = try TemporaryFolder(), weights = try pretrained(folder), tuned = folder.file("tuned")
        _ = try run(settings(), weights, tuned, maxSteps: 1)
        try RunFiles(folder: tuned).check(FinetuneSettings.command, resumes: true)
        try RunFiles(folder: folder.file("new")).check(FinetuneSettings.command, resumes: false)
        for (path, command, resumes, reason) in [
            (tuned, "finetune", false, "holds a run already"), (tuned, "pretrain", true, "a run of finetune"),
            (tuned, "pretrain", false, "a run of finetune"),
            (folder.file("pretrained"), "finetune", false, "holds a run already"),
            (folder.file("pretrained"), "finetune", true, "no state to go on from")
        ] {
            let error = #expect(throws: LearningError.self) { try RunFiles(folder: path).check(command, resumes: resumes) }
            #expect("\(try #require(error))".contains(reason))
        }
    }

    @Test("features go with their own labels, and broken images have none")
    func labelsGoWithFeatures() throws {
        let folder = try TemporaryFolder(), extractor = try FeatureExtractor(weights: pretrained(folder), threads: 1, isa: .best)
        for pool in [Pooling.mean, .pixels] {
            var told: [String] = []
            let sound = try extractor.labelled(Halves(count: 20), pool: pool, batchSize: 6)
            let judged = try extractor.labelled(
                Halves(count: 20, broken: [4, 5, 6, 7, 8, 9, 10, 11, 17]), pool: pool, batchSize: 6, report: { told.append($0) })
            #expect(told.count == 9 && told[0].contains("half#4"))
            let kept = [0, 1, 2, 3, 12, 13, 14, 15, 16, 18, 19], width = sound.width
            #expect(judged.count == 11 && judged.labels == kept.map { $0 % 2 })
            #expect(judged.features == kept.flatMap { sound.features[($0 * width)..<(($0 + 1) * width)] })
        }
        #expect(throws: VisionError.self) { try extractor.labelled(Halves(count: 9, broken: [4]), pool: .mean, strict: true) }
        let none = #expect(throws: VisionError.self) { try extractor.labelled(Halves(count: 9, broken: Set(0..<9)), pool: .mean) }
        guard case .noReadableImage(9, _)? = none else { Issue.record("\(String(describing: none))"); return }
    }

    @Test("of 20 test images with 2 broken ones 18 are judged, by kNN, by the watch and by the classifier")
    func brokenImagesAreNotJudged() throws {
        let folder = try TemporaryFolder(), weights = try pretrained(folder),
            extractor = try FeatureExtractor(weights: weights, threads: 1, isa: .best)
        let training = try extractor.labelled(Halves(count: 20, broken: [0]), pool: .cls),
            test = try extractor.labelled(Halves(count: 20, broken: [3, 19]), pool: .cls)
        #expect(training.count == 19 && test.count == 18)
        let watch = try FeatureWatch(training: Halves(count: 20, broken: [0]), test: Halves(count: 20, broken: [3, 19]))
        let reading = try #require(try watch.look(extractor.model, extractor.description.normalization))
        #expect(reading.images == 18 && reading.known == 19)
        #expect(try reading.cls == NearestNeighbours(training: training, k: 5).accuracy(on: test).top1)
        let tuning = try Finetuning(
            settings(), training: Halves(count: 23), test: Halves(count: 20, broken: [3, 19]), output: nil, threads: 1, isa: .best)
        try tuning.begin(from: Checkpoint(path: weights))
        var told: [String] = []
        tuning.report = { told.append($0) }
        #expect(try tuning.score().images == 18 && tuning.score().images == 18)
        #expect(told.count == 2)
    }

    @Test("says what is new") func saysWhatIsNew() throws {
        let folder = try TemporaryFolder(), weights = try pretrained(folder)
        let tuning = try Finetuning(
            settings(), training: Halves(count: 23), test: Halves(count: 8), output: folder.file("run"), threads: 1, isa: .best)
        #expect(try Set(tuning.begin(from: Checkpoint(path: weights))) == ["fc_norm.weight", "fc_norm.bias", "head.weight", "head.bias"])
    }

    @Test("refuses what cannot be") func refusesWhatCannotBe() throws {
        let folder = try TemporaryFolder(), weights = try pretrained(folder)
        #expect(throws: LearningError.self) {  // no labels
            try Finetuning(
                settings(), training: GeneratedImages(count: 8), test: Halves(count: 8), output: folder.file("a"), threads: 1, isa: .best)
        }
        var wide = settings()
        wide.model.embedWidth = 32
        let error = #expect(throws: LearningError.self) {
            try Finetuning(wide, training: Halves(count: 8), test: Halves(count: 8), output: folder.file("b"), threads: 1, isa: .best)
                .begin(from: Checkpoint(path: weights))
        }
        #expect("\(try #require(error))".contains("has shape"))
        var late = settings()
        late.schedule.warmupEpochs = 3
        #expect(late.problem != nil)
    }
}
