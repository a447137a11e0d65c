import CurricleEngine
import Foundation
import CurricleModels
import CurricleSettings
import CurricleVision

/// What of a checkpoint can be carried away, under the reference's names and in the reference's shapes: all checked, nothing
/// read before it is written.
package struct CheckpointContents {
    package let description: WeightsDescription
    package let layout: CheckpointLayout
    /// Names that whole parts lack, each with its part left out.
    package let missing: [String]
    /// Names that no part of such a model has, left out.
    package let unexpected: [String]
    /// Why a part was left out, for a person to read.
    package let notes: [Message]

    package let path: String
    package let metadata: [String: String]
    package let encoder: [WeightsFile.Source]
    /// Positions of the patch tokens [L, D] that the file brings; nil for the fixed ones.
    package let encoderPosition: [Float]?
    package private(set) var decoder: [WeightsFile.Source] = []
    package private(set) var masker: [WeightsFile.Source] = []
    /// A classifier's `head.weight` and `head.bias`.
    package let head: [WeightsFile.Source]

    package var hasDecoder: Bool { !decoder.isEmpty }
    package var hasMasker: Bool { !masker.isEmpty }
    package var hasHead: Bool { !head.isEmpty }
    package var tensorCount: Int { all.count }
    package var all: [WeightsFile.Source] { encoder + decoder + masker + head }

    /// - Throws: `LearningError.file` where the encoder is not whole, or a tensor has a wrong shape (naming both).
    package init(_ file: Checkpoint, _ description: WeightsDescription) throws {
        let c = description.model, whole = ModelParameters(c.withoutRegisters), described = ModelParameters(c, parts: .encoder)
        self.description = description
        layout = file.layout
        path = file.path
        unexpected = file.unexpected
        try WeightsFile.requireAll(described.all, in: file)
        let given = try WeightsFile.encoderPosition(file, c)
        encoderPosition = given
        encoder =
            try described.all.map { try CheckpointContents.source(file, $0) }
            + described.fixed.map { fixed in
                (fixed.name, fixed.shape, { given.map { Array(repeating: 0, count: c.embedWidth) + $0 } ?? fixed.values() })
            }
        head = ReferenceNames.patterns(of: .head).compactMap { name in file.shape(of: name).map { (name, $0, { try file.floats(name) }) } }

        var notes: [Message] = [], missing: [String] = []
        for part in [ModelPart.decoder, .masker] {
            let wanted = whole.all.filter { $0.part == part }
            let lacking = wanted.map(\.parameter.name).filter { file.shape(of: $0) == nil }
            if lacking.count == wanted.count { continue }
            if !lacking.isEmpty {
                missing += lacking
                notes.append("the \(part.rawValue) is left out, as it is not whole")
            } else if let reason = try CheckpointContents.obstacle(part, file, description) {
                notes.append("the \(part.rawValue) is left out: \(reason)")
            } else {
                let fixed = whole.fixed.filter { $0.part == part }.map(WeightsFile.source)
                let sources = try wanted.map { try CheckpointContents.source(file, $0) } + fixed
                if part == .decoder { decoder = sources } else { masker = sources }
            }
        }
        self.notes = notes
        self.missing = missing
        metadata = try CheckpointContents.metadata(file, description)
    }

    private static func source(_ file: Checkpoint, _ parameter: ModelParameter) throws -> WeightsFile.Source {
        let name = parameter.parameter.name, shape = file.shape(of: name) ?? []
        guard shape == parameter.referenceShape else {
            let reason: Message = "tensor \(name) has shape \(shape), but the model needs \(parameter.referenceShape)"
            throw LearningError.file(path: file.path, reason: reason)
        }
        return (name, shape, { try file.floats(name) })
    }

    /// Why a part that is whole cannot be used all the same.
    package static func obstacle(_ part: ModelPart, _ file: Checkpoint, _ description: WeightsDescription) throws -> Message? {
        let c = description.model
        /// The part's positions in the file, where it has them.
        func positions() throws -> [Float]? {
            let fixed = ModelParameters(c.withoutRegisters).fixed.first { $0.part == part }
            return try fixed.flatMap { file.shape(of: $0.name) == nil ? nil : try file.floats($0.name) }
        }
        switch part {
        case .encoder, .head: return nil
        case .decoder:
            if !description.knowsDecoder { return "its heads are not known: give \(.decoderHeads)" }
            guard let positions = try positions(), let grid = try WeightsFile.positionGrid(file, c) else { return nil }
            return WeightsFile.isFixed(positions, grid, width: c.decoderWidth) ? nil : "its positions are not the fixed sin-cos ones"
        case .masker:
            if let scores = file.shape(of: "masking_net.mlp_head.1.weight"), scores != [c.patches, c.embedWidth] {
                return "it scores \(scores.first ?? 0) patches, and the image size has \(c.patches)"
            }
            guard let positions = try positions() else { return nil }
            return positions.allSatisfy { $0 == 0 } ? nil : "its class token has a position"
        }
    }

    private static func metadata(_ file: Checkpoint, _ description: WeightsDescription) throws -> [String: String] {
        var metadata = WeightsMetadata(model: description.model, normalization: description.normalization).entries
        for key in WeightsMetadata.trainingKeys { metadata[key] = file.metadata[key] }
        if file.facts.resampling == .antialiased { metadata[WeightsFile.resamplingKey] = PositionResampling.antialiased.rawValue }
        return metadata
    }

    /// Writes everything under the reference's names, with what a reader must know of the model.
    package func importTo(_ output: String) throws { try WeightsFile.write(all, metadata: metadata, to: output) }
}
