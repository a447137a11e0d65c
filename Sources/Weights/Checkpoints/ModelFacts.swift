import CurricleEngine
import Foundation
import CurricleModels
import CurricleSettings

/// What a checkpoint, or the configuration beside it, says of a model that its tensors' shapes do not show.
package struct ModelFacts: Sendable, Equatable {
    package var heads: Int?
    package var decoderHeads: Int?
    /// What the norms add to a variance; nil for the reference's 1e-6.
    package var epsilon: Float?
    package var imageHeight: Int?
    package var imageWidth: Int?
    package var mean: [Float]?
    package var deviation: [Float]?
    /// Whether the decoder was trained on patches normalised by their own mean and deviation.
    package var normalizedTargets: Bool?
    /// Whether its positions begin with the class token's; nil where nothing says so.
    package var hasClassPosition: Bool?
    /// How its positions are brought to another grid.
    package var resampling = PositionResampling.bicubic
    /// How the file's own program prepares pictures, where that is not how they are prepared here, for a person to read.
    package var otherPixels: Message?

    package init() {}

    /// Heads of the published models of a width and depth, which the presets are: MAE's and timm's `vit_{tiny,small,base,large,huge}`.
    /// - Returns: nil where there is none, or where published ones differ.
    package static func publishedHeads(width: Int, depth: Int) -> Int? {
        if otherHeads[width] != nil { return nil }
        return ModelConfiguration.presets.first { $0.configuration.embedWidth == width && $0.configuration.depth == depth }?.configuration
            .heads
    }

    /// Widths whose published models differ in their heads, which no shape shows, and which have how many.
    static let otherHeads: [Int: String] = [
        192: "3 (timm's and DeiT's tiny) or 12 (MAE-Lite's)", 384: "6 (timm's, DeiT's and DINO's small) or 12 (MoCo v3's)"
    ]

    /// From the JSON files that Hugging Face and timm keep beside the weights; none of them has to be there.
    /// - Throws: `LearningError.file` for what they say that cannot be computed here, by its name.
    package mutating func read(beside path: String) throws(LearningError) {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        let configuration = try ModelFacts.object(folder.appendingPathComponent("config.json"))
        // Only a configuration of a vision transformer speaks of these weights: a run's config.json is another one.
        if let type = configuration["model_type"] as? String, ["vit", "deit", "dinov2"].contains(where: type.hasPrefix) {
            try readHuggingFace(configuration, folder, path)
        } else if configuration["architecture"] is String {
            try readTimm(configuration, path)
        }
    }

    private mutating func readHuggingFace(_ configuration: [String: Any], _ folder: URL, _ path: String) throws(LearningError) {
        if let activation = configuration["hidden_act"] as? String, activation != "gelu" {
            throw .file(path: path, reason: "its config.json says hidden_act \(activation): only gelu can be computed here")
        }
        heads = configuration["num_attention_heads"] as? Int
        decoderHeads = configuration["decoder_num_attention_heads"] as? Int
        epsilon = (configuration["layer_norm_eps"] as? Double).map { Float($0) } ?? epsilon
        normalizedTargets = configuration["norm_pix_loss"] as? Bool
        let size = (configuration["image_size"] as? Int).map { [$0, $0] } ?? configuration["image_size"] as? [Int]
        if let size, size.count == 2 { (imageHeight, imageWidth) = (size[0], size[1]) }
        var pixels = try ModelFacts.object(folder.appendingPathComponent("preprocessor_config.json"))
        if pixels.isEmpty {
            pixels =
                try ModelFacts.object(folder.appendingPathComponent("processor_config.json"))["image_processor"] as? [String: Any] ?? [:]
        }
        if pixels.isEmpty { return }
        try readPixels(pixels, path)
        // What its ViTImageProcessor does where nothing is said: both sides resized, bilinear, nothing cropped.
        let resample = (pixels["resample"] as? NSNumber)?.intValue ?? 2
        let crops = pixels["do_center_crop"] as? Bool ?? false
        otherPixels = ModelFacts.otherPixels(
            path, "preprocessor_config.json",
            [resample == 3 ? nil : "resample \(resample)", crops ? nil : "no do_center_crop"].compactMap { $0 })
    }

    /// - Parameter ways: what differs, as the file says it.
    private static func otherPixels(_ path: String, _ file: String, _ ways: [String]) -> Message? {
        if ways.isEmpty { return nil }
        return """
            \(path): its \(file) prepares pictures otherwise (\(ways.joined(separator: ", "))) than is done here (the shorter side resized, \
            bicubic; 7/8 of it cropped, above 224 pixels all of it): \(.preprocessing, "none") takes pictures that were prepared so
            """
    }

    /// transformers' image processor: pixels · rescale_factor, less the mean, by the deviation; each step may be left out. Ours are of
    /// pixels / 255.
    private mutating func readPixels(_ pixels: [String: Any], _ path: String) throws(LearningError) {
        // What its ViTImageProcessor takes where nothing is said.
        var (mean, deviation) = (ModelFacts.floats(pixels["image_mean"]) ?? [0.5], ModelFacts.floats(pixels["image_std"]) ?? [0.5])
        if pixels["do_normalize"] as? Bool == false { (mean, deviation) = ([0], [1]) }
        let factor = pixels["do_rescale"] as? Bool == false ? 1 : (pixels["rescale_factor"] as? NSNumber)?.doubleValue ?? 1 / 255
        guard factor > 0, factor.isFinite else {
            throw .file(path: path, reason: "its preprocessor_config.json says rescale_factor \(factor): it must be above 0")
        }
        let scale = 255 * factor
        self.mean = mean.map { Float($0 / scale) }
        self.deviation = deviation.map { Float($0 / scale) }
    }

    /// What timm's models may be told that shows in their tensors, or changes nothing when features are computed.
    private static let harmless: Set = [
        "img_size", "patch_size", "in_chans", "num_classes", "embed_dim", "depth", "num_heads", "mlp_ratio", "qkv_bias", "qk_norm",
        "proj_bias", "init_values",
        "class_token", "reg_tokens", "pre_norm", "fc_norm", "dynamic_img_size", "dynamic_img_pad", "drop_rate", "pos_drop_rate",
        "patch_drop_rate", "proj_drop_rate",
        "attn_drop_rate", "drop_path_rate", "weight_init", "fix_init", "strict_img_size"
    ]
    /// What else they may be told, with the values that are computed here.
    private static let accepted: [String: [String]] = [
        "act_layer": ["gelu"], "norm_layer": ["layernorm"], "global_pool": ["token", "avg", ""], "pos_embed": ["learn"],
        "final_norm": ["true"],
        "pool_include_prefix": ["false"], "scale_attn_norm": ["false"], "scale_mlp_norm": ["false"]
    ]

    private mutating func readTimm(_ configuration: [String: Any], _ path: String) throws(LearningError) {
        let architecture = configuration["architecture"] as? String ?? "", arguments = configuration["model_args"] as? [String: Any] ?? [:]
        if architecture.contains("quickgelu") {
            throw .file(
                path: path,
                reason: "its config.json says architecture \(architecture), whose activation is quick_gelu: only gelu can be computed here")
        }
        for (name, value) in arguments.sorted(by: { $0.key < $1.key })
        where name != "no_embed_class" && !ModelFacts.harmless.contains(name) && !(value is NSNull) {
            let text = (value as? String) ?? (value as? Bool).map { $0 ? "true" : "false" } ?? "\(value)"
            guard ModelFacts.accepted[name]?.contains(text.lowercased()) == true else {
                let known = ModelFacts.accepted[name].map {
                    ": only \($0.filter { !$0.isEmpty }.joined(separator: " or ")) can be computed here"
                }
                throw .file(path: path, reason: "its config.json says \(name) \(text)\(known ?? ", which this program does not know")")
            }
        }
        if let pool = configuration["global_pool"] as? String, ModelFacts.accepted["global_pool"]?.contains(pool) == false {
            throw .file(path: path, reason: "its config.json says global_pool \(pool): only token or avg can be computed here")
        }
        hasClassPosition = (arguments["no_embed_class"] as? Bool).map { !$0 }
        // A name of timm's stands for a size, of which the heads are known.
        let named = [
            "vit_tiny_": 3, "vit_small_": 6, "vit_base_": 12, "vit_large_": 16, "vit_huge_": 16, "deit_tiny_": 3, "deit_small_": 6,
            "deit_base_": 12
        ]
        heads = arguments["num_heads"] as? Int ?? named.first { architecture.hasPrefix($0.key) }?.value
        let pretrained = configuration["pretrained_cfg"] as? [String: Any] ?? [:], size = arguments["img_size"]
        mean = ModelFacts.floats(pretrained["mean"])?.map { Float($0) }
        deviation = ModelFacts.floats(pretrained["std"])?.map { Float($0) }
        otherPixels = ModelFacts.otherPixels(path, "config.json", ModelFacts.otherWays(pretrained))
        if let side = size as? Int {
            (imageHeight, imageWidth) = (side, side)
        } else if let sides = size as? [Int], sides.count == 2 {
            (imageHeight, imageWidth) = (sides[0], sides[1])
        } else if let input = pretrained["input_size"] as? [Int], input.count == 3 {
            (imageHeight, imageWidth) = (input[1], input[2])
        }
    }

    /// What of timm's `pretrained_cfg` differs from the preparation here: `evaluationResize`, bicubic.
    private static func otherWays(_ pretrained: [String: Any]) -> [String] {
        let sides = pretrained["input_size"] as? [Int] ?? [3, 224, 224]
        let share = (sides.dropFirst().min() ?? 224) > 224 ? 1 : 0.875
        var ways: [String] = []
        if let said = (pretrained["crop_pct"] as? NSNumber)?.doubleValue, abs(said - share) > 1e-6 { ways.append("crop_pct \(said)") }
        if let said = pretrained["interpolation"] as? String, said != "bicubic" { ways.append("interpolation \(said)") }
        if let said = pretrained["crop_mode"] as? String, said != "center" { ways.append("crop_mode \(said)") }
        return ways
    }

    private static func floats(_ value: Any?) -> [Double]? {
        guard let list = value as? [Any], !list.isEmpty else { return nil }
        let numbers = list.compactMap { ($0 as? NSNumber)?.doubleValue }
        return numbers.count == list.count ? numbers : nil
    }

    /// The members of a JSON object; none if there is no such file.
    private static func object(_ file: URL) throws(LearningError) -> [String: Any] {
        guard let size = try? file.resourceValues(forKeys: [.fileSizeKey]).fileSize else { return [:] }
        guard size < 1 << 20, let data = try? Data(contentsOf: file) else {
            throw .file(path: file.path, reason: "is no JSON object: correct it, or move it away from the weights")
        }
        // Windows writes a mark before it.
        let text = data.starts(with: [0xEF, 0xBB, 0xBF]) ? Data(data.dropFirst(3)) : data
        guard let members = try? JSONSerialization.jsonObject(with: text) as? [String: Any] else {
            throw .file(path: file.path, reason: "is no JSON object: correct it, or move it away from the weights")
        }
        return members
    }
}
