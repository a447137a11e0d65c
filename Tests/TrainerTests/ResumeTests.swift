import Foundation
import CurricleGraph
import CurricleModels
import CurricleRunSupport
import CurricleRuntime
import CurricleTestSupport
import Testing
import CurricleVision
@testable import CurricleEngine
@testable import CurricleStorage
@testable import CurricleTrainer
@testable import CurricleWeights

struct ResumeTests {
    private func settings(accumulation: Int = 1, masking: Masking = .learned, epochs: Int = 3) -> PretrainSettings {
        PretrainSettings(
            model: ModelConfiguration(
                imageHeight: 12, imageWidth: 12, patchSize: 4, channels: 1, embedWidth: 16, depth: 1, heads: 2, decoderWidth: 16,
                decoderDepth: 1, decoderHeads: 2),
            step: StepOptions(masking: masking), adamw: AdamW(), schedule: Schedule(epochs: epochs, warmupEpochs: 1, learningRate: 1e-3),
            batchSize: 4, accumulation: accumulation, augmentation: .mae, normalization: PixelNormalization(mean: [0.5], std: [0.25]),
            seed: 9)
    }

    /// Runs to the end or to `maxSteps`; returns the newest state's bytes.
    private func run(_ settings: PretrainSettings, _ folder: String, maxSteps: Int? = nil, resume: Bool, threads: Int = 2) throws -> Data {
        var settings = settings
        settings.maxSteps = maxSteps
        let training = try Pretraining(
            settings, source: GeneratedImages(count: 22), output: folder, threads: threads, isa: .best, resumes: resume)
        if !(try resume && training.resume()) { try training.begin(from: nil) }
        _ = try training.run()
        return try Data(contentsOf: URL(fileURLWithPath: try #require(try training.files.states.first)))
    }

    @Test("a resumed run ends in the same bits", arguments: [1, 2], [Masking.learned, .random])
    func aResumedRunEndsInTheSameBits(accumulation: Int, masking: Masking) throws {
        let folder = try TemporaryFolder()
        let settings = settings(accumulation: accumulation, masking: masking)
        let whole = try run(settings, folder.file("whole"), resume: false)
        // From the middle of an epoch, from its end, twice at one place; with other thread counts.
        for (i, stops) in [[1], [2, 5], [3, 6], [1, 1, 4]].enumerated() {
            let path = folder.file("cut\(i)")
            for (j, stop) in stops.enumerated() { _ = try run(settings, path, maxSteps: stop, resume: j > 0, threads: 1 + j) }
            #expect(try run(settings, path, resume: true, threads: 3) == whole)
            let logs = try ["whole", "cut\(i)"].map { try logWithoutTimes(folder.file("\($0)/log.jsonl")) }
            #expect(logs[0] == logs[1])
        }
    }

    /// What decides masks and the masker's work otherwise: each from its own key, or kept in the state.
    @Test("runs with other maskers and masks resume anywhere", arguments: MaskVariant.all, [1, 2])
    func variantsResume(_ variant: MaskVariant, accumulation: Int) throws {
        let folder = try TemporaryFolder()
        var settings = settings(accumulation: accumulation)
        variant.change(&settings)
        let whole = try run(settings, folder.file("whole"), resume: false)
        for stop in [1, 4] {
            let path = folder.file("cut\(stop)")
            _ = try run(settings, path, maxSteps: stop, resume: false)
            #expect(try run(settings, path, resume: true, threads: 1) == whole, "after \(stop)")
            let logs = try ["whole", "cut\(stop)"].map { try logWithoutTimes(folder.file("\($0)/log.jsonl")) }
            #expect(logs[0] == logs[1])
        }
    }

    /// A limit that the whole batch does not fit: the way it is met is recorded and kept, whatever resuming finds.
    @Test("a limit is met the same way after resuming") func aLimitIsMetTheSameWayAfterResuming() throws {
        let folder = try TemporaryFolder()
        var settings = settings()
        // A byte less than the plain plan takes, beside the hundredth that a limit keeps back.
        settings.memoryLimit = (try TrainingPlan(settings, threads: 2, isa: .best).residentBytes - 1) * 100 / 99
        let whole = try run(settings, folder.file("whole"), resume: false)
        let recorded = try #require(try RunFiles(folder: folder.file("whole")).recordedChoice)
        _ = try run(settings, folder.file("cut"), maxSteps: 4, resume: false)
        #expect(try RunFiles(folder: folder.file("cut")).recordedChoice == recorded)
        #expect(try run(settings, folder.file("cut"), resume: true, threads: 1) == whole)
    }

    /// Pieces of three images, batches of four, and two at the end of an epoch: resumed just before that smaller batch, too.
    @Test("pieces resume anywhere", arguments: [1, 2]) func piecesResumeAnywhere(accumulation: Int) throws {
        let folder = try TemporaryFolder()
        var settings = settings(accumulation: accumulation)
        settings.pieceImages = 3
        let whole = try run(settings, folder.file("whole"), resume: false)
        for stop in 1...6 {
            let path = folder.file("cut\(stop)")
            _ = try run(settings, path, maxSteps: stop, resume: false)
            #expect(try RunFiles(folder: path).recordedChoice?.pieceImages == 3)
            #expect(try run(settings, path, resume: true, threads: 1) == whole, "after \(stop)")
        }
    }

    @Test("a torn state is passed over") func aTornStateIsPassedOver() throws {
        let folder = try TemporaryFolder()
        let settings = settings()
        let whole = try run(settings, folder.file("whole"), resume: false)
        let path = folder.file("torn")
        _ = try run(settings, path, maxSteps: 7, resume: false)
        _ = try run(settings, path, maxSteps: 9, resume: true)
        let newest = try #require(try RunFiles(folder: path).states.first)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: newest))
        bytes[bytes.count - 5] ^= 1
        try bytes.write(to: URL(fileURLWithPath: newest))
        #expect(try run(settings, path, resume: true) == whole)
    }

    @Test("other settings are refused by name") func otherSettingsAreRefusedByName() throws {
        let folder = try TemporaryFolder()
        _ = try run(settings(), folder.file("run"), maxSteps: 2, resume: false)
        var other = settings()
        other.step.maskRatio = 0.5
        let training = try Pretraining(other, source: GeneratedImages(count: 22), output: folder.file("run"), threads: 1, isa: .best)
        let error = #expect(throws: LearningError.self) { try training.resume() }
        #expect(error?.description.contains("mask-ratio") == true)
        let moreData = try Pretraining(settings(), source: GeneratedImages(count: 23), output: folder.file("run"), threads: 1, isa: .best)
        let images = #expect(throws: LearningError.self) { try moreData.resume() }
        #expect(images?.description.contains("22 images") == true)
    }

    /// What a state was made with and the settings do not have is found too.
    @Test("settings that are missing are refused") func settingsThatAreMissingAreRefused() throws {
        let folder = try TemporaryFolder()
        var pieces = settings()
        pieces.pieceImages = 2
        _ = try run(pieces, folder.file("run"), maxSteps: 2, resume: false)
        let training = try Pretraining(settings(), source: GeneratedImages(count: 22), output: folder.file("run"), threads: 1, isa: .best)
        let error = #expect(throws: LearningError.self) { try training.resume() }
        #expect(error?.description.contains("micro-batch") == true)
    }

    /// The newest state of a run, kept again with other metadata.
    private func rewrite(_ run: String, _ change: (inout [String: String]) -> Void) throws {
        let state = try #require(try RunFiles(folder: run).states.first), file = try TensorFile(path: state)
        var metadata = file.metadata
        metadata["crc32c"] = nil
        change(&metadata)
        let tensors = try file.tensors.map { ($0.key, $0.value.shape, try file.floats($0.key)) }.map { entry in
            (entry.0, entry.1, { entry.2 })
        }
        try WeightsFile.write(tensors, metadata: metadata, to: state)
    }

    private func begun(_ path: String) throws -> Pretraining {
        try Pretraining(settings(), source: GeneratedImages(count: 22), output: path, threads: 1, isa: .best, resumes: true)
    }

    @Test("a state that was computed with another arithmetic is refused with what to do")
    func otherArithmetic() throws {
        let folder = try TemporaryFolder(), path = folder.file("run")
        _ = try run(settings(), path, maxSteps: 2, resume: false)
        try rewrite(path) { $0["arithmetic"] = "77" }
        let error = #expect(throws: LearningError.self) { try begun(path).resume() }
        #expect(error?.description.contains("arithmetic 77") == true && error?.description.contains("model.safetensors") == true)
    }

    @Test("a state of the first format, which recorded no arithmetic, is refused as the first's")
    func formerState() throws {
        let folder = try TemporaryFolder(), path = folder.file("run")
        _ = try run(settings(), path, maxSteps: 2, resume: false)
        try rewrite(path) { metadata in
            metadata["curricle"] = "curricle-state/1"
            for key in ["arithmetic", "epoch_means", "log_lines", "best"] { metadata[key] = nil }
        }
        let error = #expect(throws: LearningError.self) { try begun(path).resume() }
        #expect(error?.description.contains("arithmetic 1,") == true)
    }

    @Test("a user's copies beside the states are none: the newest state is gone on from, and copies stay")
    func copiesBeside() throws {
        let folder = try TemporaryFolder(), path = folder.file("run")
        let whole = try run(settings(), folder.file("whole"), resume: false)
        _ = try run(settings(), path, maxSteps: 3, resume: false)
        let first = try #require(try RunFiles(folder: path).states.first)
        let copies = [
            "state-backup.safetensors", "state-999999999-old.safetensors", "state-3.safetensors", "state-000000099.safetensors.bak",
            "xstate-000000099.safetensors"
        ]
        for copy in copies { try FileManager.default.copyItem(atPath: first, toPath: "\(path)/\(copy)") }
        #expect(try RunFiles(folder: path).states == [first])
        #expect(try run(settings(), path, resume: true) == whole)
        #expect(copies.allSatisfy { FileManager.default.fileExists(atPath: "\(path)/\($0)") })
    }

    @Test("a state under another step's name is refused by name")
    func renamedState() throws {
        let folder = try TemporaryFolder(), path = folder.file("run")
        _ = try run(settings(), path, maxSteps: 3, resume: false)
        let state = try #require(try RunFiles(folder: path).states.first)
        try FileManager.default.copyItem(atPath: state, toPath: "\(path)/state-000000017.safetensors")
        let error = #expect(throws: LearningError.self) { try begun(path).resume() }
        #expect(error?.description.contains("state-000000017.safetensors: is the state after 3 steps") == true)
    }

    @Test(
        "numbers that no run can have are refused, whatever the checksum says",
        arguments: ["step", "epoch", "batch", "log_lines", "updates.autoencoder"])
    func impossibleNumbers(key: String) throws {
        let folder = try TemporaryFolder(), path = folder.file("run")
        _ = try run(settings(), path, maxSteps: 3, resume: false)
        for number in ["9223372036854775807", "9223372036854775808", "-1", "9007199254740993"] {
            try rewrite(path) { $0[key] = number }
            #expect(throws: LearningError.self) { try begun(path).resume() }
        }
        try rewrite(path) { ($0["step"], $0["batch"]) = ("3", "7") }  // an epoch has 6
        #expect(throws: LearningError.self) { try begun(path).resume() }
    }

    @Test("a folder that cannot be listed is an error, not a run that has no state")
    func noListing() throws {
        let folder = try TemporaryFolder(), path = folder.file("run")
        try folder.write("run", [1])
        #expect(throws: FileError.refused(.list, path: path, code: ENOTDIR)) { _ = try RunFiles(folder: path).states }
        #expect(try RunFiles(folder: folder.file("absent")).states == [])
    }

    @Test("one run holds its folder: a second beginning or resuming is refused until the first ends")
    func oneAtATime() throws {
        let folder = try TemporaryFolder(), path = folder.file("run")
        let whole = try run(settings(), folder.file("whole"), resume: false)
        let first = try begun(path), second = try begun(path)
        try first.begin(from: nil)
        let attempts: [() throws -> Void] = [{ _ = try second.resume() }, { _ = try second.begin(from: nil) }]
        for attempt in attempts {
            let error = #expect(throws: LearningError.self) { try attempt() }
            #expect(error?.description.contains("another process is training in it") == true)
        }
        _ = try first.run()
        #expect(try Data(contentsOf: URL(fileURLWithPath: try #require(try first.files.states.first))) == whole)
        #expect(try second.resume())
    }

    @Test("temporaries of a killed run go when it is gone on with, in its pictures, too; a user's files stay")
    func killedTemporaries() throws {
        let folder = try TemporaryFolder(), path = folder.file("run")
        _ = try run(settings(), path, maxSteps: 3, resume: false)
        let stale = [".state-000000005.safetensors.tmp.0123456789abcdef", "pictures/.epoch-0007.png.tmp.00000000000000aa"]
        let kept = [".notes.tmp.mine", "pictures/mine.png", ".gitignore"]
        for name in stale + kept { try Data([1]).write(to: URL(fileURLWithPath: "\(path)/\(name)")) }
        #expect(try begun(path).resume())
        #expect(stale.allSatisfy { !FileManager.default.fileExists(atPath: "\(path)/\($0)") })
        #expect(kept.allSatisfy { FileManager.default.fileExists(atPath: "\(path)/\($0)") })
    }

    @Test("only two states are kept") func onlyTwoStatesAreKept() throws {
        let folder = try TemporaryFolder()
        var settings = settings()
        settings.saveEverySteps = 1
        _ = try run(settings, folder.file("run"), resume: false)
        #expect(try RunFiles(folder: folder.file("run")).states.count == 2)
        #expect(FileManager.default.fileExists(atPath: folder.file("run/model.safetensors")))
        #expect(FileManager.default.fileExists(atPath: folder.file("run/checkpoint-3.safetensors")))
    }

    /// Weights go out under the reference's names and shapes, and come back.
    @Test("weights round trip") func weightsRoundTrip() throws {
        let folder = try TemporaryFolder()
        _ = try run(settings(), folder.file("run"), maxSteps: 3, resume: false)
        let file = try TensorFile(path: folder.file("run/model.safetensors"))
        #expect(file.tensors["patch_embed.proj.weight"]?.shape == [16, 1, 4, 4])
        #expect(file.tensors["cls_token"]?.shape == [1, 1, 16])
        #expect(file.tensors["blocks.0.attn.qkv.weight"]?.shape == [48, 16])
        #expect(file.tensors["pos_embed"]?.shape == [1, 10, 16])
        #expect(file.tensors.keys.allSatisfy { !$0.hasPrefix("optimizer") })
        let description = try WeightsDescription(Checkpoint(file), heads: nil, imageHeight: nil, imageWidth: nil)
        #expect(description.model == settings().model)
        #expect(description.normalization == settings().normalization)
        let model = try ModelRuntime(description.model, trains: false, threads: 1, isa: .best)
        try WeightsFile.load(file, into: model)
        for parameter in model.parameters.all {
            #expect(model.values(of: parameter, in: model.session.parameters) == (try file.floats(parameter.parameter.name)))
        }
    }
}
