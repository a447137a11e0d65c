import Models

extension ReferenceNames {
    /// Why an encoder with a tensor of this name would compute something else than ours does; nil where it would not.
    static func obstacle(_ name: String) -> String? {
        guard !contains(name) else { return nil }
        if name.hasPrefix("blocks.") {
            let inner = inBlocks(name)?.rest ?? ""
            if ["ls1", "ls2", "layer_scale"].contains(where: inner.hasPrefix) { return "its blocks scale their layers" }
            if inner.contains("q_norm") || inner.contains("k_norm") { return "its attention normalises queries and keys" }
            return "its blocks have a part that this program does not know"
        }
        let obstacles = [
            ("reg_token", "it has register tokens"), ("register_token", "it has register tokens"),
            ("storage_token", "it has register tokens"),
            ("det_token", "it has detection tokens"), ("embeddings.detection_tokens", "it has detection tokens"),
            ("mid_position_embeddings", "it has positions in its blocks"),
            ("encoder.mid_position_embeddings", "it has positions in its blocks"),
            ("mid_pos_embed", "it has positions in its blocks"),
            ("rope", "it turns queries and keys by their positions"), ("embeddings.rope", "it turns queries and keys by their positions"),
            ("rel_pos", "its attention knows relative positions"), ("relative_position", "its attention knows relative positions"),
            ("encoder.relative_position", "its attention knows relative positions"),
            ("attn_pool.", "its features come from a pool with attention"), ("norm_pre.", "it has a norm before its blocks"),
            ("dist_token", "it has a distillation token"),
            ("patch_embed.", "its patch embedding has a part that this program does not know"),
            ("embeddings.register_tokens", "it has register tokens"), ("embeddings.distillation_token", "it has a distillation token")
        ]
        return obstacles.first { name.hasPrefix($0.0) }?.1
    }
}
