import CurricleModels
import CurricleStorage

/// Whose names and customs a checkpoint follows.
package enum CheckpointLayout: String, Sendable, CaseIterable {
    /// The reference's: MAE, CL-MAE, and this project's own.
    case mae
    /// timm's vision transformers: MAE's names without a decoder, positions resampled with antialiasing.
    case timm
    /// Hugging Face's ViTMAE and ViT, in the classic names and those of transformers 5.
    case hf

    /// What the names tell. MAE and timm name an encoder alike; a decoder, or the `model` that MAE saves under, tells them apart.
    /// - Parameter stateKey: under which keys of the file its tensors stand; nil where it is the whole file.
    static func guess(_ source: some TensorSource, stateKey: String?) -> CheckpointLayout? {
        if source.names.contains(where: { $0.hasSuffix(HuggingFaceNames.patchWeight) }) { return .hf }
        guard source.shape(of: "patch_embed.proj.weight") != nil else { return nil }
        // timm's training saves under `state_dict` and `state_dict_ema`, with arguments too.
        let isTimms = stateKey?.hasPrefix("state_dict") == true
        let isReference =
            source.metadata["curricle.model"] != nil
            || !isTimms && source.metadata.keys.contains { $0.hasPrefix("args.") }
            || source.names.contains { ReferenceNames.part(of: $0) == .decoder } || stateKey == "model" || stateKey == "model_ema"
        return isReference ? .mae : .timm
    }
}
