import CurricleDatasets
import Foundation
import CurricleModels
import CurricleSettings
import CurricleTestSupport
import Testing
@testable import CurricleEngine
@testable import CurricleFeatures
@testable import CurricleStorage
@testable import CurricleWeights

/// Features of other programs' checkpoints beside those that the programs compute (in float64).
@Suite struct CheckpointFeatureTests {
    @Test(
        "features are theirs", arguments: ["timm.safetensors", "timm.pth", "mae.pth", "pooled.safetensors", "hf-new-names.safetensors"],
        [Pooling.cls, .mean])
    func featuresAreTheirs(name: String, pool: Pooling) throws {
        let expected = try ExpectedFeatures.of(name)
        #expect(relativeError(try features(checkpointFixture(name), pool), pool == .cls ? expected.cls : expected.mean) < 1e-5)
    }

    /// Heads, and the epsilon of 1e-12, from the config.json beside it.
    @Test("features of a ViTMAE", arguments: [Pooling.cls, .mean])
    func featuresOfViTMAE(pool: Pooling) throws {
        let name = "hf-mae/model.safetensors", expected = try ExpectedFeatures.of(name)
        #expect(relativeError(try features(checkpointFixture(name), pool, heads: nil), pool == .cls ? expected.cls : expected.mean) < 1e-5)
    }

    @Test(
        "features of encoders with LayerScale, registers, a distillation token, and without a class token",
        arguments: ["timm", "timm-registers", "hf", "hf-registers", "timm-deit", "hf-deit", "timm-no-class"], [Pooling.cls, .mean])
    func encoders(name: String, pool: Pooling) throws {
        let folder = checkpointFixture("encoders/\(name)"), expected = try TensorFile(path: "\(folder)/expected.safetensors")
        let pictures = try openDataset(at: checkpointFixture("encoders/pictures"), role: .test)
        func features(_ path: String) throws -> [Float] {
            let extractor = try FeatureExtractor(weights: path, heads: 2, imageHeight: 42, imageWidth: 42, threads: 1, isa: .best)
            extractor.preprocessing = .none
            return try extractor.features(pictures, pool: pool)
        }
        if name == "timm-no-class", pool == .cls {
            let error = #expect(throws: LearningError.self) { try features(folder) }
            #expect(error.map { "\($0)" }?.contains("no class token") == true)
            return
        }
        #expect(try relativeError(features(folder), expected.doubles(pool.rawValue).map(Float.init)) < 1e-5)
        // What import writes is such an encoder with plain names; it is not trained on.
        let copy = try TemporaryFolder(), file = try Checkpoint(path: folder, image: (42, 42))
        let description = try WeightsDescription(file, heads: 2, imageHeight: 42, imageWidth: 42)
        try CheckpointContents(file, description).importTo(copy.file("copy.safetensors"))
        #expect(try features(copy.file("copy.safetensors")) == features(folder))
        if !["timm", "hf"].contains(name) { #expect(throws: LearningError.self) { try WeightsDescription.requireTrainable(file) } }
    }

    @Test("positions of another grid as timm brings them", arguments: [Pooling.cls, .mean])
    func positionsOfAnotherGridAsTimmBringsThem(pool: Pooling) throws {
        let expected = try ExpectedFeatures.of("timm.safetensors 48,40")
        #expect(
            relativeError(
                try features(checkpointFixture("timm.safetensors"), pool, oblong: true), pool == .cls ? expected.cls : expected.mean) < 1e-5
        )
        // Read as MAE's, positions are brought over without antialiasing: that is another result.
        let file = try Checkpoint(path: checkpointFixture("timm.safetensors"), layout: .mae)
        let description = try WeightsDescription(file, heads: 4, imageHeight: 48, imageWidth: 40)
        let timm = try Checkpoint(path: checkpointFixture("timm.safetensors"))
        #expect(try WeightsFile.encoderPosition(file, description.model) != WeightsFile.encoderPosition(timm, description.model))
    }

    /// What import writes gives the features of what it read, epsilon and class position included.
    @Test(
        "imported files give the same features",
        arguments: ["timm.safetensors", "mae.pth", "pooled.safetensors", "hf-mae/model.safetensors"])
    func importedFilesGiveTheSameFeatures(name: String) throws {
        let folder = try TemporaryFolder(), output = folder.file("imported.safetensors")
        let file = try Checkpoint(path: checkpointFixture(name))
        try CheckpointContents(file, WeightsDescription(file, heads: 4, imageHeight: nil, imageWidth: nil)).importTo(output)
        for pool in Pooling.allCases { #expect(try features(output, pool, heads: nil) == features(checkpointFixture(name), pool)) }
        #expect(
            try TensorFile(path: output).metadata["curricle.norm_pix_loss"]
                == ["mae.pth": "true", "hf-mae/model.safetensors": "false"][name])
    }
}

@Suite struct CheckpointTests {
    private func description(_ name: String, heads: Int? = 4, decoderHeads: Int? = nil) throws -> (Checkpoint, WeightsDescription) {
        let file = try Checkpoint(path: checkpointFixture(name))
        return (file, try WeightsDescription(file, heads: heads, decoderHeads: decoderHeads, imageHeight: nil, imageWidth: nil))
    }

    private static let layouts: [(name: String, layout: CheckpointLayout)] = [
        ("timm.safetensors", .timm), ("timm.pth", .timm), ("mae.pth", .mae), ("hf-new-names.safetensors", .hf),
        ("hf-mae/model.safetensors", .hf)
    ]

    @Test("layouts are told", arguments: layouts)
    func layoutsAreTold(name: String, layout: CheckpointLayout) throws {
        #expect(try Checkpoint(path: checkpointFixture(name)).layout == layout)
    }

    @Test("sizes come from shapes and the files beside") func sizesComeFromShapesAndTheFilesBeside() throws {
        let (_, pooled) = try description("pooled.safetensors")
        #expect(
            pooled.model.mlpRatio == 2 && pooled.model.normalizesPooled == true && pooled.model.depth == 2 && pooled.model.imageWidth == 32)
        let (_, mae) = try description("hf-mae/model.safetensors", heads: nil)
        #expect(mae.model.heads == 4 && mae.model.layerNormEpsilon == 1e-12)
        #expect(mae.model.decoderHeads == 2 && mae.model.decoderWidth == 16 && mae.model.decoderDepth == 1)
        #expect(throws: LearningError.self) { try description("hf-mae/model.safetensors", heads: 3) }
        let silent = LearningError.file(
            path: checkpointFixture("timm.safetensors"), reason: "does not say how many heads its attention has: give \(.heads)")
        #expect(throws: silent) { try description("timm.safetensors", heads: nil) }
        #expect(ModelFacts.publishedHeads(width: 768, depth: 12) == 12 && ModelFacts.publishedHeads(width: 768, depth: 11) == nil)
    }

    @Test("parts and left out names are reported") func partsAndLeftOutNamesAreReported() throws {
        let (hf, hfDescription) = try description("hf-new-names.safetensors")
        #expect(try CheckpointContents(hf, hfDescription).unexpected == ["pooler.dense.bias", "pooler.dense.weight"])
        let (mae, unknown) = try description("mae.pth")
        let without = try CheckpointContents(mae, unknown)
        #expect(!without.hasDecoder && without.notes == ["the decoder is left out: its heads are not known: give \(.decoderHeads)"])
        let contents = try CheckpointContents(mae, description("mae.pth", decoderHeads: 4).1)
        #expect(contents.hasDecoder && !contents.hasMasker && !contents.hasHead && contents.missing.isEmpty)
    }

    /// A file of timm's fixture with one tensor changed, left out or added.
    private func changed(_ name: String, shape: [Int]?, folder: TemporaryFolder) throws -> String {
        let source = try TensorFile(path: checkpointFixture("timm.safetensors"))
        var tensors: [WeightsFile.Source] = source.names.filter { $0 != name }.map { key in
            (key, source.shape(of: key) ?? [], { try source.floats(key) })
        }
        if let shape { tensors.append((name, shape, { Array(repeating: 0.5, count: shape.reduce(1, *)) })) }
        try WeightsFile.write(tensors, metadata: [:], to: folder.file("changed.safetensors"))
        return folder.file("changed.safetensors")
    }

    private static let changes: [(name: String, shape: [Int]?, expected: [String])] = [
        ("blocks.1.mlp.fc2.weight", [24, 95], ["blocks.1.mlp.fc2.weight", "[24, 95]", "[24, 96]"]),
        ("norm.bias", [25], ["norm.bias", "[25]", "[24]"]),
        ("cls_token", [1, 24], ["cls_token", "[1, 24]", "[1, 17, 24]"]), ("pos_embed", [17, 24], ["pos_embed", "[17, 24]"]),
        ("pos_embed", [1, 17, 25], ["pos_embed", "[1, 17, 25]", "[1, 1, 24]"]),
        ("pos_embed", [1, 16, 24], ["16 positions", "4×4", "3×5", "image-size"]),
        ("pos_embed", [1, 12, 24], ["image size"]), ("patch_embed.proj.weight", [24, 3, 8], ["patch_embed.proj.weight", "[24, 3, 8]"]),
        ("blocks.0.attn.qkv.bias", nil, ["lacks blocks.0.attn.qkv.bias"]), ("pos_embed", nil, ["image size"]),
        ("blocks.3.norm1.bias", [24], ["lacks blocks.2"]),
        ("fc_norm.weight", [24], ["norm and fc_norm"]), ("rope_embed.periods", [4], ["rope_embed.periods", "positions"]),
        ("storage_tokens", [1, 4, 24], ["storage_tokens"]), ("patch_embed.proj.weight", nil, ["no vision transformer"]),
        ("reg_token", [4, 24], ["reg_token", "[4, 24]"]), ("norm_pre.weight", [24], ["norm_pre.weight", "norm before"]),
        ("blocks.0.ls1.gamma", [25], ["blocks.0.ls1.gamma", "25 numbers"]),
        ("blocks.1.attn.q_norm.weight", [6], ["blocks.1.attn.q_norm.weight", "normalises queries"]),
        ("blocks.1.attn.rel_pos", [6], ["blocks.1.attn.rel_pos", "does not know"]),
        ("dist_token", [1, 1, 24], ["image size"])
    ]

    @Test("what does not fit is named", arguments: changes)
    func whatDoesNotFitIsNamed(name: String, shape: [Int]?, expected: [String]) throws {
        let folder = try TemporaryFolder(), path = try changed(name, shape: shape, folder: folder)
        let error = #expect(throws: (any Error).self) { try features(path, .cls) }
        let text = "\(try #require(error))"
        #expect(text.hasPrefix(path) && !text.contains("\n"))
        for part in expected { #expect(text.contains(part), "\(text)") }
    }

    /// timm's `no_embed_class`: positions of the patches alone.
    @Test("positions without the class tokens") func positionsWithoutTheClassTokens() throws {
        let folder = try TemporaryFolder(), path = try changed("pos_embed", shape: [1, 16, 24], folder: folder)
        let file = try Checkpoint(path: path, image: (32, 32)), plain = try TensorFile(path: path)
        #expect(file.shape(of: "pos_embed") == [1, 17, 24])
        #expect(try file.floats("pos_embed") == Array(repeating: 0, count: 24) + Array(repeating: 0.5, count: 16 * 24))
        #expect(try file.floats("cls_token") == plain.floats("cls_token"))
    }

    @Test("the class tokens position is part of it") func theClassTokensPositionIsPartOfIt() throws {
        let path = checkpointFixture("timm.safetensors"), file = try Checkpoint(path: path), plain = try TensorFile(path: path)
        let position = try plain.floats("pos_embed")
        #expect(try file.floats("cls_token") == zip(plain.floats("cls_token"), position).map { $0 + $1 })
        #expect(try file.floats("pos_embed") == Array(repeating: 0, count: 24) + position.dropFirst(24))
    }

    @Test("a broken configuration beside is named") func aBrokenConfigurationBesideIsNamed() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(
            "model.safetensors", [UInt8](try Data(contentsOf: URL(fileURLWithPath: checkpointFixture("hf-new-names.safetensors")))))
        for text in [
            "{", "[1]", String(repeating: "[", count: 100_000), #"{"model_type": "vit", "num_attention_heads": -4}"#,
            #"{"model_type": "vit", "num_attention_heads": 4, "hidden_act": "quick_gelu"}"#
        ] {
            try folder.write("config.json", Array(text.utf8))
            #expect(throws: LearningError.self, "\(text.prefix(20))") { try features(path, .cls, heads: nil) }
        }
        try folder.write(
            "config.json", Array(#"{"model_type": "vit", "num_attention_heads": 4, "image_size": "?", "layer_norm_eps": 1e-12}"#.utf8))
        #expect(relativeError(try features(path, .cls, heads: nil), try ExpectedFeatures.of("hf-new-names.safetensors").cls) < 1e-5)
    }
}

@Suite struct PositionResamplingTests {
    private struct Expected: Decodable {
        let values: [Float]
        let resampled: [String: [Float]]
    }

    /// torch.nn.functional.interpolate on a 5 × 4 grid of 3 components, in float64.
    @Test("as PyTorch interpolates") func asTorchInterpolates() throws {
        let expected = try JSONDecoder().decode(
            Expected.self, from: Data(contentsOf: URL(fileURLWithPath: checkpointFixture("positions.json"))))
        #expect(expected.resampled.count == 12)
        for (key, values) in expected.resampled {
            let words = key.split(separator: " "), rows = try #require(Int(words[0])), columns = try #require(Int(words[1]))
            let method = try #require(PositionResampling(rawValue: String(words[2])))
            let found = resampledPositions(expected.values, width: 3, from: (5, 4), to: (rows, columns), method)
            #expect(relativeError(found, values) < 1e-6, "\(key)")
        }
    }
}
