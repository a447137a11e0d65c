import CurricleDatasets
import Foundation
import CurricleModels
import CurricleSettings
import CurricleTestSupport
import Testing
import CurricleVision
@testable import CurricleEngine
@testable import CurricleFeatures
@testable import CurricleStorage
@testable import CurricleWeights

/// Files of tools/make_wrapped_fixtures.py, beside the features that timm computes of them.
@Suite("Checkpoints as trainers save them") struct WrappedCheckpointTests {
    private static func path(_ name: String) -> String { checkpointFixture("wrapped/\(name)") }

    private struct Expected: Decodable {
        let cls: [Float], mean: [Float], fc_norm: [Float]
        func values(_ pool: Pooling) -> [Float] { pool == .cls ? cls : pool == .mean ? mean : fc_norm }
    }

    private static func expected(_ name: String) throws -> Expected {
        let object = try #require(
            JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path("features.json")))) as? [String: Any])
        return try JSONDecoder().decode(Expected.self, from: JSONSerialization.data(withJSONObject: try #require(object[name])))
    }

    private static func extractor(
        _ path: String, _ pool: Pooling = .cls, key: String? = nil, image: (height: Int, width: Int)? = nil, heads: Int? = 2
    ) throws -> FeatureExtractor {
        let extractor = try FeatureExtractor(
            weights: path, heads: heads, imageHeight: image?.height, imageWidth: image?.width, pool: pool, key: key, threads: 1, isa: .best)
        extractor.preprocessing = .none
        return extractor
    }

    private static func error(
        _ name: String, key: String? = nil, image: (height: Int, width: Int)? = nil, pixels: String = "8x8", _ expected: String
    ) throws -> Float {
        let pools: [Pooling] = [.cls, .mean, .normalizedMean],
            source = try openDataset(at: ByteName(stored: path("\(pixels).npy")), role: .train)
        let theirs = try Self.expected(expected)
        return try pools.map { pool in
            Float(relativeError(try extractor(path(name), pool, key: key, image: image).features(source, pool: pool), theirs.values(pool)))
        }.max() ?? .infinity
    }

    @Test(
        "the only vision transformer of a file is taken, whatever stands before its names",
        arguments: [
            "module.pth", "lightning.ckpt", "lightly.ckpt", "deepspeed.pt", "config.pth", "net.pth", "kinds.pth", "backbone.safetensors",
            "safetensors-as.pth"
        ])
    func wrapped(name: String) throws {
        #expect(try Self.error(name, "plain") < 1e-5)
        #expect(try Checkpoint(path: Self.path(name)).notes.isEmpty)
    }

    @Test(
        "of a model and its average the average is taken, as timm does, and both are named",
        arguments: [("ema.pth.tar", "state_dict"), ("model-ema.pth", "model")])
    func average(name: String, plain: String) throws {
        #expect(try Self.error(name, "plain") < 1e-5)
        let note = try #require(Self.extractor(Self.path(name)).description.notes.first).description
        #expect(note.contains("ema") && note.contains("weights-key \(plain)"))
        #expect(try Self.error(name, key: plain, "other") < 1e-5)
    }

    @Test(
        "of several that are no average of each other one must be named",
        arguments: [
            ("dino.pth", "student.backbone", "teacher.backbone", "teacher", "plain"),
            ("two.pth", "encoder", "target_encoder", "target_encoder", "other")
        ])
    func several(name: String, first: String, second: String, key: String, expected: String) throws {
        let error = try #require(#expect(throws: LearningError.self) { try Checkpoint(path: Self.path(name)) })
        #expect(error.message.description.contains("give weights-key, one of \(first), \(second)"))
        #expect(try Self.error(name, key: key, expected) < 1e-5)
        #expect(throws: LearningError.self) { try Checkpoint(path: Self.path(name), key: "tutor") }
    }

    @Test("floats of eight bits are torch's", arguments: ["e4m3fn", "e5m2", "e4m3fnuz", "e5m2fnuz"])
    func eightBits(name: String) throws {
        let object = try #require(
            JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: Self.path("features.json")))) as? [String: Any])
        let theirs = try #require(object[name] as? [String]).map { try #require(Float($0)) }
        let found = try PyTorchFile(path: Self.path("\(name).pth")).floats("every")
        #expect(found.count == 256 && zip(found, theirs).allSatisfy { $0 == $1 && $0.sign == $1.sign || $0.isNaN && $1.isNaN })
    }

    @Test("positions whose shape says two things are asked for, and then read as they are")
    func grids() throws {
        // 16 positions: 4×4 patches, or 3×5 and the class token.
        let error = try #require(#expect(throws: LearningError.self) { try Self.extractor(Self.path("oblong.safetensors")) })
        #expect(error.message.description.contains("3×5") && error.message.description.contains("image-size"))
        #expect(try Self.error("oblong.safetensors", image: (12, 20), pixels: "12x20", "oblong") < 1e-5)
        // 10 positions: 3×3 and the class token, or 2×5 patches alone.
        #expect(try Self.error("bare.safetensors", image: (8, 20), pixels: "8x20", "bare") < 1e-5)
        #expect(try Self.extractor(Self.path("bare.safetensors")).description.notes.contains { $0.description.contains("2×5") })
        #expect(try Self.error("square.safetensors", pixels: "16x16", "square") < 1e-5)
        #expect(try Self.error("square.safetensors", image: (8, 32), pixels: "8x32", "square 8,32") < 1e-5)
        let notes = try Self.extractor(Self.path("square.safetensors"), image: (8, 32)).description.notes
        #expect(notes.map(\.description).contains { $0.contains("4×4") && $0.contains("2×8") })
    }

    @Test("a run's folder, or one of Hugging Face's, is taken for its model")
    func folders() throws {
        #expect(try Checkpoint(path: checkpointFixture("hf-mae")).layout == .hf)
        let folder = try TemporaryFolder()
        #expect(throws: LearningError.self) { try Checkpoint(path: folder.path) }
    }

    @Test(
        "what is no weights is said to be what it is",
        arguments: [
            ("version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 3\n", "Git LFS pointer"),
            ("<!DOCTYPE html>\n<html>", "web page"), ("", "empty"),
            ("{\"model_type\": \"vit\"}", "JSON"), ("GGUF\u{3}\0\0\0", "GGUF"), ("GIF89a........", "GIF")
        ])
    func foreign(text: String, what: String) throws {
        let folder = try TemporaryFolder()
        for name in ["a.pth", "a.safetensors"] {
            let path = try folder.write(name, Array(text.utf8)), error = #expect(throws: LearningError.self) { try Checkpoint(path: path) }
            #expect(try #require(error).message.description.contains(what))
        }
    }

    @Test("weights that are not finite are refused by name")
    func notFinite() throws {
        let folder = try TemporaryFolder(), source = try TensorFile(path: Self.path("square.safetensors"))
        let tensors: [WeightsFile.Source] = source.names.map { name in
            (
                name, source.shape(of: name) ?? [],
                { try source.floats(name).enumerated().map { name == "blocks.1.attn.proj.weight" && $0 == 5 ? .nan : $1 } }
            )
        }
        try WeightsFile.write(tensors, metadata: [:], to: folder.file("nan.safetensors"))
        let file = try Checkpoint(path: folder.file("nan.safetensors"))
        for attempt in [
            { _ = try Self.extractor(folder.file("nan.safetensors")) },
            {
                try CheckpointContents(file, WeightsDescription(file, heads: 2, imageHeight: nil, imageWidth: nil)).importTo(
                    folder.file("out.safetensors"))
            }
        ] {
            let error = #expect(throws: LearningError.self, performing: attempt)
            #expect(try #require(error).message.description.contains("blocks.1.attn.proj.weight"))
        }
        #expect(try !folder.names().contains("out.safetensors"))
    }

    /// Hugging Face's fixture with configurations beside it.
    private func facts(_ files: [String: String], of name: String) throws -> WeightsDescription {
        let folder = try TemporaryFolder()
        try FileManager.default.copyItem(atPath: checkpointFixture(name), toPath: folder.file("model.safetensors"))
        for (name, text) in files { try folder.write(name, Array(text.utf8)) }
        return try WeightsDescription(Checkpoint(path: folder.path), heads: nil, imageHeight: nil, imageWidth: nil)
    }

    private static let processors: [(text: String, mean: [Float], deviation: [Float])] = [
        (#"{"image_mean": [0, 0.5, 0], "image_std": [1, 0.25, 1]}"#, [0, 0.5, 0], [1, 0.25, 1]),
        (#"{"do_normalize": false, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}"#, [0], [1]),
        (#"{"rescale_factor": 0.00784313725490196, "image_mean": [1, 1, 1], "image_std": [1, 1, 1]}"#, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
        (#"{"do_rescale": false, "image_mean": [51, 102, 153], "image_std": [255, 51, 25.5]}"#, [0.2, 0.4, 0.6], [1, 0.2, 0.1]),
        (#"{"do_resize": true}"#, [0.5], [0.5])
    ]

    @Test("pixels are transformers': rescaled and normalised as its processor says, or not", arguments: processors)
    func pixels(text: String, mean: [Float], deviation: [Float]) throws {
        let configuration = #"{"model_type": "vit", "num_attention_heads": 4, "image_size": 32}"#
        for files in [["preprocessor_config.json": text], ["processor_config.json": "{\"image_processor\": \(text)}"]] {
            let found = try facts(files.merging(["config.json": "\u{FEFF}" + configuration]) { $1 }, of: "hf-new-names.safetensors")
                .normalization
            #expect(found.mean.count == mean.count && zip(found.mean, mean).allSatisfy { abs($0 - $1) < 1e-6 })
            #expect(found.std.count == deviation.count && zip(found.std, deviation).allSatisfy { abs($0 - $1) < 1e-6 })
        }
        #expect(throws: LearningError.self) {
            try facts(["config.json": configuration, "preprocessor_config.json": #"{"rescale_factor": 0}"#], of: "hf-new-names.safetensors")
        }
    }

    @Test(
        "pictures that a file wants prepared otherwise than here are said, by the names that its configuration has",
        arguments: [
            (#""crop_pct": 0.875, "interpolation": "bicubic", "crop_mode": "center""#, nil),
            (#""input_size": [3, 384, 384], "crop_pct": 1.0"#, nil),
            (#""crop_pct": 0.9"#, "(crop_pct 0.9)"), (#""input_size": [3, 384, 384], "crop_pct": 0.875"#, "(crop_pct 0.875)"),
            (#""interpolation": "bilinear", "crop_mode": "squash""#, "(interpolation bilinear, crop_mode squash)")
        ])
    func otherPixels(configuration: String, said: String?) throws {
        let text = "{\"architecture\": \"vit_test\", \"model_args\": {\"num_heads\": 4}, \"pretrained_cfg\": {\(configuration)}}"
        let notes = try facts(["config.json": text], of: "timm.safetensors").notes.map(\.description).filter { $0.contains("prepares") }
        #expect(said.map { said in notes.count == 1 && notes[0].contains(said) } ?? notes.isEmpty, "\(notes)")
    }

    @Test(
        "what timm's configuration says of layers is computed, or refused by its name",
        arguments: [
            (#""act_layer": "gelu", "norm_layer": "layernorm", "num_heads": 4"#, nil),
            (#""act_layer": "quick_gelu", "num_heads": 4"#, "act_layer quick_gelu"),
            (#""act_layer": "gelu_tanh""#, "act_layer gelu_tanh"), (#""norm_layer": "rmsnorm""#, "norm_layer rmsnorm"),
            (#""global_pool": "avgmax""#, "global_pool avgmax"),
            (#""pool_include_prefix": true"#, "pool_include_prefix true"), (#""rope_type": "axial""#, "rope_type axial")
        ])
    func timmsArguments(arguments: String, refused: String?) throws {
        let text =
            "{\"architecture\": \"vit_test\", \"model_args\": {\(arguments)}, \"pretrained_cfg\": {\"mean\": [0.1, 0.2, 0.3], "
            + "\"std\": [1, 1, 1]}}"
        guard let refused else {
            return #expect(try facts(["config.json": text], of: "timm.safetensors").normalization.mean == [0.1, 0.2, 0.3])
        }
        let error = #expect(throws: LearningError.self) { try facts(["config.json": text], of: "timm.safetensors") }
        #expect(try #require(error).message.description.contains("config.json says \(refused)"))
    }

    @Test("heads that nothing shows are assumed and said, or asked for where published models differ")
    func heads() throws {
        #expect(ModelFacts.publishedHeads(width: 1024, depth: 24) == 16 && ModelFacts.publishedHeads(width: 384, depth: 12) == nil)
        let folder = try TemporaryFolder()
        func describe(width: Int) throws -> WeightsDescription {
            let c = ModelConfiguration(imageHeight: 32, imageWidth: 32, patchSize: 16, embedWidth: width, depth: 12, heads: width / 64)
            let tensors: [WeightsFile.Source] =
                ModelParameters(c, parts: .encoder).all.filter { !$0.parameter.name.contains("mlp") }.map { parameter in
                    (
                        parameter.parameter.name, parameter.referenceShape,
                        { Array(repeating: 0, count: parameter.referenceShape.reduce(1, *)) }
                    )
                } + [("pos_embed", [1, 5, width], { Array(repeating: 0, count: 5 * width) })]
            try WeightsFile.write(tensors, metadata: [:], to: folder.file("a.safetensors"))
            return try WeightsDescription(Checkpoint(path: folder.file("a.safetensors")), heads: nil, imageHeight: nil, imageWidth: nil)
        }
        let base = try describe(width: 768)
        #expect(base.model.heads == 12 && base.notes.contains { $0.description.contains("12 heads are assumed") })
        let error = try #require(#expect(throws: LearningError.self) { try describe(width: 384) })
        #expect(
            error.message.description.contains("6 (") && error.message.description.contains("12 (")
                && error.message.description.contains("num-heads"))
    }

    @Test("a rectangle's decoder is not exported for Hugging Face, whose ViTMAE decodes squares alone; its encoder is")
    func rectangles() throws {
        var c = ModelConfiguration(imageHeight: 8, imageWidth: 12, patchSize: 4, embedWidth: 8, depth: 1, heads: 2)
        (c.decoderWidth, c.decoderDepth, c.decoderHeads, c.maskerDepth) = (8, 1, 2, 1)
        let folder = try TemporaryFolder(), model = try ModelRuntime(c, trains: false, threads: 1, isa: .best)
        model.initialize(seed: 1)
        let metadata = WeightsMetadata(model: c, normalization: .imageNet).entries
        try WeightsFile.write(WeightsFile.tensors(of: model), metadata: metadata, to: folder.file("a.safetensors"))
        let file = try Checkpoint(path: folder.file("a.safetensors"))
        let contents = try CheckpointContents(file, WeightsDescription(file, heads: nil, imageHeight: nil, imageWidth: nil))
        let error = #expect(throws: LearningError.self) { try CheckpointExport.write(contents, .hf, part: nil, to: folder.file("hf")) }
        #expect(try #require(error).message.description.contains("2×3 patches") && !folder.names().contains("hf"))
        #expect(try CheckpointExport.write(contents, .hf, part: .encoder, to: folder.file("hf")).count == 3)
    }
}
