import CurricleGraph

/// Sizes of a CL-MAE: encoder, decoder and masker. Any size that divides is allowed; presets are named ones.
package struct ModelConfiguration: Sendable, Hashable, Codable {
    package var imageHeight: Int
    package var imageWidth: Int
    package var patchSize: Int
    package var channels: Int
    package var embedWidth: Int
    package var depth: Int
    package var heads: Int
    package var decoderWidth: Int
    package var decoderDepth: Int
    package var decoderHeads: Int
    package var maskerDepth: Int
    package var maskerHeads: Int
    package var mlpRatio: Int
    /// What encoder and decoder add to a variance, where it is not the reference's 1e-6 (Hugging Face's models: 1e-12).
    package var layerNormEpsilon: Float?
    /// Whether the encoder ends with `fc_norm` on the mean of the patch tokens, as fine-tuned nets do, instead of `norm` on every token.
    package var normalizesPooled: Bool?
    /// Whether a class token stands before the patches'; nil for the reference, which has one. Only encoders of other programs lack it: they
    /// are not trained here.
    package var hasClassToken: Bool?
    /// Tokens beside the class token that take part and stand for nothing, as DINOv2's registers; nil for none. Only encoders of other
    /// programs have them: they are not trained here.
    package var registers: Int?

    /// Defaults are the reference's: MAE's decoder and MLPs (models_mae.py), and CL-MAE's masker.
    package init(
        imageHeight: Int = 224, imageWidth: Int = 224, patchSize: Int = 16, channels: Int = 3, embedWidth: Int, depth: Int, heads: Int,
        decoderWidth: Int = 512, decoderDepth: Int = 8, decoderHeads: Int = 16, maskerDepth: Int = 5, maskerHeads: Int = 4,
        mlpRatio: Int = 4
    ) {
        self.imageHeight = imageHeight
        self.imageWidth = imageWidth
        self.patchSize = patchSize
        self.channels = channels
        self.embedWidth = embedWidth
        self.depth = depth
        self.heads = heads
        self.decoderWidth = decoderWidth
        self.decoderDepth = decoderDepth
        self.decoderHeads = decoderHeads
        self.maskerDepth = maskerDepth
        self.maskerHeads = maskerHeads
        self.mlpRatio = mlpRatio
    }

    package static let tinyP16 = ModelConfiguration(
        embedWidth: 192, depth: 12, heads: 3, decoderWidth: 128, decoderDepth: 2, decoderHeads: 4)

    /// Named sizes: the reference's (`base-p16` …) and two for edge machines.
    package static let presets: [(name: String, configuration: ModelConfiguration)] = [
        ("tiny-p16", tinyP16),
        ("small-p16", ModelConfiguration(embedWidth: 384, depth: 12, heads: 6, decoderWidth: 256, decoderDepth: 4, decoderHeads: 8)),
        ("base-p16", ModelConfiguration(embedWidth: 768, depth: 12, heads: 12)),
        ("base-p8", ModelConfiguration(patchSize: 8, embedWidth: 768, depth: 12, heads: 12)),
        ("large-p16", ModelConfiguration(embedWidth: 1024, depth: 24, heads: 16)),
        ("huge-p14", ModelConfiguration(patchSize: 14, embedWidth: 1280, depth: 32, heads: 16))
    ]
    package static func preset(_ name: String) -> ModelConfiguration? { presets.first { $0.name == name }?.configuration }

    /// Of encoder and decoder (models_mae.py: `partial(nn.LayerNorm, eps=1e-6)`).
    package var epsilon: Float { layerNormEpsilon ?? 1e-6 }
    package var gridRows: Int { imageHeight / patchSize }
    package var gridColumns: Int { imageWidth / patchSize }
    /// L, patches per image.
    package var patches: Int { gridRows * gridColumns }
    /// The same with a class token and without registers, as what has a decoder is.
    package var withoutRegisters: ModelConfiguration {
        var other = self
        (other.registers, other.hasClassToken) = (nil, nil)
        return other
    }
    /// Tokens before those of the patches: the class token, and the registers.
    package var leadingTokens: Int { (hasClassToken == false ? 0 : 1) + (registers ?? 0) }
    /// P, values per patch.
    package var patchWidth: Int { patchSize * patchSize * channels }

    /// Patches that a mask ratio keeps: int(L·(1 − ratio)) in Double, as the reference computes it.
    package func kept(maskRatio: Double) -> Int { Int(Double(patches) * (1 - min(1, max(0, maskRatio)))) }

    /// What is wrong with the sizes, or nil.
    package var problem: String? {
        let positive: [(String, Int)] = [
            ("image height", imageHeight), ("image width", imageWidth), ("patch size", patchSize), ("channels", channels),
            ("embed dim", embedWidth), ("depth", depth), ("heads", heads),
            ("decoder embed dim", decoderWidth), ("decoder depth", decoderDepth), ("decoder heads", decoderHeads),
            ("masker depth", maskerDepth), ("masker heads", maskerHeads), ("mlp ratio", mlpRatio), ("registers", registers ?? 1)
        ]
        if let (name, value) = positive.first(where: { $0.1 < 1 }) { return "\(name) must be at least 1, not \(value)" }
        if let (name, value) = positive.first(where: { $0.1 > 1 << 16 }) { return "\(name) \(value) is too large" }
        // Every block is described before anything is allotted: a file that lies about its depth must not take minutes of that.
        let depths = [("depth", depth), ("decoder depth", decoderDepth), ("masker depth", maskerDepth)]
        if let (name, value) = depths.first(where: { $0.1 > 1 << 12 }) { return "\(name) \(value) is too large" }
        if imageHeight % patchSize != 0 || imageWidth % patchSize != 0 {
            return "image size \(imageHeight)×\(imageWidth) does not divide into patches of \(patchSize)"
        }
        if !(epsilon >= 0 && epsilon < 1) { return "layer norm epsilon \(epsilon) must be at least 0 and below 1" }
        if embedWidth % 4 != 0 { return "embed dim \(embedWidth) must divide by 4 (position embedding)" }
        if decoderWidth % 4 != 0 { return "decoder embed dim \(decoderWidth) must divide by 4 (position embedding)" }
        if embedWidth % heads != 0 { return "embed dim \(embedWidth) does not divide into \(heads) heads" }
        if embedWidth % maskerHeads != 0 { return "embed dim \(embedWidth) does not divide into the masker's \(maskerHeads) heads" }
        if decoderWidth % decoderHeads != 0 { return "decoder embed dim \(decoderWidth) does not divide into \(decoderHeads) heads" }
        // Parameters of blocks grow with width², those of embedding and prediction with the patch; all within what memory could hold.
        let width = Double(max(embedWidth, decoderWidth)), blocks = Double(depth + decoderDepth + maskerDepth)
        let inBlocks = blocks * width * width * Double(4 + 2 * mlpRatio), beside = width * (Double(patchWidth) * 2 + Double(patches))
        if inBlocks + beside > 1e12 { return "the model would have more than 10¹² parameters" }
        if Double(patches + 1) * width > 0x1p31 { return "an image of \(patches) patches of width \(Int(width)) is too large" }
        if patches < 2 { return "an image must have at least 2 patches, not \(patches)" }
        return nil
    }
}
