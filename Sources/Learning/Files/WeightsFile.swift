import Foundation
import Graph
import Models
import Runtime
import Vision

/// Weights under the reference's names, as PyTorch reads them.
public enum WeightsFile {
    /// A tensor to be written: its name, shape, and where its values come from.
    typealias Source = (name: String, shape: [Int], values: () -> [Float])

    /// All parameters, and the fixed position embeddings that PyTorch's modules hold too.
    static func tensors(of model: ModelRuntime) -> [Source] {
        let c = model.configuration
        var tensors: [Source] = model.parameters.all.map { parameter in
            (parameter.parameter.name, parameter.referenceShape, { model.values(of: parameter, in: model.session.parameters) })
        }
        tensors.append(("pos_embed", [1, 1 + c.patches, c.embedWidth], { positionEmbedding(rows: c.gridRows, columns: c.gridColumns, width: c.embedWidth) }))
        tensors.append(("decoder_pos_embed", [1, 1 + c.patches, c.decoderWidth], {
            positionEmbedding(rows: c.gridRows, columns: c.gridColumns, width: c.decoderWidth)
        }))
        tensors.append(("masking_net.pos_embed", [1, 1, c.embedWidth], { Array(repeating: 0, count: c.embedWidth) }))
        return tensors
    }

    static func write(_ tensors: [Source], metadata: [String: String], to path: String) throws(TensorFileError) {
        let sources = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.values) })
        var writer = try TensorFileWriter(path: path, tensors: tensors.map { .init(name: $0.name, shape: $0.shape) }, metadata: metadata)
        for declaration in writer.order { try writer.write(declaration.name, sources[declaration.name]?() ?? []) }
        try writer.finish()
    }

    /// What a reader of the weights must know: `curricle.model` (sizes and heads), `curricle.pixels` (mean and deviation),
    /// `curricle.norm_pix_loss`.
    static func metadata(_ settings: PretrainSettings) -> [String: String] {
        [
            "format": "pt", "curricle.model": json(settings.model), "curricle.pixels": json(settings.normalization),
            "curricle.norm_pix_loss": settings.step.normalizedTargets ? "true" : "false",
            "curricle.mask_ratio": settings.step.maskRatio.description,
        ]
    }

    static func json(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    /// A tensor's values, its shape checked.
    static func values(_ file: TensorFile, _ name: String, _ parameter: ModelParameter) throws -> [Float] {
        let shape = try file.entry(name).shape
        guard shape == parameter.referenceShape else {
            throw LearningError.file(path: file.path, reason: "tensor \(name) has shape \(shape), but the model needs \(parameter.referenceShape)")
        }
        return try file.floats(name)
    }

    /// Positions of the patch tokens that the file brings, where they are not the fixed sin-cos ones; the class token's
    /// row must be zero or it is refused: it would have to be added to the class token.
    static func encoderPosition(_ file: TensorFile, _ c: ModelConfiguration) throws -> [Float]? {
        guard file.tensors["pos_embed"] != nil else { return nil }
        guard try file.entry("pos_embed").shape == [1, 1 + c.patches, c.embedWidth] else {
            throw LearningError.file(path: file.path, reason: "pos_embed has shape \(try file.entry("pos_embed").shape), but the image size needs \([1, 1 + c.patches, c.embedWidth])")
        }
        let values = try file.floats("pos_embed")
        guard values.prefix(c.embedWidth).allSatisfy({ $0 == 0 }) else {
            throw LearningError.file(path: file.path, reason: "has a position for the class token, which this version does not take")
        }
        return Array(values.dropFirst(c.embedWidth))
    }

    /// Refuses a file whose patch tokens have positions of their own: training keeps the fixed sin-cos ones.
    static func requireFixedPositions(_ file: TensorFile, _ c: ModelConfiguration) throws {
        guard let positions = try encoderPosition(file, c) else { return }
        let fixed = positionEmbedding(rows: c.gridRows, columns: c.gridColumns, width: c.embedWidth).dropFirst(c.embedWidth)
        guard zip(positions, fixed).allSatisfy({ abs($0 - $1) < 1e-4 }) else {
            throw LearningError.file(path: file.path, reason: "has learned positions, but pretraining keeps the fixed sin-cos ones: it cannot begin with these weights")
        }
    }

    /// Fills all of a model's parameters from a file.
    /// - Throws: `TensorFileError.missingTensor`, `LearningError.file` for a wrong shape; the model is then partly filled.
    public static func load(_ file: TensorFile, into model: ModelRuntime) throws {
        for parameter in model.parameters.all {
            model.set(parameter, in: model.session.parameters, try values(file, parameter.parameter.name, parameter))
        }
    }
}

/// What a weights file says of its model, filled up from the command line where it does not.
public struct WeightsDescription: Sendable {
    public var model: ModelConfiguration
    public var normalization: PixelNormalization

    /// Reads our metadata, or the shapes: width, depth, patch, channels and grid from the tensors, heads from `heads`.
    /// - Parameters heads, imageHeight, imageWidth: what the user says where the file is silent; refused where it says otherwise.
    /// - Parameters mean, deviation: the user's, before the file's.
    public init(_ file: TensorFile, heads: Int?, imageHeight: Int?, imageWidth: Int?, mean: [Float]? = nil, deviation: [Float]? = nil) throws {
        if let text = file.metadata["curricle.model"] {
            guard let known = try? JSONDecoder().decode(ModelConfiguration.self, from: Data(text.utf8)), known.problem == nil else {
                throw LearningError.file(path: file.path, reason: "its metadata's curricle.model cannot be read")
            }
            model = known
            let pixels = file.metadata["curricle.pixels"].flatMap { try? JSONDecoder().decode(PixelNormalization.self, from: Data($0.utf8)) }
            normalization = pixels ?? .imageNet
            for (name, said, known) in [("--num-heads", heads, model.heads), ("--image-size", imageHeight, model.imageHeight), ("--image-size", imageWidth, model.imageWidth)] {
                if let said, said != known { throw LearningError.file(path: file.path, reason: "says \(name) \(known), not \(said)") }
            }
        } else {
            model = try WeightsDescription.fromShapes(file, heads: heads, imageHeight: imageHeight, imageWidth: imageWidth)
            normalization = .imageNet
        }
        if let problem = model.problem { throw LearningError.file(path: file.path, reason: problem) }
        if let mean { normalization.mean = mean }
        if let deviation { normalization.std = deviation }
    }

    private static func fromShapes(_ file: TensorFile, heads: Int?, imageHeight: Int?, imageWidth: Int?) throws -> ModelConfiguration {
        let patch = try file.entry("patch_embed.proj.weight").shape
        guard patch.count == 4, patch[2] == patch[3], patch.allSatisfy({ $0 > 0 }) else {
            throw LearningError.file(path: file.path, reason: "patch_embed.proj.weight has shape \(patch), not [D, C, p, p]")
        }
        var depth = 0
        while file.tensors["blocks.\(depth).norm1.weight"] != nil { depth += 1 }
        guard let heads else {
            throw LearningError.file(path: file.path, reason: "does not say how many heads its attention has: give --num-heads")
        }
        var height = imageHeight, width = imageWidth
        if height == nil, let position = file.tensors["pos_embed"]?.shape, position.count == 3, (2...(1 << 32)).contains(position[1]) {
            let side = Int(Double(position[1] - 1).squareRoot().rounded())
            if side * side == position[1] - 1 { (height, width) = (side * patch[2], side * patch[2]) }
        }
        guard let height else { throw LearningError.file(path: file.path, reason: "does not say its image size: give --image-size") }
        return ModelConfiguration(
            imageHeight: height, imageWidth: width ?? height, patchSize: patch[2], channels: patch[1], embedWidth: patch[0], depth: max(depth, 1), heads: heads,
            maskerHeads: patch[0] % 4 == 0 ? 4 : 1)
    }
}
