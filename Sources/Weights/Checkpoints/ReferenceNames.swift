/// The reference's names of a model's tensors.
enum ReferenceNames {
    /// What a block's tensors are named.
    static let block = ["norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"].flatMap { ["\($0).weight", "\($0).bias"] }
    private static let blockNames = Set(block)
    private static let single: Set<String> = {
        let pairs = ["patch_embed.proj", "norm", "fc_norm", "head", "decoder_embed", "decoder_norm", "decoder_pred", "masking_net.mlp_head.0", "masking_net.mlp_head.1"]
        let tokens = ["cls_token", "pos_embed", "mask_token", "decoder_pos_embed", "masking_net.cls_token", "masking_net.pos_embed"]
        return Set(tokens + pairs.flatMap { ["\($0).weight", "\($0).bias"] })
    }()

    static func contains(_ name: String) -> Bool {
        if single.contains(name) { return true }
        guard let found = inBlocks(name) else { return false }
        return blockNames.contains(found.rest)
    }

    /// Splits `blocks.3.mlp.fc1.bias` into `blocks.3` and `mlp.fc1.bias`; nil for what is not in a block.
    static func inBlocks(_ name: String) -> (block: String, rest: String)? {
        for prefix in ["blocks.", "decoder_blocks.", "masking_net.blocks."] where name.hasPrefix(prefix) {
            let rest = name.dropFirst(prefix.count)
            guard let dot = rest.firstIndex(of: "."), rest[..<dot].allSatisfy(\.isWholeNumber), dot > rest.startIndex else { return nil }
            return (String(name[..<dot]), String(rest[rest.index(after: dot)...]))
        }
        return nil
    }

    /// Why an encoder with a tensor of this name would compute something else than ours does; nil where it would not.
    static func obstacle(_ name: String) -> String? {
        guard !contains(name) else { return nil }
        if name.hasPrefix("blocks.") {
            let inner = inBlocks(name)?.rest ?? ""
            if inner.hasPrefix("ls1") || inner.hasPrefix("ls2") || inner.hasPrefix("layer_scale") { return "its blocks scale their layers" }
            if inner.contains("q_norm") || inner.contains("k_norm") { return "its attention normalises queries and keys" }
            return "its blocks have a part that this program does not know"
        }
        let obstacles = [
            ("reg_token", "it has register tokens"), ("norm_pre.", "it has a norm before its blocks"), ("dist_token", "it has a distillation token"),
            ("patch_embed.", "its patch embedding has a part that this program does not know"),
            ("embeddings.register_tokens", "it has register tokens"), ("embeddings.distillation_token", "it has a distillation token"),
        ]
        return obstacles.first { name.hasPrefix($0.0) }?.1
    }
}
