import Features
import Runtime
import Settings
import Terminal

/// Options that say which encoder computes features, shared by the commands that need one.
enum EncoderOptions {
    static func all(weights: String = "a run's model.safetensors, or any file that import reads") -> [Option] {
        [.value("weights", "FILE", .path(.file), weights, short: "w")] + WeightsOptions.encoder
    }

    static let layer = Option.value(
        "layer", "N", .whole(1...65536), "tokens after so many blocks, from 1, and the final norm (default: all blocks)")

    /// The encoder that the options name; what of its file was assumed or left out is said.
    static func extractor(_ a: Arguments, threads: Int, layer: Int? = nil, pool: Pooling? = nil, isa: ISA) throws -> FeatureExtractor {
        let size = try WeightsOptions.imageSize(a)
        let extractor = try FeatureExtractor(
            weights: a.string("weights"), heads: a.intIfGiven("num-heads"), imageHeight: size?.height, imageWidth: size?.width,
            mean: WeightsOptions.mean(a), deviation: WeightsOptions.deviation(a), layer: layer, pool: pool, key: WeightsOptions.key(a),
            threads: threads, isa: isa)
        WeightsOptions.say(extractor.description.notes)
        return extractor
    }
}
