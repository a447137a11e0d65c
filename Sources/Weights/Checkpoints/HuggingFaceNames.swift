import CurricleModels

/// Hugging Face's names of the reference's tensors (transformers, `models/vit_mae`, `models/vit`, `models/deit` and `models/dinov2`).
enum HuggingFaceNames {
    static let patchWeight = "embeddings.patch_embeddings.projection.weight"

    /// A name of the reference and theirs. The first of theirs is the classic one, which is written; all are read.
    private typealias Row = (reference: String, theirs: [String])

    /// Where blocks stand: in classic names, and as transformers 5 has them.
    private static let stacks: [Row] = [
        ("blocks", ["encoder.layer", "layers"]),
        ("decoder_blocks", ["decoder.decoder_layers", "decoder.decoder_encoder.layer"])
    ]
    /// A block's layers: in classic names, and in those of transformers 5.
    private static let block: [Row] = [
        ("norm1", ["layernorm_before", "norm1"]),
        ("attn.proj", ["attention.output.dense", "attention.o_proj"]),
        ("norm2", ["layernorm_after", "norm2"]),
        ("mlp.fc1", ["intermediate.dense", "mlp.fc1"]),
        ("mlp.fc2", ["output.dense", "mlp.fc2"])
    ]
    /// Query, key and value, which are thirds of one layer.
    private static let thirds: Row = (
        "attn.qkv",
        ["attention.attention.query", "attention.attention.key", "attention.attention.value"]
            + ["attention.q_proj", "attention.k_proj", "attention.v_proj"]
    )
    /// What is in no block. A decoder's are the reference's own, below `decoder.`.
    private static let single: [Row] = [
        ("cls_token", ["embeddings.cls_token"]),
        ("pos_embed", ["embeddings.position_embeddings"]),
        ("reg_token", ["embeddings.register_tokens", "embeddings.distillation_token"]),
        ("patch_embed.proj", ["embeddings.patch_embeddings.projection"]),
        ("norm", ["layernorm"])
    ]
    /// ViT's classifier, which ViTMAE does not have: it is read.
    private static let head: Row = ("head", ["classifier"])

    /// A file's name in the reference's terms; for query, key and value also which third of `qkv` it is.
    /// A name without a counterpart comes back without its `vit.`, `deit.` or `dinov2.`.
    static func reference(_ name: String) -> (name: String, third: Int?) {
        let root = ["vit.", "deit.", "dinov2.", "dinov2_with_registers."].first(where: name.hasPrefix)
        let bare = String(name.dropFirst(root?.count ?? 0))
        for (stack, places) in stacks {
            for place in places where bare.hasPrefix("\(place).") {
                let rest = bare.dropFirst(place.count + 1)
                guard let dot = rest.firstIndex(of: ".") else { return (bare, nil) }
                let (layer, ending) = split(String(rest[rest.index(after: dot)...])), block = "\(stack).\(rest[..<dot])"
                if let third = thirds.theirs.firstIndex(of: layer) { return ("\(block).\(thirds.reference)\(ending)", third % 3) }
                return ("\(block).\(Self.block.first { $0.theirs.contains(layer) }?.reference ?? layer)\(ending)", nil)
            }
        }
        if bare.hasPrefix("decoder.") {
            let inner = String(bare.dropFirst(8))
            if ReferenceNames.part(of: inner) == .decoder { return (inner, nil) }
        }
        let (layer, ending) = split(bare)
        if let row = (single + [head]).first(where: { $0.theirs.contains(layer) }) { return ("\(row.reference)\(ending)", nil) }
        return (bare, nil)
    }

    /// The classic name, or three for `qkv`, of one of the reference's tensors; nil for what ViTMAE does not have.
    static func names(_ reference: String) -> [String]? {
        let root = ReferenceNames.part(of: reference) == .encoder ? "vit." : ""
        if let found = ReferenceNames.inBlocks(reference) {
            guard let stack = stacks.first(where: { $0.reference == found.stack }) else { return nil }
            let (layer, ending) = split(found.rest), place = "\(root)\(stack.theirs[0]).\(found.index)"
            if layer == thirds.reference { return thirds.theirs.prefix(3).map { "\(place).\($0)\(ending)" } }
            return block.first { $0.reference == layer }.map { ["\(place).\($0.theirs[0])\(ending)"] }
        }
        let (layer, ending) = split(reference)
        if let row = single.first(where: { $0.reference == layer }) { return ["\(root)\(row.theirs[0])\(ending)"] }
        return ReferenceNames.part(of: reference) == .decoder ? ["decoder.\(reference)"] : nil
    }

    /// `a.b.weight` as `a.b` and `.weight`.
    private static func split(_ name: String) -> (layer: String, ending: String) {
        for ending in [".weight", ".bias"] where name.hasSuffix(ending) { return (String(name.dropLast(ending.count)), ending) }
        return (name, "")
    }
}
