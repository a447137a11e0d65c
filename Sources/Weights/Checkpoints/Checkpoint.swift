import CurricleEngine
import Foundation
import CurricleModels
import CurricleSettings
import CurricleStorage

/// A model's weights under the reference's names, from a file of any layout and format that is known.
///
/// Learned positions may have a row for the class token: it is added to the class token here, so that a zero row is left
/// and every encoder is computed alike.
package struct Checkpoint: TensorSource {
    package let layout: CheckpointLayout
    package let metadata: [String: String]
    package let facts: ModelFacts
    /// Names in the file that no part of such a model has, sorted: they are left out.
    package let unexpected: [String]
    /// What was chosen, assumed or left out where the file is not clear or holds more, for a person to read.
    package let notes: [Message]

    private let source: any TensorSource
    /// The tensors of the file that each of ours is made of, one after the other along the first axis.
    private let parts: [String: [String]]
    /// The file's LayerScales by the layer whose outputs they multiply, whose weights take them in.
    private let scales: [String: String]
    private let shapes: [String: [Int]]
    /// How many of the file's positions are not of patches: the class token's, and that of DeiT's distillation token.
    private let leadingPositions: Int

    package var path: String { source.path }
    package var names: [String] { parts.keys.sorted() }
    package func shape(of name: String) -> [Int]? { shapes[name] }

    /// Opens a file of safetensors or of `torch.save`, or the weights of a run's folder or of one that Hugging Face's programs write.
    /// - Parameters:
    ///   - layout: nil to tell it from the names.
    ///   - key: which of several models of the file, by the keys before its tensors' names (`teacher.backbone`); nil for the only one, or
    ///     for the average (EMA) where there is a model and its average.
    ///   - image: the size that the user gives, which may decide what the file's positions are of.
    /// - Throws: `TensorFileError`, `PyTorchFileError`; `LearningError.file` for a file of another kind of model, or one
    ///   whose encoder cannot be computed, with the reason.
    package init(path: String, layout given: CheckpointLayout? = nil, key: String? = nil, image: (height: Int, width: Int)? = nil) throws {
        let path = try Checkpoint.file(at: path)
        try self.init(
            try Checkpoint.isSafetensors(path) ? TensorFile(path: path) : PyTorchFile(path: path), layout: given, key: key, image: image)
    }

    package init(
        _ whole: any TensorSource, layout given: CheckpointLayout? = nil, key: String? = nil, image: (height: Int, width: Int)? = nil
    ) throws {
        let state = try CheckpointState.choose(in: whole, key: key, isRequired: given == nil)
        try (whole as? PyTorchFile)?.select(state.chosen.state)
        let source: any TensorSource = state.chosen.prefix.isEmpty ? whole : PrefixedSource(whole, prefix: state.chosen.prefix)
        self.source = source
        guard let layout = given ?? CheckpointLayout.guess(source, stateKey: state.chosen.state) else {
            throw LearningError.file(path: source.path, reason: "holds no vision transformer")
        }
        self.layout = layout
        let parts = try Checkpoint.parts(source, layout)
        self.parts = parts.known
        scales = parts.scales
        unexpected = parts.unknown
        let count = source.shape(of: self.parts["pos_embed"]?[0] ?? "").flatMap { $0.count == 3 ? $0[1] : nil } ?? 0
        facts = try Checkpoint.facts(source, layout)
        // Some of timm's models have positions for the patches alone (`no_embed_class`), and some no class token at all.
        let hasClassToken = self.parts["cls_token"] != nil, isOpen = layout == .timm && count > 0 && hasClassToken
        let isDistilled = self.parts["reg_token"]?.contains { ReferenceNames.distillationTokens.contains($0) } == true
        let known = isOpen && !isDistilled ? Checkpoint.knowsClassPosition(source, count, facts, image) : hasClassToken || layout != .timm
        leadingPositions = isDistilled ? 2 : try known ?? Checkpoint.assumesClassPosition(source, count) ? 1 : 0
        // As many patches, alone, could be a rectangle's.
        let rectangle = known == nil ? (2..<max(3, count)).first { $0 * $0 <= count && count % $0 == 0 } : nil
        notes = [
            state.note,
            rectangle.flatMap { rows in
                squareRoot(count - 1).map { side in
                    "\(source.path): its \(count) positions are taken as those of \(side)×\(side) patches and the class token; if they "
                        + "are of patches alone, as \(rows)×\(count / rows), give \(.imageSize)"
                }
            },
            unexpected.isEmpty
                ? nil : "\(source.path): left out, as no such model has them: \(WeightsFile.listed(unexpected))",
            facts.otherPixels
        ].compactMap { $0 }
        shapes = try Checkpoint.shapes(source, self.parts, leadingPositions: leadingPositions)
        var metadata = source.metadata
        let key = StepOptions.normalizedTargetsKey
        if let normalizes = facts.normalizedTargets, metadata[key] == nil { metadata[key] = normalizes ? "true" : "false" }
        self.metadata = metadata
    }

    package func floats(_ name: String) throws -> [Float] {
        guard let parts = parts[name] else { throw TensorFileError.missingTensor(path: path, name: name) }
        let values = try scaled(name, parts.flatMap { try source.floats($0) })
        guard values.allSatisfy(\.isFinite) else {
            throw LearningError.file(
                path: path, reason: "tensor \(parts[0]) holds numbers that are not finite: the training that it comes from went wrong")
        }
        guard let width = shapes["pos_embed"]?.last, let place = self.parts["pos_embed"]?.first else { return values }
        switch name {
        case "cls_token" where leadingPositions > 0: return zip(values, try source.floats(place)).map { $0 + $1 }
        case "reg_token" where leadingPositions > 1: return zip(values, try source.floats(place).dropFirst(width)).map { $0 + $1 }
        case "pos_embed": return Array(repeating: 0, count: width) + values.dropFirst(leadingPositions * width)
        default: return values
        }
    }
}

extension Checkpoint {
    /// A weight or bias with what its layer's outputs are multiplied by (LayerScale): γ∘(x·Wᵀ + b) = x·(γ∘W)ᵀ + γ∘b.
    private func scaled(_ name: String, _ values: [Float]) throws -> [Float] {
        guard let dot = name.lastIndex(of: "."), let scale = scales[String(name[..<dot])] else { return values }
        let gamma = try source.floats(scale)
        guard let rows = shapes[name]?.first, rows == gamma.count, values.count % rows == 0 else {
            throw LearningError.file(
                path: path, reason: "tensor \(scale) has \(gamma.count) numbers, and \(name) shape \(shapes[name] ?? [])")
        }
        let width = values.count / rows
        return values.indices.map { values[$0] * gamma[$0 / width] }
    }

    /// The file that a path stands for: a folder stands for the weights in it.
    private static func file(at path: String) throws(LearningError) -> String {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else { return path }
        let known = ["model.safetensors", "pytorch_model.bin"].map { "\(path)/\($0)" }
        guard let found = known.first(where: FileManager.default.fileExists) else {
            if let index = known.map({ "\($0).index.json" }).first(where: FileManager.default.fileExists) {
                throw .file(
                    path: index,
                    reason: "says that the weights lie in several files, which are not read here: save them as one (transformers: "
                        + "save_pretrained with max_shard_size='100GB')")
            }
            throw .file(path: path, reason: "is a folder without model.safetensors: give a run's folder, or a file of weights")
        }
        return found
    }

    /// What a file is, by its content: after eight bytes, a file of safetensors has a brace; PyTorch's is a zip archive, or a pickle.
    /// - Throws: `LearningError.file` that says what it looks like, where it is neither.
    private static func isSafetensors(_ path: String) throws -> Bool {
        let start: [UInt8]
        do {
            let file = try FileReader(path: path)
            start = try file.read(0..<min(file.count, 512))
        } catch {
            throw TensorFileError.file(error)
        }
        if start.count > 8, start[8] == 0x7B { return true }
        let isTar = start.dropFirst(257).starts(with: Array("ustar".utf8)), reason = ForeignWeights.reason(start)
        if start.starts(with: Array("PK".utf8)) || start.first == 0x80 || isTar && reason == nil { return false }
        if let reason { throw LearningError.file(path: path, reason: reason) }
        return !path.hasSuffix(".pth")
    }

    /// Whether a file of timm's has a position for the class token among `count`: what its configuration or the image size decides; nil for
    /// neither.
    private static func knowsClassPosition(
        _ source: any TensorSource, _ count: Int, _ facts: ModelFacts, _ image: (height: Int, width: Int)?
    ) -> Bool? {
        if let said = facts.hasClassPosition { return said }
        let patch = max(1, source.shape(of: "patch_embed.proj.weight")?.last ?? 1)
        let known = facts.imageHeight.flatMap { height in facts.imageWidth.map { (height: height, width: $0) } }
        for size in [known, image].compactMap({ $0 }) {
            let places = (size.height / patch).multipliedReportingOverflow(by: size.width / patch).partialValue
            if places == count - 1 { return true }
            if places == count { return false }
        }
        return nil
    }

    /// The same where nothing decides: a square grid has one beside its patches; a number that is itself a square says two things.
    private static func assumesClassPosition(_ source: any TensorSource, _ count: Int) throws(LearningError) -> Bool {
        guard let side = squareRoot(count) else { return true }
        let reading = "\(side)×\(side) patches, or \(count - 1) (as \(side - 1)×\(side + 1)) and the class token"
        throw LearningError.file(
            path: source.path,
            reason: "does not say what its \(count) positions are of: \(reading); give the \(.imageSize) that they are of")
    }

    private static func parts(
        _ source: any TensorSource, _ layout: CheckpointLayout
    ) throws -> (known: [String: [String]], scales: [String: String], unknown: [String]) {
        var known: [String: [String]] = [:], thirds: [String: [Int: String]] = [:], scales: [String: String] = [:], unknown: [String] = []
        for name in source.names {
            let (reference, third) = layout == .hf ? HuggingFaceNames.reference(name) : (ReferenceNames.usual(name), nil)
            if let layer = ReferenceNames.scaledLayer(reference) {
                scales[layer] = name
                continue
            }
            if let reason = ReferenceNames.obstacle(reference) {
                throw LearningError.file(path: source.path, reason: "holds \(name): \(reason), so its features cannot be computed here")
            }
            // None of Hugging Face's names is one of the reference's: what stayed as it was is not theirs.
            if let third {
                if let twin = thirds[reference]?[third] {
                    throw LearningError.file(path: source.path, reason: "holds one tensor twice: as \(twin) and \(name)")
                }
                thirds[reference, default: [:]][third] = name
            } else if ReferenceNames.contains(reference), layout != .hf || reference != name {
                known[reference, default: []].append(name)
            } else {
                unknown.append(name)
            }
        }
        for (reference, names) in thirds {
            guard names.count == 3 else {
                throw LearningError.file(path: source.path, reason: "lacks one of query, key and value beside \(names.values.sorted()[0])")
            }
            known[reference] = names.sorted { $0.key < $1.key }.map(\.value)
        }
        if let (reference, names) = known.first(where: { $0.value.count > (thirds[$0.key] == nil ? 1 : 3) }) {
            throw LearningError.file(path: source.path, reason: "holds \(reference) twice: as \(names.joined(separator: " and "))")
        }
        return (known, scales, unknown)
    }

    private static func shapes(_ source: any TensorSource, _ parts: [String: [String]], leadingPositions: Int) throws -> [String: [Int]] {
        var shapes: [String: [Int]] = [:]
        for (reference, names) in parts {
            let all = names.compactMap { source.shape(of: $0) }
            guard var shape = all.first, all.count == names.count, all.allSatisfy({ $0 == all[0] }) else {
                throw LearningError.file(path: source.path, reason: "its query, key and value differ in shape: \(all) in \(names)")
            }
            if names.count > 1 {
                // An empty tensor's sizes are bounded by nothing.
                guard let rows = shape.first, case let (all, isTooLarge) = rows.multipliedReportingOverflow(by: names.count), !isTooLarge
                else {
                    throw LearningError.file(path: source.path, reason: "tensor \(names[0]) has shape \(shape)")
                }
                shape[0] = all
            }
            shapes[reference] = shape
        }
        guard let position = shapes["pos_embed"] else { return shapes }
        for name in ["cls_token"] + (leadingPositions > 1 ? ["reg_token"] : []) {
            guard let token = shapes[name] else { continue }
            guard position.count == 3, position[0] == 1, token == [1, 1, position[2]] else {
                let shapes = "pos_embed has shape \(position), and \(name) \(token)"
                throw LearningError.file(path: source.path, reason: "tensor \(shapes): [1, 1 + L, D] and [1, 1, D] are wanted")
            }
        }
        guard position.count == 3, position[1] > leadingPositions else {
            throw LearningError.file(path: source.path, reason: "tensor pos_embed has shape \(position), not [1, 1 + L, D]")
        }
        shapes["pos_embed"] = [1, position[1] - leadingPositions + 1, position[2]]
        return shapes
    }

    private static func facts(_ source: any TensorSource, _ layout: CheckpointLayout) throws -> ModelFacts {
        var facts = ModelFacts()
        // DINOv2's default is the reference's 1e-6, which is nil.
        let isDINO = source.names.contains { $0.hasSuffix("layer_scale1.lambda1") }
        if layout == .hf, !isDINO { facts.epsilon = 1e-12 }
        if layout == .timm || source.metadata[WeightsFile.resamplingKey] == PositionResampling.antialiased.rawValue {
            facts.resampling = .antialiased
        }
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
