import CurricleEngine
import Foundation
import CurricleModels
import CurricleSettings
import CurricleStorage
import CurricleVision

/// Writes weights as other programs read them.
package enum CheckpointExport {
    package enum Format: String, Sendable, CaseIterable { case mae, timm, hf, onnx }
    package enum Part: String, Sendable, CaseIterable { case encoder, all }

    /// - Parameters:
    ///   - part: nil for what the format is used for: the encoder for timm and ONNX, everything for the others.
    ///   - output: a file; for `hf` a folder, or a file in the folder that `config.json` goes to.
    /// - Returns: the files that were written.
    /// - Throws: `LearningError` where the format has no place for what is asked, `FileError`, or what reading throws.
    package static func write(_ contents: CheckpointContents, _ format: Format, part given: Part?, to output: String) throws -> [String] {
        guard contents.description.model.hasClassToken != false else {
            throw LearningError.file(path: contents.path, reason: "has no class token, which the layouts that are written have")
        }
        guard !replacesSource(contents, output) else {
            throw LearningError.file(path: output, reason: "is what is exported: choose another name")
        }
        let part = given ?? (format == .mae || format == .hf ? .all : .encoder)
        switch format {
        case .mae:
            try WeightsFile.write(part == .all ? contents.all : contents.encoder, metadata: contents.metadata, to: output)
        case .timm:
            // timm takes a file with a mask token for a DINOv2, and refuses what its model does not have.
            try WeightsFile.write(contents.encoder + (part == .all ? contents.head : []), metadata: ["format": "pt"], to: output)
        case .hf: return try writeHuggingFace(contents, part, to: output)
        case .onnx:
            guard part == .encoder else {
                throw LearningError.configuration(
                    "\(.layout, Format.onnx.rawValue) writes the encoder alone: leave out \(.exportedPart, Part.all.rawValue)")
            }
            try ONNXEncoder(contents).write(to: output)
        }
        return [output]
    }

    /// Whether a file is the one whose weights are exported, under whatever name.
    private static func replacesSource(_ contents: CheckpointContents, _ file: String) -> Bool {
        let replaced = FileFacts(ByteName(file))?.identity
        return replaced != nil && replaced == FileFacts(ByteName(contents.path))?.identity
    }

    private static func writeHuggingFace(_ contents: CheckpointContents, _ part: Part, to output: String) throws -> [String] {
        guard contents.description.model.normalizesPooled != true else {
            throw LearningError.file(
                path: contents.path, reason: "ends with fc_norm, which Hugging Face's ViTMAE has no place for: export it as timm")
        }
        let c = contents.description.model
        // transformers 5 takes the positions of any encoder from the file, but its decoder's are made for a square.
        guard c.gridRows == c.gridColumns || part == .encoder || !contents.hasDecoder else {
            throw LearningError.file(
                path: contents.path,
                reason:
                    "has \(c.gridRows)×\(c.gridColumns) patches, and transformers' ViTMAE decodes squares alone: give "
                    + "\(.exportedPart, Part.encoder.rawValue)"
            )
        }
        let isFolder = !output.hasSuffix(".safetensors")
        let file = isFolder ? "\(output)/model.safetensors" : output
        let folder = URL(fileURLWithPath: file).deletingLastPathComponent().path
        // A run keeps its weights and its settings under the very names that transformers wants.
        guard !FileManager.default.fileExists(atPath: "\(folder)/log.jsonl"),
            !replacesSource(contents, file)
        else {
            throw LearningError.file(path: folder, reason: "holds the run or the weights that are exported: choose another folder")
        }
        try makeFolder(folder)
        let sources = part == .all ? contents.encoder + contents.decoder : contents.encoder
        try WeightsFile.write(sources.flatMap(renamed), metadata: ["format": "pt"], to: file)
        let configuration = try json(configuration(contents, withDecoder: part == .all && contents.hasDecoder))
        try DurableFile.write(configuration, to: "\(folder)/config.json")
        try DurableFile.write(try json(preprocessing(contents)), to: "\(folder)/preprocessor_config.json")
        return [file, "\(folder)/config.json", "\(folder)/preprocessor_config.json"]
    }

    /// Under Hugging Face's names; `qkv` as its three thirds.
    private static func renamed(_ source: WeightsFile.Source) -> [WeightsFile.Source] {
        guard let names = HuggingFaceNames.names(source.name) else { return [] }
        guard names.count > 1 else { return [(names[0], source.shape, source.values)] }
        let rows = source.shape[0] / names.count, count = source.shape.reduce(1, *) / names.count
        return names.enumerated().map { third, name in
            (name, [rows] + source.shape.dropFirst(), { Array(try source.values()[(third * count)..<((third + 1) * count)]) })
        }
    }

    private static func configuration(_ contents: CheckpointContents, withDecoder: Bool) -> [String: Any] {
        let c = contents.description.model, training = StepOptions(weights: contents.metadata)
        var members: [String: Any] = [
            "architectures": [withDecoder ? "ViTMAEForPreTraining" : "ViTMAEModel"], "model_type": "vit_mae", "dtype": "float32",
            "torch_dtype": "float32",
            "hidden_size": c.embedWidth, "num_hidden_layers": c.depth, "num_attention_heads": c.heads,
            "intermediate_size": c.mlpRatio * c.embedWidth,
            "hidden_act": "gelu", "layer_norm_eps": Double("\(c.epsilon)") ?? 1e-6, "qkv_bias": true, "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "image_size": c.imageHeight == c.imageWidth ? c.imageHeight : [c.imageHeight, c.imageWidth], "patch_size": c.patchSize,
            "num_channels": c.channels,
            "mask_ratio": training.maskRatio, "norm_pix_loss": training.normalizedTargets
        ]
        if withDecoder {
            members["decoder_hidden_size"] = c.decoderWidth
            members["decoder_num_hidden_layers"] = c.decoderDepth
            members["decoder_num_attention_heads"] = c.decoderHeads
            members["decoder_intermediate_size"] = c.mlpRatio * c.decoderWidth
        }
        return members
    }

    private static func preprocessing(_ contents: CheckpointContents) -> [String: Any] {
        let c = contents.description.model, pixels = contents.description.normalization
        func values(_ list: [Float]) -> [Double] { (0..<c.channels).map { Double("\(list[min($0, list.count - 1)])") ?? 0 } }
        return [
            "image_processor_type": "ViTImageProcessor", "do_resize": true, "size": ["height": c.imageHeight, "width": c.imageWidth],
            "resample": 3,
            "do_rescale": true, "rescale_factor": 1.0 / 255, "do_normalize": true, "image_mean": values(pixels.mean),
            "image_std": values(pixels.std)
        ]
    }

    private static func json(_ members: [String: Any]) throws -> [UInt8] {
        Array(try JSONSerialization.data(withJSONObject: members, options: [.prettyPrinted, .sortedKeys])) + [0x0A]
    }
}
