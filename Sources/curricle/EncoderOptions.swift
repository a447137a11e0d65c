import CurricleEngine
import CurricleFeatures
import CurricleModels
import CurricleRuntime
import CurricleSettings
import CurricleTerminal

/// Options that say which encoder computes features, shared by the commands that need one.
enum EncoderOptions {
    static func all(weights: String = "a run's model.safetensors, or any file that import reads") -> [Option] {
        [.value("weights", "FILE", .path(.file), weights, short: "w")] + WeightsOptions.encoder
    }

    static let layer = Option.value(
        "layer", "N", .whole(1...65536), "tokens after so many blocks, from 1, and the final norm (default: all blocks)")

    static let precision = Option.value(
        "precision", "KIND", .word(of: Precision.self),
        "f32; bf16: products of numbers of 16 bits whose sums are float32, half of the memory, faster where the CPU has the instruction; or "
            + "int8: the blocks' weights as bytes, a scale a column, and their rows as bytes by each row's own range, a quarter of the "
            + "memory, and faster everywhere", fallback: Precision.float32.rawValue)

    static let keeping: [Option] = [
        .value(
            "keep", "SHARE", .number(0.01...1),
            "compute features of so many of an image's patches alone, by --keep-by: faster in proportion (default: all)"),
        .value(
            "keep-by", "RULE", .word(of: PatchKeeping.Rule.self),
            "grid (evenly spread, of half a chequerboard), contrast (patches of the largest variance), map (--keep-map) or masker (--keep-masker)",
            fallback: "grid"),
        .value("keep-map", "FILE", .path(.file), "a number a patch, the largest are kept: `masks --map` writes one"),
        .value("keep-masker", "FILE", .path(.file), "weights whose masker scores the patches: a run's partner.safetensors")
    ]

    private static func keeping(_ a: Arguments) throws -> PatchKeeping? {
        guard a.isGiven("keep") else {
            if let name = ["keep-by", "keep-map", "keep-masker"].first(where: a.isGiven) {
                throw LearningError.configuration("--\(name) goes with --keep, the share of the patches")
            }
            return nil
        }
        return try PatchKeeping(
            share: a.double("keep"), rule: a.choice("keep-by"), map: a.stringIfGiven("keep-map"), masker: a.stringIfGiven("keep-masker"))
    }

    /// The encoder that the options name; what of its file was assumed or left out is said.
    static func extractor(
        _ a: Arguments, threads: Int, layer: Int? = nil, pool: Pooling? = nil, precision: Precision = .float32, isa: ISA,
        isQuiet: Bool = false
    ) throws -> FeatureExtractor {
        let size = try WeightsOptions.imageSize(a)
        let extractor = try FeatureExtractor(
            weights: a.string("weights"), heads: a.intIfGiven("num-heads"), imageHeight: size?.height, imageWidth: size?.width,
            mean: WeightsOptions.mean(a), deviation: WeightsOptions.deviation(a), layer: layer, pool: pool, key: WeightsOptions.key(a),
            precision: precision, keeping: keeping(a), threads: threads, isa: isa)
        if !isQuiet { WeightsOptions.say(extractor.description.notes) }
        return extractor
    }
}
