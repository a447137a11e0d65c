import CurricleCompiler
import CurricleDatasets
import Foundation
import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleRunSupport
import CurricleRuntime
import CurricleTensors
import CurricleTestSupport
import Testing
import CurricleVision
@testable import CurricleEngine
@testable import CurricleStorage
@testable import CurricleTrainer
@testable import CurricleWeights

/// Compiled programs as text, and the bits that a short training ends in, as they were when they were recorded: what only moves code moves
/// neither. They guard refactorings alone; whether the numbers are right, other tests say. To record them anew after a change that is
/// meant to change them: CURRICLE_RECORD=1 in the environment.
@Suite("Printed programs")
struct PrintedProgramTests {
    private static let micro = ModelConfiguration(
        imageHeight: 16, imageWidth: 16, patchSize: 4, embedWidth: 20, depth: 2, heads: 5,
        decoderWidth: 12, decoderDepth: 2, decoderHeads: 3, maskerDepth: 2, maskerHeads: 2, mlpRatio: 2)
    private static let oblong = ModelConfiguration(
        imageHeight: 20, imageWidth: 15, patchSize: 5, channels: 2, embedWidth: 24, depth: 2, heads: 3,
        decoderWidth: 20, decoderDepth: 1, decoderHeads: 2)

    /// Names that were changed since the programs were recorded: what is printed now, and what was printed then.
    /// What a run is given was addressed by segments of fixed names; each input has one of its own now.
    private static let renamed: [(now: String, then: String)] = [
        (" patches+0", " batch+0"), (" pixels+0", " batch+0"), (" curriculum+0", " scalars+0"), (" step+0", " scalars+64"),
        (" pixelScaleShift+0", " scalars+128")
    ]

    private struct Printed {
        let name: String
        let text: String
    }

    /// Every kind of program of a model.
    private static func programs(_ title: String, _ model: ModelConfiguration, images: Int) throws -> [Printed] {
        let step = StepOptions(normalizedTargets: true), adamw = AdamW(), now = Update.immediate(adamw)
        let piece = max(1, images * 2 / 3)
        let keys: [(String, ProgramKey)] = [
            ("step A", .autoencoder(images: images, step, now)),
            ("step A of plain pixels, random masks", .autoencoder(images: images, StepOptions(masking: .random), now)),
            ("step A examined", .autoencoder(images: images, step, nil, examined: true)),
            ("step A exposed", .autoencoder(images: images, step, .expose)),
            ("step A, first piece", .autoencoder(images: piece, step, .store(adding: false), weight: Float(piece) / Float(images))),
            ("step A, next piece", .autoencoder(images: piece, step, .store(adding: true), weight: Float(piece) / Float(images))),
            ("step B", .masker(images: images, step, now)),
            ("step B examined", .masker(images: images, step, nil, examined: true)),
            ("step B stored", .masker(images: images, step, .store(adding: false))),
            ("step B, scores of a piece", .scoring(images: piece, nil)),
            ("step B, errors of a piece", .maskerErrors(images: piece, step)),
            ("step B, losses", .maskerLosses(images: images, step)),
            ("step B, masker of a piece", .scoring(images: piece, .store(adding: false))),
            ("update of the masker", .update(.masker, adamw, clip: nil)),
            ("update of the autoencoder, clipped", .update(.autoencoder, adamw, clip: 0.5)),
            ("features", .features(images: images, [.cls, .mean])),
            ("features of pixels", .features(images: images, [.clsAndMean], fromPixels: true)),
            ("tokens", .features(images: images, [.tokens])),
            ("queries, keys and values", .queriesKeysValues(images: images, layer: 2))
        ]
        let layoutBound = try compile(model, .masker(images: images, step, now)).arenaBytes * 6 / 10
        var printed = try keys.map { Printed(name: "\(title): \($0.0)", text: text(try compile(model, $0.1))) }
        for (name, key) in [keys[0], keys[6]] {
            printed.append(Printed(name: "\(title): \(name), recomputed", text: text(try compile(model, key, arenaLimit: layoutBound))))
        }
        var classifier = model
        classifier.normalizesPooled = true
        let parts = ModelParameters.Parts.classifier(ClassifierShape(classes: 5, layerDecay: 0.75))
        let classifying: [(String, ProgramKey)] = [
            ("classifier", .classifier(images: images, dropsPaths: true, now)),
            ("classifier without drop path, stored", .classifier(images: images, dropsPaths: false, .store(adding: false))),
            ("classification", .classification(images: images)),
            ("update of the classifier, clipped", .update(.classifier, adamw, clip: 1))
        ]
        printed += try classifying.map { Printed(name: "\(title): \($0.0)", text: text(try compile(classifier, $0.1, parts: parts))) }
        return printed
    }

    private static func compile(
        _ model: ModelConfiguration, _ key: ProgramKey, parts: ModelParameters.Parts = .all, arenaLimit: Int? = nil
    ) throws -> Program {
        var pipeline = Pipeline()
        pipeline.guardBytes = 0  // debug builds leave some
        var programs = ModelPrograms(model, parts: parts, arenaLimit: arenaLimit, pipeline: pipeline)
        return try programs.compile(key)
    }

    private static func text(_ program: Program) -> String {
        renamed.reduce("\(program)\nFLOPs \(Int(program.flops))") { $0.replacingOccurrences(of: $1.now, with: $1.then) }
    }

    /// FNV-1a.
    private static func hash(_ bytes: some Sequence<UInt8>) -> String {
        String(bytes.reduce(14_695_981_039_346_656_037 as UInt64) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }, radix: 16)
    }

    /// Compares with the recorded text, or records it.
    private func expectRecorded(_ name: String, _ lines: [String]) throws {
        let path = fixture(name)
        if ProcessInfo.processInfo.environment["CURRICLE_RECORD"] == "1" {
            try (lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
        }
        let recorded = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        #expect(lines.count == recorded.count)
        for (number, (line, then)) in zip(lines, recorded).enumerated() where line != then {
            Issue.record("\(name), line \(number + 1): \(line)\nwas: \(then)")
            return
        }
    }

    @Test("a small model's programs are printed as they were recorded")
    func small() throws {
        let printed = try Self.programs("micro", Self.micro, images: 3)
        try expectRecorded("programs.txt", printed.flatMap { ["== \($0.name)"] + $0.text.split(separator: "\n").map(String.init) })
    }

    @Test("larger and oblong models' programs have the recorded hashes")
    func larger() throws {
        let tiny = try #require(ModelConfiguration.preset("tiny-p16")), base = try #require(ModelConfiguration.preset("base-p16"))
        let printed =
            try Self.programs("oblong", Self.oblong, images: 5) + Self.programs("tiny-p16", tiny, images: 16)
            + Self.programs("base-p16", base, images: 2)
        try expectRecorded("program-hashes.txt", printed.map { "\(Self.hash($0.text.utf8)) \($0.name)" })
    }

    /// Images that are a function of their index, in two classes.
    private struct Waves: ImageSource {
        let count: Int
        let classNames: [ByteName] = ["slow", "fast"]
        func label(at index: Int) -> Int? { index % 2 }
        func name(at index: Int) -> ByteName { "wave#\(index)" }
        func image(at index: Int) throws(VisionError) -> PixelImage {
            PixelImage(
                width: 20, height: 15, channels: 2,
                pixels: (0..<600).map { UInt8(truncatingIfNeeded: $0 * (index + 3) * (1 + index % 2) * 29 >> 3) })
        }
    }

    private func finalBits(_ model: ModelRuntime) -> String {
        Self.hash(
            model.parameters.all.flatMap { model.values(of: $0, in: model.session.parameters) }.flatMap { value in
                withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
            })
    }

    private func pretrained(_ folder: TemporaryFolder, _ name: String, change: (inout PretrainSettings) -> Void) throws -> Pretraining {
        var model = Self.oblong
        (model.imageHeight, model.imageWidth) = (15, 20)
        var settings = PretrainSettings(
            model: model, step: StepOptions(normalizedTargets: true), adamw: AdamW(),
            schedule: Schedule(epochs: 3, warmupEpochs: 1, learningRate: 2e-3),
            batchSize: 5, augmentation: .mae, normalization: PixelNormalization(mean: [0.5], std: [0.25]), seed: 13)
        change(&settings)
        let run = try Pretraining(settings, source: Waves(count: 23), output: folder.file(name), threads: 2, isa: .best)
        try run.begin(from: nil)
        #expect(try run.run() == .finished)
        return run
    }

    @Test(
        "short trainings end in the recorded bits", .enabled(if: ISA.best != .baseline, "without fused multiply-adds the bits are others"))
    func trainings() throws {
        let folder = try TemporaryFolder()
        let runs: [(String, (inout PretrainSettings) -> Void)] = [
            ("learned", { _ in }),
            ("random", { $0.step.masking = .random }),
            ("accumulated and clipped", { ($0.accumulation, $0.clip) = (2, 0.02) }),
            ("in pieces", { $0.pieceImages = 2 })
        ]
        var lines: [String] = []
        var weights = ""
        for (name, change) in runs {
            let run = try pretrained(folder, name, change: change)
            lines.append("\(finalBits(run.model)) pretrain, \(name)")
            weights = run.files.model
        }
        for accumulation in [1, 2] {
            var model = Self.oblong
            (model.imageHeight, model.imageWidth, model.normalizesPooled) = (15, 20, true)
            var settings = FinetuneSettings(
                model: model, classes: ["slow", "fast"], schedule: Schedule(epochs: 2, warmupEpochs: 1, learningRate: 3e-3), batchSize: 5,
                normalization: PixelNormalization(mean: [0.5], std: [0.25]))
            (settings.accumulation, settings.clip) = (accumulation, accumulation == 1 ? nil : 0.5)
            (settings.augmentation, settings.seed) = (.mae, 7)
            let run = try Finetuning(
                settings, training: Waves(count: 23), test: Waves(count: 8), output: folder.file("tuned \(accumulation)"), threads: 2,
                isa: .best)
            try run.begin(from: Checkpoint(path: weights))
            #expect(try run.run() == .finished)
            lines.append("\(finalBits(run.model)) finetune, accumulation \(accumulation)")
        }
        try expectRecorded("training-hashes.txt", lines)
    }
}
