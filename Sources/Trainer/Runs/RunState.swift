import CurricleDistributed
import CurricleEngine
import Foundation
import CurricleGraph
import CurricleModels
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleVision
import CurricleWeights

/// What every run's settings have.
package protocol RunSettings: Sendable {
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
    /// Whether a masker has been a partner until then, and is none any more.
    func endsPartnership(after epochs: Int) -> Bool
}

extension RunSettings {
    /// `entries` as a JSON object, a line each.
    package var json: String {
        "{\n" + entries.map { "  \(LogValue.string($0.key).json): \($0.value.json)" }.joined(separator: ",\n") + "\n}\n"
    }
}

/// The files of a run: states that it resumes from, and weights for everybody else.
///
/// A state holds weights, moments and position in one safetensors file under the reference's names, with a CRC; the two
/// newest are kept. It is published whole or not at all, so a killed run always finds a good one.
package struct RunFiles: Sendable {
    package let folder: String
    /// Without the number of the format.
    private static let formats = "curricle-state/"
    package static let format = formats + "2"
    static let statesKept = 2

    package init(folder: String) { self.folder = folder }

    package var log: String { "\(folder)/log.jsonl" }
    package var configuration: String { "\(folder)/config.json" }
    package var model: String { "\(folder)/model.safetensors" }
    /// The weights of the best epoch of fine-tuning.
    package var best: String { "\(folder)/model-best.safetensors" }
    /// The weights at the end of the masker's time as a partner, whose scores say which patches matter most.
    package var partner: String { "\(folder)/partner.safetensors" }
    package var pictures: String { "\(folder)/pictures" }
    package func snapshot(epoch: Int) -> String { "\(folder)/checkpoint-\(epoch).safetensors" }
    package func state(step: Int) -> String { "\(folder)/state-\(String(format: "%09d", step)).safetensors" }

    /// Snapshots in the folder by the epochs they were taken after.
    /// - Throws: `FileError` where the folder cannot be listed.
    package var snapshots: [(epoch: Int, path: String)] {
        get throws(FileError) { try numbered("checkpoint").map { ($0.number, snapshot(epoch: $0.number)) } }
    }

    /// States in the folder, newest first.
    /// - Throws: `FileError` where the folder cannot be listed: no state is known then, which is not the same as none.
    package var states: [String] {
        get throws(FileError) { try numbered("state").reversed().map { "\(folder)/\($0.name)" } }
    }

    /// Files of the folder that this program names `KIND-NUMBER.safetensors`, by their numbers; a user's copies beside them are none.
    private func numbered(_ kind: String) throws(FileError) -> [(number: Int, name: String)] {
        let found: [String]
        do { found = try names(in: folder) } catch {
            if case .refused(_, _, code: ENOENT) = error { return [] }
            throw error
        }
        return found.compactMap { name in
            let digits = name.dropFirst(kind.count + 1).dropLast(".safetensors".count)
            guard let number = Int(digits), number >= 0 else { return nil }
            let path = kind == "state" ? state(step: number) : snapshot(epoch: number)
            return path == "\(folder)/\(name)" ? (number, name) : nil
        }.sorted { $0.number < $1.number }
    }

    /// Whether a command may begin a run in the folder, or go on with it: nothing of another run is written over.
    /// - Throws: `LearningError.file`, `FileError`.
    package func check(_ command: String, resumes: Bool) throws {
        func stands(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
        let states = try states
        for path in states {
            guard let state = try wholeState(path, verifyChecksum: false) else { continue }
            let maker = state.metadata["command"] ?? PretrainSettings.command
            guard maker == command else { throw LearningError.file(path: folder, reason: "holds a run of \(maker): choose another folder") }
            break
        }
        if resumes {
            guard !states.isEmpty || !stands(model) else {
                throw LearningError.file(path: folder, reason: "holds weights, but no state to go on from: choose another folder")
            }
        } else {
            guard states.isEmpty, ![log, configuration, model].contains(where: stands) else {
                throw LearningError.file(path: folder, reason: "holds a run already: go on with \(.resume), or choose another folder")
            }
        }
    }

    /// Keeps other processes from training in the folder, for as long as what is returned lives; makes the folder where there is none.
    /// - Throws: `LearningError.file` where another process trains in it, `FileError`.
    func lock() throws -> FileLock {
        try makeFolder(folder)
        do { return try FileLock(path: "\(folder)/.lock") } catch {
            guard case .busy = error else { throw error }
            throw LearningError.file(path: folder, reason: "another process is training in it: wait for its end, or choose another folder")
        }
    }

    /// Makes the folders, writes the settings, and clears away what an earlier run left of its log.
    /// - Parameter made: a folder in the run's, or that itself.
    /// - Throws: `LearningError.file`, `FileError`.
    package func begin(_ settings: some RunSettings, in made: String) throws {
        try makeFolder(made)
        try removeStaleTemporaries()
        try DurableFile.write(Array(settings.json.utf8), to: configuration)
        try StepLog.truncate(path: log, toStep: -1)
    }

    /// Publishes the state, then the weights.
    /// - Parameter shared: how ranks keep the moments; the others call ``lend(_:_:)`` meanwhile.
    /// - Throws: `TensorFileError`; what was there before stays.
    func save(
        _ position: RunPosition, _ settings: some RunSettings, _ memory: MemoryChoice?, _ images: RunImages, _ model: ModelRuntime,
        _ shared: SharedMoments?
    ) throws {
        var metadata = ["format": "pt", "curricle": RunFiles.format, "settings": settings.json, "command": type(of: settings).command]
        metadata["step"] = String(position.step)
        metadata["epoch"] = String(position.epoch)
        metadata["batch"] = String(position.batch)
        metadata["skipped"] = String(position.skipped)
        metadata["samples"] = String(images.count)
        metadata["names"] = images.names
        metadata["arithmetic"] = String(Arithmetic.number)
        metadata["epoch_means"] = WeightsFile.json(position.means)
        metadata["log_lines"] = String(position.logLines)
        metadata["best"] = LogValue.double(position.best).json
        metadata["memory"] = memory.map { WeightsFile.json($0) }
        for group in model.groups { metadata["updates.\(group.rawValue)"] = String(position.updates[group] ?? 0) }
        let moments: [WeightsFile.Source] = RunFiles.moments(of: model).map { name, parameter, memory in
            let values = {
                shared?.collect(parameter.parameter, of: memory)
                defer { shared?.release(parameter.parameter, of: memory) }
                return model.values(of: parameter, in: memory)
            }
            return (name, parameter.referenceShape, values)
        }
        try WeightsFile.write(WeightsFile.tensors(of: model) + moments, metadata: metadata, to: state(step: position.step))
        try saveWeights(settings, model, to: self.model)
    }

    /// Gives the first rank the moments that this one keeps, in the order in which it writes them.
    static func lend(_ shared: SharedMoments, _ model: ModelRuntime) {
        let moments = Dictionary(uniqueKeysWithValues: moments(of: model).map { ($0.name, ($0.parameter.parameter, $0.memory)) })
        for declaration in TensorFileWriter.ordered(moments.keys.map { .init(name: $0, shape: []) }) {
            if let (parameter, memory) = moments[declaration.name] { shared.collect(parameter, of: memory) }
        }
    }

    /// AdamW's moments under their names in states.
    private static func moments(of model: ModelRuntime) -> [(name: String, parameter: ModelParameter, memory: Memory)] {
        let both = [("optimizer.first", model.session.firstMoments), ("optimizer.second", model.session.secondMoments)]
        return both.flatMap { prefix, memory in
            memory.map { memory in model.parameters.all.map { ("\(prefix).\($0.parameter.name)", $0, memory) } } ?? []
        }
    }

    /// Removes states that are no longer needed.
    /// - Throws: `FileError`; nothing else is lost, and they go when the next state is kept.
    func removeOldStates() throws(FileError) {
        for old in try states.dropFirst(RunFiles.statesKept) where unlink(old) != 0 { throw .refused(.remove, path: old, code: errno) }
    }

    /// Files of weights that are made after so many epochs, and stay.
    func weightsKept(_ settings: some RunSettings, after epochs: Int) -> [String] {
        (settings.takesSnapshot(after: epochs) ? [snapshot(epoch: epochs)] : [])
            + (settings.endsPartnership(after: epochs) ? [partner] : [])
    }

    /// Weights alone, with what a reader must know of the model.
    func saveWeights(_ settings: some RunSettings, _ model: ModelRuntime, to path: String) throws {
        try WeightsFile.write(WeightsFile.tensors(of: model), metadata: settings.weightsMetadata, to: path)
    }

    /// Removes what killed writers of this folder left, pictures included.
    func removeStaleTemporaries() throws(FileError) {
        for folder in [folder, pictures] { try DurableFile.removeStaleTemporaries(in: folder) }
    }

    /// Publishes again what stands behind a state, which a kill may have kept from being written: weights and a due snapshot.
    func republish(_ position: RunPosition, _ settings: some RunSettings, _ model: ModelRuntime) throws {
        try saveWeights(settings, model, to: self.model)
        guard position.batch == 0 else { return }
        for path in weightsKept(settings, after: position.epoch) where !FileManager.default.fileExists(atPath: path) {
            try saveWeights(settings, model, to: path)
        }
    }

    /// How the newest whole state's run met a limit on memory.
    /// - Throws: `FileError`, `TensorFileError` where a state cannot be looked at.
    package var recordedChoice: MemoryChoice? {
        get throws {
            for path in try states {
                guard let file = try wholeState(path) else { continue }
                let choice = file.metadata["memory"].flatMap { try? JSONDecoder().decode(MemoryChoice.self, from: Data($0.utf8)) }
                return choice?.isPossible == true ? choice : nil
            }
            return nil
        }
    }

    /// A state, or nil where it is torn, which a power cut may leave.
    /// - Throws: `TensorFileError.file` where it cannot be read: what stands in it is not known then.
    private func wholeState(_ path: String, verifyChecksum: Bool = true) throws(TensorFileError) -> TensorFile? {
        do { return try TensorFile(path: path, verifyChecksum: verifyChecksum) } catch {
            if case .file = error { throw error }
            return nil
        }
    }

    /// Loads the newest state that is whole into the model. A torn one is passed over for the one before it.
    /// - Parameter passingOver: told of each torn state.
    /// - Returns: the position and the file it is from, or nil where there is no state.
    /// - Throws: `LearningError` where the state was made by other settings or other data, naming which, or where none is whole.
    func load(
        into model: ModelRuntime, _ settings: some RunSettings, _ images: RunImages, passingOver: (String) -> Void = { _ in }
    ) throws -> (position: RunPosition, path: String)? {
        let states = try states
        for path in states {
            if let file = try wholeState(path) { return (try load(file, into: model, settings, images), path) }
            passingOver(path)
        }
        guard let newest = states.first else { return nil }
        _ = try TensorFile(path: newest)  // says what is wrong with it
        return nil
    }

    /// More of anything than a run can have; numbers up to here can be counted on.
    private static let greatestCount = 1 << 53

    private func load(_ file: TensorFile, into model: ModelRuntime, _ settings: some RunSettings, _ images: RunImages) throws -> RunPosition
    {
        guard file.metadata["curricle"]?.hasPrefix(RunFiles.formats) == true else {
            throw LearningError.file(path: file.path, reason: "is not a state of a run")
        }
        try check(file, settings, images)
        func number(_ key: String) throws -> Int {
            guard let value = file.metadata[key].flatMap({ Int($0) }), (0...RunFiles.greatestCount).contains(value) else {
                throw LearningError.file(path: file.path, reason: "its metadata lacks a possible number '\(key)'")
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
        guard state(step: position.step) == file.path else {
            throw LearningError.file(
                path: file.path, reason: "is the state after \(position.step) steps under another's name: rename it, or move it away")
        }
        position.epoch = try number("epoch")
        position.batch = try number("batch")
        position.skipped = try number("skipped")
        position.logLines = try number("log_lines")
        position.best = try decoded("best", Double.self)
        position.means = try decoded("epoch_means", EpochMeans.self)
        for group in model.groups { position.updates[group] = try number("updates.\(group.rawValue)") }
        try WeightsFile.load(file, into: model)
        for (name, parameter, memory) in RunFiles.moments(of: model) {
            model.set(parameter, in: memory, try WeightsFile.values(file, name, parameter))
        }
        return position
    }

    /// Compares what decides the run's bits.
    private func check(_ file: TensorFile, _ settings: some RunSettings, _ images: RunImages) throws {
        let command = file.metadata["command"] ?? PretrainSettings.command
        guard command == type(of: settings).command else {
            throw LearningError.file(path: file.path, reason: "is a state of \(command): choose another folder")
        }
        // Format 1 recorded none: it is from before any change.
        let theirs = file.metadata["arithmetic"] ?? "1"
        guard theirs == String(Arithmetic.number) else {
            throw LearningError.file(
                path: file.path,
                reason: "was computed with arithmetic \(theirs), this version's is \(Arithmetic.number), and gives other bits: "
                    + "finish the run with the version that began it, or begin a new one from its model.safetensors")
        }
        let recorded = try? JSONSerialization.jsonObject(with: Data((file.metadata["settings"] ?? "").utf8)) as? [String: Any]
        let ours = try? JSONSerialization.jsonObject(with: Data(settings.json.utf8)) as? [String: Any]
        for key in Set((recorded ?? [:]).keys).union((ours ?? [:]).keys).sorted() {
            let (old, new) = (recorded?[key].map { "\($0)" }, ours?[key].map { "\($0)" })
            guard old == new else {
                throw LearningError.file(
                    path: file.path,
                    reason: "was made with \(key) \(old ?? "not given"), not \(new ?? "its default"): resume with the run's own settings")
            }
        }
        guard file.metadata["samples"] == String(images.count) else {
            throw LearningError.file(
                path: file.path, reason: "was made from \(file.metadata["samples"] ?? "?") images, but the data now has \(images.count)")
        }
        guard file.metadata["names"].map({ $0 == images.names }) ?? true else {
            throw LearningError.file(
                path: file.path,
                reason: "was made from as many images of other names: give back their names, or begin a new run from its model.safetensors")
        }
    }
}
