import Models

/// Whose names and customs a checkpoint follows.
public enum CheckpointLayout: String, Sendable, CaseIterable {
    /// The reference's: MAE, CL-MAE, and this project's own.
    case mae
    /// timm's vision transformers: MAE's names without a decoder, positions resampled with antialiasing.
    case timm
    /// Hugging Face's ViTMAE and ViT, in the classic names and those of transformers 5.
    case hf

    /// What the names tell. MAE and timm name an encoder alike; a decoder, or the `model` that MAE saves under, tells them apart.
    static func guess(_ source: some TensorSource) -> CheckpointLayout? {
        if source.names.contains(where: { $0.hasSuffix(HuggingFaceNames.patchWeight) }) { return .hf }
        guard source.shape(of: "patch_embed.proj.weight") != nil else { return nil }
        let stateKey = (source as? PyTorchFile)?.stateKey // timm's training saves under `state_dict`, with arguments too
        let isReference = source.metadata["curricle.model"] != nil
            || stateKey != "state_dict" && source.metadata.keys.contains { $0.hasPrefix("args.") }
            || source.names.contains { ReferenceNames.part(of: $0) == .decoder } || stateKey == "model"
        return isReference ? .mae : .timm
    }
}

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
            ("reg_token", "it has register tokens"), ("norm_pre.", "it has a norm before its blocks"),
            ("dist_token", "it has a distillation token"),
            ("patch_embed.", "its patch embedding has a part that this program does not know"),
            ("embeddings.register_tokens", "it has register tokens"), ("embeddings.distillation_token", "it has a distillation token"),
        ]
        return obstacles.first { name.hasPrefix($0.0) }?.1
    }
}
