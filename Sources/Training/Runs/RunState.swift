import Engine
import Foundation
import Graph
import Models
import Runtime
import Settings
import Storage
import Vision
import Weights

/// What every run's settings have.
public protocol RunSettings: Sendable {
    /// The command that makes such runs.
    static var command: String { get }
    /// The settings that decide the run's bits, under the command's option names: `config.json`, and what a state records.
    var entries: [(key: String, value: LogValue)] { get }
    /// What a reader of the weights must know.
    var weightsMetadata: [String: String] { get }
    var schedule: Schedule { get }
    /// Ends the run after so many steps in all; nil for the schedule's end.
    var maxSteps: Int? { get }
    /// Steps between states, beside the one at each epoch's end; 0 for none.
    var saveEverySteps: Int { get }
    /// Whether weights are kept for good after so many epochs.
    func takesSnapshot(after epochs: Int) -> Bool
}

extension RunSettings {
    /// `entries` as a JSON object, a line each.
    public var json: String {
        "{\n" + entries.map { "  \(LogValue.string($0.key).json): \($0.value.json)" }.joined(separator: ",\n") + "\n}\n"
    }
}

/// The files of a run: states that it resumes from, and weights for everybody else.
///
/// A state holds weights, moments and position in one safetensors file under the reference's names, with a CRC; the two
/// newest are kept. It is published whole or not at all, so a killed run always finds a good one.
public struct RunFiles: Sendable {
    public let folder: String
    package static let format = "curricle-state/2"
    private static let formats = "curricle-state/"
    static let statesKept = 2

    public init(folder: String) { self.folder = folder }

    public var log: String { "\(folder)/log.jsonl" }
    public var configuration: String { "\(folder)/config.json" }
    public var model: String { "\(folder)/model.safetensors" }
    /// The weights of the best epoch of fine-tuning.
    public var best: String { "\(folder)/model-best.safetensors" }
    public var pictures: String { "\(folder)/pictures" }
    package func snapshot(epoch: Int) -> String { "\(folder)/checkpoint-\(epoch).safetensors" }
    package func state(step: Int) -> String { "\(folder)/state-\(String(format: "%09d", step)).safetensors" }

    /// Snapshots in the folder by the epochs they were taken after.
    package var snapshots: [(epoch: Int, path: String)] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.compactMap { name -> Int? in
            guard name.hasPrefix("checkpoint-"), name.hasSuffix(".safetensors") else { return nil }
            return Int(name.dropFirst("checkpoint-".count).dropLast(".safetensors".count)).flatMap { $0 > 0 ? $0 : nil }
        }.sorted().map { ($0, snapshot(epoch: $0)) }
    }

    /// States in the folder, newest first.
    public var states: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasPrefix("state-") && $0.hasSuffix(".safetensors") }.sorted(by: >).map { "\(folder)/\($0)" }
    }

    /// Whether a command may begin a run in the folder, or go on with it: nothing of another run is written over.
    /// - Throws: `LearningError.file`.
    public func check(_ command: String, resumes: Bool) throws {
        func stands(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
        let recorded = states.lazy.compactMap { try? TensorFile(path: $0).metadata }.first
        if let maker = recorded.map({ $0["command"] ?? PretrainSettings.command }), maker != command {
            throw LearningError.file(path: folder, reason: "holds a run of \(maker): choose another folder")
        }
        if resumes {
            guard !states.isEmpty || !stands(model) else { throw LearningError.file(path: folder, reason: "holds weights, but no state to go on from: choose another folder") }
        } else {
            guard states.isEmpty, ![log, configuration, model].contains(where: stands) else {
                throw LearningError.file(path: folder, reason: "holds a run already: go on with \(.resume), or choose another folder")
            }
        }
    }

    /// Makes a folder, the run's own or one in it, writes the settings, and clears away what an earlier run left of its log.
    /// - Throws: `LearningError.file`, `FileError`.
    package func begin(_ settings: some RunSettings, in made: String) throws {
        do { try FileManager.default.createDirectory(atPath: made, withIntermediateDirectories: true) } catch {
            throw LearningError.file(path: folder, reason: "cannot be made a folder: \(error.localizedDescription)")
        }
        try removeStaleTemporaries()
        try DurableFile.write(Array(settings.json.utf8), to: configuration)
        try StepLog.truncate(path: log, toStep: -1)
    }

    /// Publishes the state, then the weights, then removes states that are no longer needed.
    /// - Throws: `TensorFileError`; what was there before stays.
    package func save(_ position: RunPosition, _ settings: some RunSettings, _ memory: MemoryChoice?, samples: Int, _ model: ModelRuntime) throws {
        var metadata = ["format": "pt", "curricle": RunFiles.format, "settings": settings.json, "command": type(of: settings).command]
        metadata["step"] = String(position.step)
        metadata["epoch"] = String(position.epoch)
        metadata["batch"] = String(position.batch)
        metadata["skipped"] = String(position.skipped)
        metadata["samples"] = String(samples)
        metadata["arithmetic"] = String(Arithmetic.number)
        metadata["epoch_means"] = WeightsFile.json(position.means)
        metadata["log_lines"] = String(position.logLines)
        metadata["best"] = LogValue.double(position.best).json
        metadata["memory"] = memory.map { WeightsFile.json($0) }
        for group in model.groups { metadata["updates.\(group.rawValue)"] = String(position.updates[group] ?? 0) }
        var tensors = WeightsFile.tensors(of: model)
        if let first = model.session.firstMoments, let second = model.session.secondMoments {
            for parameter in model.parameters.all {
                tensors.append(("optimizer.first.\(parameter.parameter.name)", parameter.referenceShape, { model.values(of: parameter, in: first) }))
                tensors.append(("optimizer.second.\(parameter.parameter.name)", parameter.referenceShape, { model.values(of: parameter, in: second) }))
            }
        }
        try WeightsFile.write(tensors, metadata: metadata, to: state(step: position.step))
        try saveWeights(settings, model, to: self.model)
        for old in states.dropFirst(RunFiles.statesKept) { unlink(old) }
    }

    /// Weights alone, with what a reader must know of the model.
    func saveWeights(_ settings: some RunSettings, _ model: ModelRuntime, to path: String) throws {
        try WeightsFile.write(WeightsFile.tensors(of: model), metadata: settings.weightsMetadata, to: path)
    }

    /// Removes what killed writers of this folder left.
    public func removeStaleTemporaries() throws {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name.hasPrefix(".") {
            guard let end = name.range(of: ".tmp.") else { continue }
            _ = try DurableFile.removeStaleTemporaries(of: "\(folder)/\(name[name.index(after: name.startIndex)..<end.lowerBound])")
        }
    }

    /// Publishes again what stands behind a state, which a kill may have kept from being written: weights and a due snapshot.
    func republish(_ position: RunPosition, _ settings: some RunSettings, _ model: ModelRuntime) throws {
        try saveWeights(settings, model, to: self.model)
        let snapshot = snapshot(epoch: position.epoch)
        if position.batch == 0, settings.takesSnapshot(after: position.epoch), !FileManager.default.fileExists(atPath: snapshot) {
            try saveWeights(settings, model, to: snapshot)
        }
    }

    /// How the newest state's run met a limit on memory.
    public var recordedChoice: MemoryChoice? {
        for path in states {
            guard let file = try? TensorFile(path: path) else { continue }
            let choice = file.metadata["memory"].flatMap { try? JSONDecoder().decode(MemoryChoice.self, from: Data($0.utf8)) }
            return choice?.isPossible == true ? choice : nil
        }
        return nil
    }

    /// Loads the newest state that is whole into the model. A torn one is passed over for the one before it.
    /// - Returns: the position and the file it is from, or nil where there is no state.
    /// - Throws: `LearningError` where the state was made by other settings or other data, naming which.
    package func load(into model: ModelRuntime, _ settings: some RunSettings, samples: Int) throws -> (position: RunPosition, path: String)? {
        var lastError: (any Error)?
        for path in states {
            let file: TensorFile
            do { file = try TensorFile(path: path, verifyChecksum: true) } catch {
                lastError = error
                continue
            }
            return (try load(file, into: model, settings, samples: samples), path)
        }
        if let lastError { throw lastError }
        return nil
    }

    private func load(_ file: TensorFile, into model: ModelRuntime, _ settings: some RunSettings, samples: Int) throws -> RunPosition {
        guard file.metadata["curricle"]?.hasPrefix(RunFiles.formats) == true else {
            throw LearningError.file(path: file.path, reason: "is not a state of a run")
        }
        try check(file, settings, samples)
        func number(_ key: String) throws -> Int {
            guard let value = file.metadata[key].flatMap({ Int($0) }), value >= 0 else {
                throw LearningError.file(path: file.path, reason: "its metadata lacks a number '\(key)'")
            }
            return value
        }
        func decoded<Value: Decodable>(_ key: String, _ type: Value.Type) throws -> Value {
            guard let text = file.metadata[key], let value = try? JSONDecoder().decode(type, from: Data(text.utf8)) else {
                throw LearningError.file(path: file.path, reason: "its metadata lacks '\(key)'")
            }
            return value
        }
        var position = RunPosition()
        position.step = try number("step")
        position.epoch = try number("epoch")
        position.batch = try number("batch")
        position.skipped = try number("skipped")
        position.logLines = try number("log_lines")
        position.best = try decoded("best", Double.self)
        position.means = try decoded("epoch_means", EpochMeans.self)
        for group in model.groups { position.updates[group] = try number("updates.\(group.rawValue)") }
        try WeightsFile.load(file, into: model)
        for parameter in model.parameters.all {
            for (prefix, memory) in [("optimizer.first", model.session.firstMoments), ("optimizer.second", model.session.secondMoments)] {
                guard let memory else { continue }
                model.set(parameter, in: memory, try WeightsFile.values(file, "\(prefix).\(parameter.parameter.name)", parameter))
            }
        }
        return position
    }

    /// Compares what decides the run's bits.
    private func check(_ file: TensorFile, _ settings: some RunSettings, _ samples: Int) throws {
        let command = file.metadata["command"] ?? PretrainSettings.command
        guard command == type(of: settings).command else { throw LearningError.file(path: file.path, reason: "is a state of \(command): choose another folder") }
        // Format 1 recorded none: it is from before any change.
        let theirs = file.metadata["arithmetic"] ?? "1"
        guard theirs == String(Arithmetic.number) else {
            throw LearningError.file(
                path: file.path, reason: "was computed with arithmetic \(theirs), this version's is \(Arithmetic.number), and gives other bits: "
                    + "finish the run with the version that began it, or begin a new one from its model.safetensors")
        }
        let recorded = try? JSONSerialization.jsonObject(with: Data((file.metadata["settings"] ?? "").utf8)) as? [String: Any]
        let ours = try? JSONSerialization.jsonObject(with: Data(settings.json.utf8)) as? [String: Any]
        for key in Set((recorded ?? [:]).keys).union((ours ?? [:]).keys).sorted() {
            let (old, new) = (recorded?[key].map { "\($0)" }, ours?[key].map { "\($0)" })
            guard old == new else {
                throw LearningError.file(path: file.path, reason: "was made with \(key) \(old ?? "not given"), not \(new ?? "its default"): resume with the run's own settings")
            }
        }
        guard file.metadata["samples"] == String(samples) else {
            throw LearningError.file(path: file.path, reason: "was made from \(file.metadata["samples"] ?? "?") images, but the data now has \(samples)")
        }
    }
}
