import Engine
import Foundation
import Models
import Vision

/// What of a checkpoint can be carried away, under the reference's names and in the reference's shapes: all checked, nothing
/// read before it is written.
public struct CheckpointContents {
    public let description: WeightsDescription
    public let layout: CheckpointLayout
    /// Names that whole parts lack, each with its part left out.
    public let missing: [String]
    /// Names that no part of such a model has, left out.
    public let unexpected: [String]
    /// Why a part was left out, for a person to read.
    public let notes: [String]

    package let path: String
    package let metadata: [String: String]
    package let encoder: [WeightsFile.Source]
    package private(set) var decoder: [WeightsFile.Source] = []
    package private(set) var masker: [WeightsFile.Source] = []
    /// A classifier's `head.weight` and `head.bias`.
    package let head: [WeightsFile.Source]

    public var hasDecoder: Bool { !decoder.isEmpty }
    public var hasMasker: Bool { !masker.isEmpty }
    public var hasHead: Bool { !head.isEmpty }
    public var tensorCount: Int { all.count }
    package var all: [WeightsFile.Source] { encoder + decoder + masker + head }

    /// - Throws: `LearningError.file` where the encoder is not whole, or a tensor has a wrong shape (naming both).
    public init(_ file: Checkpoint, _ description: WeightsDescription) throws {
        let c = description.model, parameters = ModelParameters(c).all
        self.description = description
        layout = file.layout
        path = file.path
        unexpected = file.unexpected
        let encoderParameters = ModelParameters(c, parts: .encoder).all
        try WeightsFile.requireAll(encoderParameters, in: file)
        let positions = try WeightsFile.encoderPosition(file, c)
        encoder = try encoderParameters.map { try CheckpointContents.source(file, $0) } + [
            ("pos_embed", [1, 1 + c.patches, c.embedWidth], {
                positions.map { Array(repeating: 0, count: c.embedWidth) + $0 } ?? positionEmbedding(rows: c.gridRows, columns: c.gridColumns, width: c.embedWidth)
            })
        ]
        head = ["head.weight", "head.bias"].compactMap { name in file.shape(of: name).map { (name, $0, { try file.floats(name) }) } }

        var notes: [String] = [], missing: [String] = []
        for part in [ModelPart.decoder, .masker] {
            let wanted = parameters.filter { ModelPart.of($0.parameter.name) == part }
            let lacking = wanted.map(\.parameter.name).filter { file.shape(of: $0) == nil }
            if lacking.count == wanted.count { continue }
            if !lacking.isEmpty {
                missing += lacking
                notes.append("the \(part.rawValue) is left out, as it is not whole")
            } else if let reason = try CheckpointContents.obstacle(part, file, description) {
                notes.append("the \(part.rawValue) is left out: \(reason)")
            } else {
                let sources = try wanted.map { try CheckpointContents.source(file, $0) } + [CheckpointContents.positions(of: part, c)]
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
            throw LearningError.file(path: file.path, reason: "tensor \(name) has shape \(shape), but the model needs \(parameter.referenceShape)")
        }
        return (name, shape, { try file.floats(name) })
    }

    /// Why a part that is whole cannot be used all the same.
    package static func obstacle(_ part: ModelPart, _ file: Checkpoint, _ description: WeightsDescription) throws -> String? {
        let c = description.model, positions = part == .decoder ? "decoder_pos_embed" : "masking_net.pos_embed"
        switch part {
        case .encoder: return nil
        case .decoder:
            if !description.knowsDecoder { return "its heads are not known: give --decoder-num-heads" }
            guard file.shape(of: positions) != nil, let grid = try WeightsFile.positionGrid(file, c) else { return nil }
            return WeightsFile.isFixed(try file.floats(positions), grid, width: c.decoderWidth) ? nil : "its positions are not the fixed sin-cos ones"
        case .masker:
            if let scores = file.shape(of: "masking_net.mlp_head.1.weight"), scores != [c.patches, c.embedWidth] {
                return "it scores \(scores.first ?? 0) patches, and the image size has \(c.patches)"
            }
            guard file.shape(of: positions) != nil else { return nil }
            return try file.floats(positions).allSatisfy { $0 == 0 } ? nil : "its class token has a position"
        }
    }

    /// The fixed positions that PyTorch's modules hold too.
    private static func positions(of part: ModelPart, _ c: ModelConfiguration) -> WeightsFile.Source {
        part == .masker
            ? ("masking_net.pos_embed", [1, 1, c.embedWidth], { Array(repeating: 0, count: c.embedWidth) })
            : ("decoder_pos_embed", [1, 1 + c.patches, c.decoderWidth], { positionEmbedding(rows: c.gridRows, columns: c.gridColumns, width: c.decoderWidth) })
    }

    private static func metadata(_ file: Checkpoint, _ description: WeightsDescription) throws -> [String: String] {
        var metadata = WeightsMetadata(model: description.model, normalization: description.normalization).entries
        for key in WeightsMetadata.trainingKeys { metadata[key] = file.metadata[key] }
        if file.facts.resampling == .antialiased { metadata[WeightsFile.resamplingKey] = PositionResampling.antialiased.rawValue }
        return metadata
    }

    /// Writes everything under the reference's names, with what a reader must know of the model.
    public func importTo(_ output: String) throws { try WeightsFile.write(all, metadata: metadata, to: output) }
}
