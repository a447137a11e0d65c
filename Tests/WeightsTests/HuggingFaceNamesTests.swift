import CurricleModels
import Testing
@testable import CurricleWeights

@Suite("Hugging Face's names")
struct HuggingFaceNamesTests {
    private static let configuration = ModelConfiguration(
        embedWidth: 16, depth: 2, heads: 2, decoderWidth: 16, decoderDepth: 2, decoderHeads: 2)

    @Test("all that a model describes has names there that come back, but masker, head and norm of the mean, which ViTMAE has not")
    func roundTrip() {
        var pooled = Self.configuration
        pooled.normalizesPooled = true
        let models = [ModelParameters(Self.configuration), ModelParameters(pooled, parts: .classifier(ClassifierShape(classes: 2)))]
        let names = models.flatMap { model in model.all.map { ($0.parameter.name, $0.part) } + model.fixed.map { ($0.name, $0.part) } }
        var written: [String: String] = [:]
        for (name, part) in names {
            guard let theirs = HuggingFaceNames.names(name) else {
                #expect(part == .masker || part == .head || name.hasPrefix("fc_norm"), "\(name)")
                continue
            }
            #expect(theirs.count == (name.contains("qkv") ? 3 : 1))
            for (i, each) in theirs.enumerated() {
                #expect(written[each] == nil || written[each] == name, "\(each) stands for two")
                written[each] = name
                let back = HuggingFaceNames.reference(each)
                #expect(back.name == name && back.third == (theirs.count == 3 ? i : nil), "\(name)")
            }
        }
    }

    /// As transformers 4 and 5 write them (`models/vit_mae`, `models/vit`).
    @Test(
        "both generations of names are read",
        arguments: [
            ("vit.encoder.layer.3.attention.attention.key.bias", "blocks.3.attn.qkv.bias", 1),
            ("layers.3.attention.v_proj.weight", "blocks.3.attn.qkv.weight", 2),
            ("vit.layers.0.mlp.fc1.weight", "blocks.0.mlp.fc1.weight", nil),
            ("encoder.layer.0.output.dense.bias", "blocks.0.mlp.fc2.bias", nil),
            ("decoder.decoder_encoder.layer.1.attention.o_proj.weight", "decoder_blocks.1.attn.proj.weight", nil),
            ("decoder.mask_token", "mask_token", nil), ("classifier.weight", "head.weight", nil), ("vit.layernorm.bias", "norm.bias", nil),
            ("vit.pooler.dense.weight", "pooler.dense.weight", nil),
            ("vit.encoder.layer.0.layer_scale1.lambda1", "blocks.0.layer_scale1.lambda1", nil)
        ] as [(String, String, Int?)])
    func generations(_ theirs: String, _ reference: String, _ third: Int?) {
        let found = HuggingFaceNames.reference(theirs)
        #expect(found.name == reference && found.third == third)
    }
}
