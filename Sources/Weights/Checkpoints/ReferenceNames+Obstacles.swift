import CurricleModels

extension ReferenceNames {
    /// The layer that a LayerScale multiplies the outputs of, by either's name: `blocks.3.ls1.gamma` and
    /// `blocks.3.layer_scale1.lambda1` are of `blocks.3.attn.proj`; nil for other tensors.
    static func scaledLayer(_ name: String) -> String? {
        guard let found = inBlocks(name) else { return nil }
        let layers = [
            "ls1.gamma": "attn.proj", "layer_scale1.lambda1": "attn.proj", "ls2.gamma": "mlp.fc2", "layer_scale2.lambda1": "mlp.fc2"
        ]
        return layers[found.rest].map { "\(found.stack).\(found.index).\($0)" }
    }

    /// timm's name of what DINOv2's own files call otherwise; DeiT's distillation token is a token like a register, but has a position.
    static func usual(_ name: String) -> String {
        name == "register_tokens" || distillationTokens.contains(name) ? "reg_token" : name
    }

    /// timm's, and Hugging Face's.
    static let distillationTokens: Set = ["dist_token", "embeddings.distillation_token", "deit.embeddings.distillation_token"]

    /// Why an encoder with a tensor of this name would compute something else than ours does; nil where it would not.
    static func obstacle(_ name: String) -> String? {
        guard !contains(name) else { return nil }
        if name.hasPrefix("blocks.") {
            let inner = inBlocks(name)?.rest ?? ""
            if inner.contains("q_norm") || inner.contains("k_norm") { return "its attention normalises queries and keys" }
            return "its blocks have a part that this program does not know"
        }
        let obstacles = [
            ("storage_token", "it has storage tokens"),
            ("det_token", "it has detection tokens"), ("embeddings.detection_tokens", "it has detection tokens"),
            ("mid_position_embeddings", "it has positions in its blocks"),
            ("encoder.mid_position_embeddings", "it has positions in its blocks"),
            ("mid_pos_embed", "it has positions in its blocks"),
            ("rope", "it turns queries and keys by their positions"), ("embeddings.rope", "it turns queries and keys by their positions"),
            ("rel_pos", "its attention knows relative positions"), ("relative_position", "its attention knows relative positions"),
            ("encoder.relative_position", "its attention knows relative positions"),
            ("attn_pool.", "its features come from a pool with attention"), ("norm_pre.", "it has a norm before its blocks"),
            ("patch_embed.", "its patch embedding has a part that this program does not know")
        ]
        return obstacles.first { name.hasPrefix($0.0) }?.1
    }
}
