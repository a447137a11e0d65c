import Engine
import Models
import Storage

/// A model's weights under the reference's names, from a file of any layout and format that is known.
///
/// Learned positions may have a row for the class token: it is added to the class token here, so that a zero row is left
/// and every encoder is computed alike.
public struct Checkpoint: TensorSource {
    public let layout: CheckpointLayout
    public let metadata: [String: String]
    public let facts: ModelFacts
    /// Names in the file that no part of such a model has, sorted: they are left out.
    public let unexpected: [String]

    private let source: any TensorSource
    /// The tensors of the file that each of ours is made of, one after the other along the first axis.
    private let parts: [String: [String]]
    private let shapes: [String: [Int]]
    /// Whether the file's positions begin with the class token's.
    private let hasClassPosition: Bool

    public var path: String { source.path }
    public var names: [String] { parts.keys.sorted() }
    public func shape(of name: String) -> [Int]? { shapes[name] }

    /// Opens a file of safetensors or of `torch.save`.
    /// - Parameter layout: nil to tell it from the names.
    /// - Throws: `TensorFileError`, `PyTorchFileError`; `LearningError.file` for a file of another kind of model, or one
    ///   whose encoder cannot be computed, with the reason.
    public init(path: String, layout given: CheckpointLayout? = nil) throws {
        try self.init(try Checkpoint.isSafetensors(path) ? TensorFile(path: path) : PyTorchFile(path: path), layout: given)
    }

    package init(_ source: any TensorSource, layout given: CheckpointLayout? = nil) throws {
        self.source = source
        guard let layout = given ?? CheckpointLayout.guess(source) else {
            let wanted = "patch_embed.proj.weight nor …\(HuggingFaceNames.patchWeight)"
            throw LearningError.file(path: source.path, reason: "holds no vision transformer: it has neither \(wanted)")
        }
        self.layout = layout
        let parts = try Checkpoint.parts(source, layout)
        self.parts = parts.known
        unexpected = parts.unknown
        let count = source.shape(of: self.parts["pos_embed"]?[0] ?? "").flatMap { $0.count == 3 ? $0[1] : nil } ?? 0
        // Some of timm's models have positions for the patches alone (`no_embed_class`).
        hasClassPosition = layout != .timm || squareRoot(count - 1) != nil || squareRoot(count) == nil
        shapes = try Checkpoint.shapes(source, self.parts, hasClassPosition: hasClassPosition)
        facts = try Checkpoint.facts(source, layout)
        var metadata = source.metadata
        let key = StepOptions.normalizedTargetsKey
        if let normalizes = facts.normalizedTargets, metadata[key] == nil { metadata[key] = normalizes ? "true" : "false" }
        self.metadata = metadata
    }

    public func floats(_ name: String) throws -> [Float] {
        guard let parts = parts[name] else { throw TensorFileError.missingTensor(path: path, name: name) }
        let values = try parts.flatMap { try source.floats($0) }
        guard let width = shapes["cls_token"]?.last, shapes["pos_embed"] != nil else { return values }
        switch name {
        case "cls_token" where hasClassPosition:
            return zip(values, try source.floats(self.parts["pos_embed"]?[0] ?? "")).map { $0 + $1 }
        case "pos_embed":
            return Array(repeating: 0, count: width) + values.dropFirst(hasClassPosition ? width : 0)
        default: return values
        }
    }
}

extension Checkpoint {
    /// After eight bytes, a file of safetensors has a brace. What has none is told by its name, so that the error suits it.
    private static func isSafetensors(_ path: String) throws -> Bool {
        let mapping: FileMapping
        do { mapping = try FileMapping(path: path) } catch { throw TensorFileError.file(error) }
        return mapping.withBytes { $0.count > 8 && $0[8] == 0x7B || !$0.starts(with: Array("PK".utf8)) && $0.first != 0x80 } && !path.hasSuffix(".pth")
    }

    private static func parts(_ source: any TensorSource, _ layout: CheckpointLayout) throws -> (known: [String: [String]], unknown: [String]) {
        var known: [String: [String]] = [:], thirds: [String: [Int: String]] = [:], unknown: [String] = []
        for name in source.names {
            let (reference, third) = layout == .hf ? HuggingFaceNames.reference(name) : (name, nil)
            if let reason = ReferenceNames.obstacle(reference) {
                throw LearningError.file(path: source.path, reason: "holds \(name): \(reason), so its features cannot be computed here")
            }
            // None of Hugging Face's names is one of the reference's: what stayed as it was is not theirs.
            if let third {
                if let twin = thirds[reference]?[third] { throw LearningError.file(path: source.path, reason: "holds one tensor twice: as \(twin) and \(name)") }
                thirds[reference, default: [:]][third] = name
            } else if ReferenceNames.contains(reference), layout != .hf || reference != name {
                known[reference, default: []].append(name)
            } else {
                unknown.append(name)
            }
        }
        for (reference, names) in thirds {
            guard names.count == 3 else { throw LearningError.file(path: source.path, reason: "lacks one of query, key and value beside \(names.values.sorted()[0])") }
            known[reference] = names.sorted { $0.key < $1.key }.map(\.value)
        }
        if let (reference, names) = known.first(where: { $0.value.count > (thirds[$0.key] == nil ? 1 : 3) }) {
            throw LearningError.file(path: source.path, reason: "holds \(reference) twice: as \(names.joined(separator: " and "))")
        }
        return (known, unknown)
    }

    private static func shapes(_ source: any TensorSource, _ parts: [String: [String]], hasClassPosition: Bool) throws -> [String: [Int]] {
        var shapes: [String: [Int]] = [:]
        for (reference, names) in parts {
            let all = names.compactMap { source.shape(of: $0) }
            guard var shape = all.first, all.count == names.count, all.allSatisfy({ $0 == all[0] }) else {
                throw LearningError.file(path: source.path, reason: "its query, key and value differ in shape: \(all) in \(names)")
            }
            if names.count > 1 {
                // An empty tensor's sizes are bounded by nothing.
                guard let rows = shape.first, case let (all, isTooLarge) = rows.multipliedReportingOverflow(by: names.count), !isTooLarge else {
                    throw LearningError.file(path: source.path, reason: "tensor \(names[0]) has shape \(shape)")
                }
                shape[0] = all
            }
            shapes[reference] = shape
        }
        guard let position = shapes["pos_embed"], let token = shapes["cls_token"] else { return shapes }
        guard position.count == 3, position[0] == 1, token == [1, 1, position[2]] else {
            let shapes = "pos_embed has shape \(position), and cls_token \(token)"
            throw LearningError.file(path: source.path, reason: "tensor \(shapes): [1, 1 + L, D] and [1, 1, D] are wanted")
        }
        if !hasClassPosition { shapes["pos_embed"] = [1, position[1] + 1, position[2]] }
        return shapes
    }

    private static func facts(_ source: any TensorSource, _ layout: CheckpointLayout) throws -> ModelFacts {
        var facts = ModelFacts()
        if layout == .hf { facts.epsilon = 1e-12 }
        if layout == .timm || source.metadata[WeightsFile.resamplingKey] == PositionResampling.antialiased.rawValue { facts.resampling = .antialiased }
        if source.metadata["curricle.model"] == nil { try facts.read(beside: source.path) }
        if let said = source.metadata["args.norm_pix_loss"] { facts.normalizedTargets = said == "True" }
        return facts
    }
}

/// The side of a square of so many places; nil where there is none.
package func squareRoot(_ count: Int) -> Int? {
    guard count > 0 else { return nil }
    let side = Int(Double(count).squareRoot().rounded())
    return side.multipliedReportingOverflow(by: side) == (count, false) ? side : nil
}
