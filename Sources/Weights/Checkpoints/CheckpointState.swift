import CurricleEngine
import CurricleModels
import CurricleSettings
import CurricleStorage

/// A model in a file: where its state dict stands (`state_dict`; nil for the file itself), and what stands before its tensors' names.
///
/// Trainers keep several beside each other (a teacher, an average of the weights), below keys of the file or prefixes of names, or both.
struct CheckpointState: Equatable {
    let state: String?
    let prefix: String

    /// How `--weights-key` names it: `teacher.backbone`; empty where nothing stands before the names.
    var key: String {
        ([state].compactMap { $0 } + [CheckpointState.cleaned(prefix)].filter { !$0.isEmpty }).joined(separator: ".")
    }

    /// Whether these are an average of a model's weights over its training, by one of the names that trainers give it.
    var isAverage: Bool { key.split(separator: ".").contains { CheckpointState.averages.contains(String($0)) } }
    private static let averages: Set = [
        "state_dict_ema", "model_ema", "ema", "ema_model", "ema_state_dict", "module_ema", "params_ema", "model_state_dict_ema", "ema_state"
    ]

    /// What wrappers of PyTorch put before every name: DistributedDataParallel, torch.compile.
    private static let wrappers = ["module", "_orig_mod"]

    /// A prefix without its wrappers and its last dot.
    private static func cleaned(_ prefix: String) -> String {
        prefix.split(separator: ".").map(String.init).filter { !wrappers.contains($0) }.joined(separator: ".")
    }

    /// The vision transformers of a file, in the order of its states and names.
    static func all(in source: any TensorSource) -> [CheckpointState] {
        var found: [CheckpointState] = []
        for (state, names) in (source as? PyTorchFile)?.states ?? [(nil, source.names)] {
            for name in names.sorted() {
                for ending in ["patch_embed.proj.weight", HuggingFaceNames.patchWeight] where name.hasSuffix(ending) {
                    var prefix = String(name.dropLast(ending.count))
                    // Hugging Face's own, which its names are read with.
                    if ending == HuggingFaceNames.patchWeight, prefix == "vit." || prefix.hasSuffix(".vit.") {
                        prefix = String(prefix.dropLast(4))
                    }
                    if prefix.isEmpty || prefix.hasSuffix(".") { found.append(CheckpointState(state: state, prefix: prefix)) }
                }
            }
        }
        return found
    }

    /// The model that is meant, and what is to be said of the choice.
    /// - Parameter key: its ``key``, or the beginning of one that no other begins with; nil for the only one there is. Of a model and its
    ///   average the average is taken, as timm's loader does.
    /// - Parameter isRequired: whether a file without any is refused; else the whole of it is taken.
    /// - Throws: `LearningError.file` where none or several fit.
    static func choose(in source: any TensorSource, key: String?, isRequired: Bool) throws -> (chosen: CheckpointState, note: Message?) {
        let all = all(in: source)
        func listed(_ states: [CheckpointState]) -> String {
            states.map { $0.key.isEmpty ? "(the file itself)" : $0.key }.joined(separator: ", ")
        }
        if let key {
            let exact = all.filter { $0.key == key }, begun = all.filter { $0.key.hasPrefix("\(key).") },
                fitting = exact.isEmpty ? begun : exact
            if fitting.count == 1 { return (fitting[0], nil) }
            let reason: Message =
                all.isEmpty
                ? "holds no vision transformer"
                : "holds \(fitting.isEmpty ? "no" : "more than one") vision transformer under \(.weightsKey, key); there are: "
                    + "\(listed(all))"
            throw LearningError.file(path: source.path, reason: reason)
        }
        if all.count == 1 { return (all[0], nil) }
        guard !all.isEmpty else {
            if !isRequired { return (CheckpointState(state: (source as? PyTorchFile)?.stateKey, prefix: ""), nil) }
            let wanted = "patch_embed.proj.weight nor …\(HuggingFaceNames.patchWeight)", held = (source as? PyTorchFile)?.outline ?? ""
            throw LearningError.file(path: source.path, reason: "holds no vision transformer: it has neither \(wanted)\(held)")
        }
        let averages = all.filter(\.isAverage)
        if averages.count == 1, all.count == 2, let plain = all.first(where: { !$0.isAverage }) {
            let other = plain.key.isEmpty ? "the weights themselves are" : "\(plain.key) is"
            let remedy: Message = plain.key.isEmpty ? "" : " (\(.weightsKey, plain.key) takes it)"
            return (averages[0], "\(source.path): \(averages[0].key) was read, the average over training; \(other) left\(remedy)")
        }
        throw LearningError.file(path: source.path, reason: "holds several vision transformers: give \(.weightsKey), one of \(listed(all))")
    }
}

/// The tensors of a source whose names begin alike, without that beginning; what wrappers put before other names goes, too.
struct PrefixedSource: TensorSource {
    private let source: any TensorSource
    private let given: [String: String]

    init(_ source: any TensorSource, prefix: String) {
        self.source = source
        given = Dictionary(source.names.filter { $0.hasPrefix(prefix) }.map { (String($0.dropFirst(prefix.count)), $0) }) { first, _ in
            first
        }
    }

    var path: String { source.path }
    var metadata: [String: String] { source.metadata }
    var names: [String] { given.keys.sorted() }
    func shape(of name: String) -> [Int]? { given[name].flatMap { source.shape(of: $0) } }
    func floats(_ name: String) throws -> [Float] {
        guard let full = given[name] else { throw TensorFileError.missingTensor(path: path, name: name) }
        return try source.floats(full)
    }
}
