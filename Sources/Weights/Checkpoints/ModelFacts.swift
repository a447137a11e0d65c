import Engine
import Foundation
import Models

/// What a checkpoint, or the configuration beside it, says of a model that its tensors' shapes do not show.
public struct ModelFacts: Sendable, Equatable {
    public var heads: Int?
    public var decoderHeads: Int?
    /// What the norms add to a variance; nil for the reference's 1e-6.
    public var epsilon: Float?
    public var imageHeight: Int?
    public var imageWidth: Int?
    public var mean: [Float]?
    public var deviation: [Float]?
    /// Whether the decoder was trained on patches normalised by their own mean and deviation.
    public var normalizedTargets: Bool?
    /// How its positions are brought to another grid.
    public var resampling = PositionResampling.bicubic

    public init() {}

    /// Heads of the published models of a width and depth, which the presets are: MAE's and timm's `vit_{tiny,small,base,large,huge}`.
    public static func publishedHeads(width: Int, depth: Int) -> Int? {
        ModelConfiguration.presets.first { $0.configuration.embedWidth == width && $0.configuration.depth == depth }?.configuration.heads
    }

    /// From the JSON files that Hugging Face and timm keep beside the weights; none of them has to be there.
    package mutating func read(beside path: String) throws(LearningError) {
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        let configuration = try ModelFacts.object(folder.appendingPathComponent("config.json"))
        // Only a configuration of a vision transformer speaks of these weights: a run's config.json is another one.
        if let type = configuration["model_type"] as? String, type.hasPrefix("vit") {
            if let activation = configuration["hidden_act"] as? String, activation != "gelu" {
                throw .file(path: path, reason: "its config.json says hidden_act \(activation): only gelu can be computed here")
            }
            heads = configuration["num_attention_heads"] as? Int
            decoderHeads = configuration["decoder_num_attention_heads"] as? Int
            epsilon = (configuration["layer_norm_eps"] as? Double).map { Float($0) } ?? epsilon
            normalizedTargets = configuration["norm_pix_loss"] as? Bool
            let size = (configuration["image_size"] as? Int).map { [$0, $0] } ?? configuration["image_size"] as? [Int]
            if let size, size.count == 2 { (imageHeight, imageWidth) = (size[0], size[1]) }
            let pixels = try ModelFacts.object(folder.appendingPathComponent("preprocessor_config.json"))
            mean = ModelFacts.floats(pixels["image_mean"])
            deviation = ModelFacts.floats(pixels["image_std"])
        }
        if configuration["architecture"] is String, let pretrained = configuration["pretrained_cfg"] as? [String: Any] {
            mean = ModelFacts.floats(pretrained["mean"])
            deviation = ModelFacts.floats(pretrained["std"])
            heads = (configuration["model_args"] as? [String: Any])?["num_heads"] as? Int
        }
    }

    private static func floats(_ value: Any?) -> [Float]? { (value as? [Double]).flatMap { $0.isEmpty ? nil : $0.map { Float($0) } } }

    /// The members of a JSON object; none if there is no such file.
    private static func object(_ file: URL) throws(LearningError) -> [String: Any] {
        guard let size = try? file.resourceValues(forKeys: [.fileSizeKey]).fileSize else { return [:] }
        guard size < 1 << 20, let data = try? Data(contentsOf: file), let members = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
            throw .file(path: file.path, reason: "is no JSON object: correct it, or move it away from the weights")
        }
        return members
    }
}
