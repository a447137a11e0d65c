import CurricleEngine
import Foundation
import CurricleModels
import CurricleSettings
import CurricleStorage
import CurricleVision

/// What a weights file says of its model, filled up from the command line where it does not.
package struct WeightsDescription: Sendable {
    package var model: ModelConfiguration
    package var normalization: PixelNormalization
    /// Whether the decoder's heads are known: only then can it be used.
    package private(set) var knowsDecoder = true
    /// What was assumed of the file, and what of it was left out, for a person to read.
    package private(set) var notes: [Message] = []

    /// Reads our metadata, or the shapes: widths, depths, patch, channels and grid from the tensors; heads from what the file
    /// or the configuration beside it says, from `heads`, or from the published model of this width and depth.
    /// - Parameters heads, decoderHeads: what the user says where the file is silent; refused where it says otherwise.
    /// - Parameters imageHeight, imageWidth: the user's, before the file's: positions are brought to that grid.
    /// - Parameters mean, deviation: the user's, before the file's.
    package init(
        _ file: Checkpoint, heads: Int?, decoderHeads: Int? = nil, imageHeight: Int?, imageWidth: Int?, mean: [Float]? = nil,
        deviation: [Float]? = nil
    ) throws {
        if file.metadata["curricle.model"] != nil {
            guard let known = WeightsFile.ownConfiguration(file), known.problem == nil else {
                throw LearningError.file(path: file.path, reason: "its metadata's curricle.model cannot be read")
            }
            model = known
            let pixels = file.metadata["curricle.pixels"].flatMap {
                try? JSONDecoder().decode(PixelNormalization.self, from: Data($0.utf8))
            }
            normalization = pixels ?? .standard(channels: known.channels)
            for (name, said, known) in [(SettingName.heads, heads, model.heads), (.decoderHeads, decoderHeads, model.decoderHeads)] {
                if let said, said != known { throw LearningError.file(path: file.path, reason: "says \(name) \(known), not \(said)") }
            }
            model.imageHeight = imageHeight ?? model.imageHeight
            model.imageWidth = imageWidth ?? model.imageWidth
        } else {
            model = try WeightsDescription.fromShapes(file, heads: heads, imageHeight: imageHeight, imageWidth: imageWidth)
            if heads == nil, file.facts.heads == nil {
                notes.append(
                    "\(file.path): \(model.heads) heads are assumed, as published models of width \(model.embedWidth) have them; "
                        + "\(.heads) says otherwise"
                )
            }
            normalization = .standard(channels: model.channels)
            normalization.mean = file.facts.mean ?? normalization.mean
            normalization.std = file.facts.deviation ?? normalization.std
            try describeDecoder(file, decoderHeads)
        }
        notes += file.notes
        if let problem = model.problem { throw LearningError.file(path: file.path, reason: Message(problem)) }
        if let positions = try WeightsFile.assumedGrid(file, model) { notes.append(positions) }
        if let mean { normalization.mean = mean }
        if let deviation { normalization.std = deviation }
        do { try normalization.validate(channels: model.channels) } catch { throw LearningError.file(path: file.path, reason: "\(error)") }
    }

    /// Refuses a file that says another number of heads than a model has: no shape would show it.
    package static func requireHeads(_ file: Checkpoint, _ model: ModelConfiguration) throws {
        _ = try agreed(file, .heads, model.heads, WeightsFile.ownConfiguration(file)?.heads ?? file.facts.heads)
    }

    /// - Throws: `LearningError.configuration` where an image's class token is asked for, and the encoder has none.
    package func requireClassToken() throws(LearningError) {
        if model.hasClassToken == false {
            throw .configuration("this encoder has no class token: give \(.pool, FeaturePooling.mean.rawValue)")
        }
    }

    /// - Throws: `LearningError.file` for an encoder that is only computed here, not trained.
    package static func requireTrainable(_ file: Checkpoint) throws {
        guard file.shape(of: "reg_token") == nil else {
            throw LearningError.file(
                path: file.path,
                reason: "has registers or a distillation token, which are not trained here: its features can be computed")
        }
        guard file.shape(of: "cls_token") != nil else {
            throw LearningError.file(path: file.path, reason: "has no class token, which training needs: its features can be computed")
        }
    }

    /// - Throws: `LearningError.configuration` for a layer that the encoder does not have.
    package func requireLayer(_ layer: Int) throws {
        if !(1...model.depth).contains(layer) {
            throw LearningError.configuration("\(.layer) \(layer): the encoder has layers 1 to \(model.depth)")
        }
    }

    private static func fromShapes(_ file: Checkpoint, heads: Int?, imageHeight: Int?, imageWidth: Int?) throws -> ModelConfiguration {
        guard let patch = file.shape(of: "patch_embed.proj.weight") else {
            throw TensorFileError.missingTensor(path: file.path, name: "patch_embed.proj.weight")
        }
        guard patch.count == 4, patch[2] == patch[3], patch.allSatisfy({ (1...65536).contains($0) }) else {
            throw LearningError.file(path: file.path, reason: "tensor patch_embed.proj.weight has shape \(patch), not [D, C, p, p]")
        }
        let width = patch[0], depth = max(1, blocks(file, "blocks"))
        guard let heads = try agreed(file, .heads, heads, file.facts.heads) ?? ModelFacts.publishedHeads(width: width, depth: depth) else {
            let published: Message = ModelFacts.otherHeads[width].map { ", and published models of width \(width) have \($0)" } ?? ""
            throw LearningError.file(path: file.path, reason: "does not say how many heads its attention has\(published): give \(.heads)")
        }
        var height = imageHeight ?? file.facts.imageHeight, columns = imageWidth ?? file.facts.imageWidth
        if height == nil, let position = file.shape(of: "pos_embed"), position.count == 3, let side = squareRoot(position[1] - 1),
            side <= 65536
        {
            (height, columns) = (side * patch[2], side * patch[2])
        }
        guard let height else { throw LearningError.file(path: file.path, reason: "does not say its image size: give \(.imageSize)") }
        var model = ModelConfiguration(
            imageHeight: height, imageWidth: columns ?? height, patchSize: patch[2], channels: patch[1], embedWidth: width, depth: depth,
            heads: heads,
            maskerHeads: width % 4 == 0 ? 4 : 1)
        if let hidden = file.shape(of: "blocks.0.mlp.fc1.weight")?.first {
            guard hidden % width == 0, hidden > 0 else {
                throw LearningError.file(
                    path: file.path, reason: "tensor blocks.0.mlp.fc1.weight has \(hidden) rows, which is no multiple of the width \(width)"
                )
            }
            model.mlpRatio = hidden / width
        }
        model.layerNormEpsilon = file.facts.epsilon
        if file.shape(of: "cls_token") == nil {
            guard file.layout == .timm, file.shape(of: "pos_embed") != nil else {
                throw LearningError.file(
                    path: file.path, reason: "has no class token (cls_token), which only timm's files are known to leave out")
            }
            model.hasClassToken = false
        }
        if let registers = file.shape(of: "reg_token") {
            guard registers.count == 3, registers[0] == 1, registers[1] > 0, registers[2] == width else {
                throw LearningError.file(path: file.path, reason: "tensor reg_token has shape \(registers), not [1, R, \(width)]")
            }
            model.registers = registers[1]
        }
        let lastNorms = (file.shape(of: "norm.weight"), file.shape(of: "fc_norm.weight"))
        if lastNorms.0 == nil, lastNorms.1 != nil { model.normalizesPooled = true }
        if lastNorms.0 != nil, lastNorms.1 != nil {
            throw LearningError.file(
                path: file.path,
                reason: "holds both norm and fc_norm: the mean of tokens that have passed a norm, through another, cannot be computed here")
        }
        return model
    }

    /// Sizes of decoder and masker, where the file has them; what is not known of them does not matter to the encoder.
    private mutating func describeDecoder(_ file: Checkpoint, _ heads: Int?) throws {
        let maskerDepth = WeightsDescription.blocks(file, "masking_net.blocks")
        if maskerDepth > 0 { model.maskerDepth = maskerDepth }
        guard let shape = file.shape(of: "decoder_embed.weight"), shape.count == 2, (1...65536).contains(shape[0]) else {
            knowsDecoder = false
            return
        }
        let depth = WeightsDescription.blocks(file, "decoder_blocks")
        // 16 heads of 32: the decoder of every published MAE.
        let known =
            try WeightsDescription.agreed(file, .decoderHeads, heads, file.facts.decoderHeads) ?? (shape[0] == 512 && depth == 8 ? 16 : nil)
        knowsDecoder = known != nil
        guard depth > 0, shape[0] % 4 == 0 else { return }
        (model.decoderWidth, model.decoderDepth, model.decoderHeads) = (shape[0], depth, known ?? 1)
    }

    /// What the user says and what the file says, which must not differ.
    private static func agreed(_ file: Checkpoint, _ setting: SettingName, _ said: Int?, _ known: Int?) throws -> Int? {
        if let said, let known, said != known { throw LearningError.file(path: file.path, reason: "says \(setting) \(known), not \(said)") }
        return said ?? known
    }

    /// How many blocks a file has under a name, going by the last: what is missing before it is found missing.
    private static func blocks(_ file: Checkpoint, _ name: String) -> Int {
        let indices = file.names.compactMap { ReferenceNames.inBlocks($0) }.filter { $0.stack == name }.compactMap { Int($0.index) }
        return min(indices.max() ?? -1, 1 << 16) + 1
    }
}
