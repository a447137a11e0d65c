/// Hugging Face's names of the reference's tensors (transformers, `models/vit_mae` and `models/vit`).
enum HuggingFaceNames {
    static let patchWeight = "embeddings.patch_embeddings.projection.weight"

    private static let encoder = [
        ("embeddings.cls_token", "cls_token"), ("embeddings.position_embeddings", "pos_embed"),
        ("embeddings.patch_embeddings.projection", "patch_embed.proj"), ("layernorm", "norm"),
    ]
    /// A block's parts but for query, key and value, in the classic names.
    private static let block = [
        ("layernorm_before", "norm1"), ("attention.output.dense", "attn.proj"),
        ("layernorm_after", "norm2"), ("intermediate.dense", "mlp.fc1"), ("output.dense", "mlp.fc2"),
    ]
    private static let attention = ["attention.attention.query", "attention.attention.key", "attention.attention.value"]
    /// Names of transformers 5, and the classic ones that they replace.
    private static let renamed = [
        ("attention.q_proj", attention[0]), ("attention.k_proj", attention[1]), ("attention.v_proj", attention[2]),
        ("attention.o_proj", "attention.output.dense"), ("mlp.fc1", "intermediate.dense"), ("mlp.fc2", "output.dense"),
    ]
    /// Where blocks stand: in classic names, in those of transformers 5, and as version 5 writes a decoder's.
    private static let places = [
        ("encoder.layer.", "blocks."), ("layers.", "blocks."), ("decoder.decoder_layers.", "decoder_blocks."), ("decoder.decoder_encoder.layer.", "decoder_blocks."),
    ]

    /// A file's name in the reference's terms; for query, key and value also which third of `qkv` it is.
    /// A name without a counterpart comes back without its `vit.`.
    static func reference(_ name: String) -> (name: String, third: Int?) {
        let bare = name.hasPrefix("vit.") ? String(name.dropFirst(4)) : name
        for (place, blocks) in places where bare.hasPrefix(place) {
            let rest = bare.dropFirst(place.count)
            guard let dot = rest.firstIndex(of: ".") else { return (bare, nil) }
            let (part, ending) = split(String(rest[rest.index(after: dot)...]))
            let classic = renamed.first { $0.0 == part }?.1 ?? part
            if let third = attention.firstIndex(of: classic) { return ("\(blocks)\(rest[..<dot]).attn.qkv\(ending)", third) }
            return ("\(blocks)\(rest[..<dot]).\(block.first { $0.0 == classic }?.1 ?? part)\(ending)", nil)
        }
        if bare.hasPrefix("decoder."), ReferenceNames.contains(String(bare.dropFirst(8))) { return (String(bare.dropFirst(8)), nil) }
        let (part, ending) = split(bare)
        if part == "classifier" { return ("head\(ending)", nil) }
        if let (_, reference) = encoder.first(where: { $0.0 == bare }) { return (reference, nil) }
        if let (_, reference) = encoder.first(where: { $0.0 == part }) { return ("\(reference)\(ending)", nil) }
        return (bare, nil)
    }

    /// The classic name, or three for `qkv`, of one of the reference's tensors; nil for what ViTMAE does not have.
    static func names(_ reference: String) -> [String]? {
        let (part, ending) = split(reference)
        if let found = ReferenceNames.inBlocks(reference) {
            let index = found.block.split(separator: ".").last ?? "", (part, ending) = split(found.rest)
            let place: String
            switch found.block.split(separator: ".").first {
            case "blocks": place = "vit.encoder.layer.\(index)"
            case "decoder_blocks": place = "decoder.decoder_layers.\(index)"
            default: return nil
            }
            if part == "attn.qkv" { return attention.map { "\(place).\($0)\(ending)" } }
            return block.first { $0.1 == part }.map { ["\(place).\($0.0)\(ending)"] }
        }
        if let (name, _) = encoder.first(where: { $0.1 == reference }) { return ["vit.\(name)"] }
        if let (name, _) = encoder.first(where: { $0.1 == part }) { return ["vit.\(name)\(ending)"] }
        return reference.hasPrefix("decoder_") || reference == "mask_token" ? ["decoder.\(reference)"] : nil
    }

    /// `a.b.weight` as `a.b` and `.weight`.
    private static func split(_ name: String) -> (part: String, ending: String) {
        for ending in [".weight", ".bias"] where name.hasSuffix(ending) { return (String(name.dropLast(ending.count)), ending) }
        return (name, "")
    }
}
