import Foundation
import CurricleSettings
import CurricleTerminal
import CurricleVision
import CurricleWeights

/// What commands say and ask of a checkpoint that they read.
enum CheckpointCommands {
    static let options = WeightsOptions.encoder + WeightsOptions.decoder
    /// Part of both commands' help: what is made of weights keeps their licence.
    static let licence = "MAE's published weights are CC-BY-NC 4.0 (no commercial use), and so is what comes of them"

    static func contents(_ a: Arguments, _ path: String, layout: CheckpointLayout?) throws -> CheckpointContents {
        let file = try WeightsOptions.checkpoint(a, path, layout: layout)
        return try CheckpointContents(file, WeightsOptions.description(a, file, decoderHeads: a.intIfGiven("decoder-num-heads")))
    }

    /// What a file of weights holds, and how it was made where it says so.
    static func inspect(_ a: Arguments, _ path: String) throws {
        let file = try WeightsOptions.checkpoint(a, path), contents = try contents(a, path, layout: nil)
        print(path)
        report(contents)
        let m = contents.description.model, pixels = contents.description.normalization
        print(
            "channels \(m.channels), \(m.patches) patches, MLPs of \(m.mlpRatio) times the width, norms' ε \(m.epsilon)"
                + (m.registers.map { ", \($0) registers" } ?? "") + (m.hasClassToken == false ? ", no class token" : ""))
        print("pixels: mean \(pixels.mean), deviation \(pixels.std)")
        let said = file.metadata.filter { $0.key != "format" && $0.key != "curricle.model" && $0.key != "curricle.pixels" }
        for (key, value) in said.sorted(by: { $0.key < $1.key }) {
            print("\(key): \(visible(value.count > 200 ? "\(value.prefix(200)) …" : value))")
        }
    }

    /// What was in the file, and what was left out.
    static func report(_ contents: CheckpointContents) {
        let m = contents.description.model
        let sizes =
            "width \(m.embedWidth), depth \(m.depth), \(m.heads) heads, patches of \(m.patchSize) in images of "
            + "\(m.imageHeight)×\(m.imageWidth)"
        print("layout \(contents.layout.rawValue): \(sizes)")
        let parts = [("encoder", true), ("decoder", contents.hasDecoder), ("masker", contents.hasMasker), ("classifier", contents.hasHead)]
        print("holds \(parts.filter(\.1).map(\.0).joined(separator: ", ")): \(contents.tensorCount) tensors")
        for note in contents.notes { print(note.withOptions) }
        for (title, names) in [("missing", contents.missing), ("unexpected, left out", contents.unexpected)] where !names.isEmpty {
            let more = names.count > 20 ? " and \(names.count - 20) more" : ""
            print("\(title) (\(names.count)): \(names.prefix(20).joined(separator: ", "))\(more)")
        }
    }
}

/// Reads the checkpoint of another program.
enum ImportCommand {
    static let command = Command(
        name: "import", summary: "turn a checkpoint of MAE, CL-MAE, timm or Hugging Face into our safetensors",
        options: [
            SharedOptions.output("OUT.safetensors", "the file to write; \(CheckpointCommands.licence)"),
            .value("layout", "KIND", .word(of: CheckpointLayout.self), "whose names the file has (default: told from them)")
        ] + CheckpointCommands.options,
        arguments: "FILE", argumentCount: 1...1,
        example: "curricle import mae_pretrain_vit_base.pth -o base.safetensors")

    static func run(_ a: Arguments) throws -> Int32 {
        let layout = try a.choiceIfGiven("layout", CheckpointLayout.self), output = try a.string("output")
        let contents = try CheckpointCommands.contents(a, a.positional[0], layout: layout)
        try contents.importTo(output)
        CheckpointCommands.report(contents)
        print("wrote \(output)")
        return 0
    }
}

/// Writes weights for another program.
enum ExportCommand {
    static let command = Command(
        name: "export", summary: "write weights for MAE's code, timm, Hugging Face or ONNX Runtime",
        options: [
            .value("weights", "FILE", .path(.file), "a run's model.safetensors, or any file that import reads", short: "w"),
            .value(
                "layout", "KIND", .word(of: CheckpointExport.Format.self),
                "mae, timm, hf (a folder with config.json) or onnx (pixel_values to last_hidden_state)"),
            .value(
                "part", "PART", .word(of: CheckpointExport.Part.self),
                "encoder or all (default: all for mae and hf, encoder for timm and onnx; timm's all adds a classifier)"),
            SharedOptions.output("OUT", "the file to write, or the folder for hf; \(CheckpointCommands.licence)", .either)
        ] + CheckpointCommands.options,
        example: "curricle export --weights run/model.safetensors --layout timm -o vit.safetensors")

    static func run(_ a: Arguments) throws -> Int32 {
        let format: CheckpointExport.Format = try a.choice("layout"), output = try a.string("output")
        let part = try a.choiceIfGiven("part", CheckpointExport.Part.self)
        let contents = try CheckpointCommands.contents(a, a.string("weights"), layout: nil)
        let files = try CheckpointExport.write(contents, format, part: part, to: output)
        CheckpointCommands.report(contents)
        let epsilon = contents.description.model.epsilon
        if format == .mae || format == .timm, epsilon != 1e-6 {
            print("its norms add \(epsilon) to a variance, where those of \(format.rawValue) add 1e-06: tell the model that reads it")
        }
        print("wrote \(files.joined(separator: ", "))")
        return 0
    }
}
