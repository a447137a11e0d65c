import Foundation
import CurricleModels
import CurricleTestSupport
import Testing
@testable import CurricleEngine
@testable import CurricleStorage
@testable import CurricleWeights

/// Exported files are read back here and compared with what other programs wrote; tools/check_exports.py has the programs
/// themselves read them.
@Suite struct CheckpointExportTests {
    private func contents(_ name: String, decoderHeads: Int? = nil) throws -> CheckpointContents {
        let file = try Checkpoint(path: checkpointFixture(name))
        return try CheckpointContents(
            file, WeightsDescription(file, heads: 4, decoderHeads: decoderHeads, imageHeight: nil, imageWidth: nil))
    }

    @Test(
        "every layout gives the same features", arguments: [CheckpointExport.Format.mae, .timm, .hf],
        ["timm.safetensors", "mae.pth", "hf-mae/model.safetensors"])
    func everyLayoutGivesTheSameFeatures(format: CheckpointExport.Format, name: String) throws {
        let folder = try TemporaryFolder()
        let files = try CheckpointExport.write(
            contents(name, decoderHeads: name == "mae.pth" ? 4 : nil), format, part: nil, to: folder.file("out"))
        let expected = try ExpectedFeatures.of(name)
        // Hugging Face's epsilon is not written into the names of MAE and timm; it is far below what these weights show.
        #expect(relativeError(try features(files[0], .cls), expected.cls) < 1e-5)
        #expect(relativeError(try features(files[0], .mean), expected.mean) < 1e-5)
        #expect(try TensorFile(path: files[0]).metadata["format"] == "pt")
    }

    /// A file that transformers wrote, read and written again: the same names, shapes and values.
    @Test("hugging face files come back as they were") func huggingFaceFilesComeBackAsTheyWere() throws {
        let folder = try TemporaryFolder()
        let files = try CheckpointExport.write(contents("hf-mae/model.safetensors"), .hf, part: .all, to: folder.file("out"))
        #expect(files == ["model.safetensors", "config.json", "preprocessor_config.json"].map { folder.file("out/\($0)") })
        let theirs = try TensorFile(path: checkpointFixture("hf-mae/model.safetensors")), ours = try TensorFile(path: files[0])
        // transformers 5 writes a decoder's blocks under a name that version 4 does not have; both read the classic one.
        func classic(_ name: String) -> String {
            name.replacingOccurrences(of: "decoder.decoder_encoder.layer.", with: "decoder.decoder_layers.")
        }
        #expect(ours.names == theirs.names.map(classic).sorted())
        for name in theirs.names where !["vit.embeddings.cls_token", "vit.embeddings.position_embeddings"].contains(name) {
            #expect(ours.shape(of: classic(name)) == theirs.shape(of: name))
            let tolerance: Float = name.hasSuffix("decoder_pos_embed") ? 1e-6 : 0
            #expect(zip(try ours.floats(classic(name)), try theirs.floats(name)).allSatisfy { abs($0 - $1) <= tolerance }, "\(name)")
        }
        let text = try Data(contentsOf: URL(fileURLWithPath: files[1])),
            original = try Data(contentsOf: URL(fileURLWithPath: checkpointFixture("hf-mae/config.json")))
        let written = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
        let known = try #require(try JSONSerialization.jsonObject(with: original) as? [String: Any])
        for (key, value) in known where !["transformers_version", "initializer_range", "mask_ratio"].contains(key) {
            #expect(written[key] as? NSObject == value as? NSObject, "\(key)")
        }
    }

    @Test("timm gets the encoder alone") func timmGetsTheEncoderAlone() throws {
        let folder = try TemporaryFolder()
        _ = try CheckpointExport.write(contents("mae.pth", decoderHeads: 4), .timm, part: nil, to: folder.file("mae"))
        let headless = try TensorFile(path: checkpointFixture("timm.safetensors")).names.filter { !$0.hasPrefix("head.") }
        #expect(try TensorFile(path: folder.file("mae")).names == headless)
        _ = try CheckpointExport.write(contents("timm.safetensors"), .timm, part: .all, to: folder.file("all"))
        #expect(Set(try TensorFile(path: folder.file("all")).names) == Set(headless + ["head.bias", "head.weight"]))
    }

    @Test("MAE gets what is asked for") func maeGetsWhatIsAskedFor() throws {
        let folder = try TemporaryFolder(), all = try contents("mae.pth", decoderHeads: 4)
        _ = try CheckpointExport.write(all, .mae, part: .encoder, to: folder.file("encoder"))
        _ = try CheckpointExport.write(all, .mae, part: nil, to: folder.file("all"))
        #expect(try !TensorFile(path: folder.file("encoder")).names.contains { $0.hasPrefix("decoder") })
        let written = Set(try TensorFile(path: folder.file("all")).names)
        #expect(written == Set(try PyTorchFile(path: checkpointFixture("mae.pth")).names + ["decoder_pos_embed"]))
    }

    @Test("what a format has no place for is refused") func whatAFormatHasNoPlaceForIsRefused() throws {
        let folder = try TemporaryFolder()
        #expect(throws: LearningError.self) {
            try CheckpointExport.write(contents("pooled.safetensors"), .hf, part: nil, to: folder.file("x"))
        }
        #expect(throws: LearningError.self) { try CheckpointExport.write(contents("mae.pth"), .onnx, part: .all, to: folder.file("x")) }
        #expect(try folder.names() == [])
    }

    /// The model's fields by ONNX's numbers: IR version 8, one graph, operator set 17; the file ends where the graph says.
    @Test("onnx is a whole protocol buffer") func onnxIsAWholeProtocolBuffer() throws {
        let folder = try TemporaryFolder()
        _ = try CheckpointExport.write(contents("timm.safetensors"), .onnx, part: nil, to: folder.file("encoder.onnx"))
        let bytes = try folder.bytes("encoder.onnx")
        let fields = bytes.withUnsafeBytes { bytes in
            var fields = ProtocolBufferFields(bytes), found: [(UInt64, UInt64?)] = []
            while let field = fields.next() { found.append((field.field, field.varint)) }
            return found
        }
        #expect(fields.map(\.0) == [1, 2, 8, 14, 14, 14, 7])
        #expect(fields[0].1 == 8)
        // Weights but for the head, once each; besides them a few hundred small nodes and names.
        let weights = try TensorFile(path: checkpointFixture("timm.safetensors")).tensors.filter { !$0.key.hasPrefix("head") }.reduce(0) {
            $0 + $1.value.byteRange.count
        }
        #expect(bytes.count > weights && bytes.count < weights + 30_000)
    }
}
