import Features
import Runtime
import Terminal

/// Options that say which encoder computes features, shared by the commands that need one.
enum EncoderOptions {
    static func all(weights: String = "a run's model.safetensors, or any file that import reads") -> [Option] {
        [
            .value("weights", "FILE", weights, short: "w"),
            .value("num-heads", "N", "encoder heads, where the file does not say"),
            .value("image-size", "N", "pixels, or height,width: positions are interpolated to that grid"),
            .value("mean", "M[,M…]", "pixel mean (default: the file's)"),
            .value("std", "S[,S…]", "pixel deviation (default: the file's)"),
        ]
    }

    static let layer = Option.value("layer", "N", "tokens after so many blocks, from 1, and the final norm (default: all blocks)")

    static func extractor(_ a: Arguments, threads: Int, layer: Int? = nil, isa: ISA) throws -> FeatureExtractor {
        let size = try ModelOptions.imageSize(a)
        return try FeatureExtractor(
            weights: a.string("weights"), heads: a.intIfGiven("num-heads", in: 1...65536), imageHeight: size?.0, imageWidth: size?.1,
            mean: ModelOptions.mean(a), deviation: ModelOptions.deviation(a), layer: layer, threads: threads, isa: isa)
    }
}
