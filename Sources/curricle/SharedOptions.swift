import CurricleDistributed
import CurricleDatasets
import CurricleEngine
import CurricleModels
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleTerminal
import CurricleTrainer
import CurricleVision
import CurricleWeights

/// Options that several commands take, beside a run's settings.
enum SharedOptions {
    static func threads(most: Int = 1024) -> Option {
        .value("threads", "N", .whole(1...most), "threads of the team (default: all processors that the process may use)", section: "Run")
    }

    static let isa = Option.value(
        "isa", "NAME", .word(of: ISA.allCases.map { "\($0)" }),
        "baseline, avx2, avx512 or neon (default: CURRICLE_ISA, or the best of this CPU)", section: "Run")

    static let json = Option.flag("json", "print JSON: an object, or a line each where there are several")

    static func output(
        _ placeholder: String, _ help: String, _ kind: ValueForm.PathKind = .file, section: String = Option.defaultSection
    ) -> Option {
        .value("output", placeholder, .path(kind), help, short: "o", section: section)
    }

    /// Images of any kind that `openDataset` knows; several datasets are one.
    static func images(_ name: String, _ help: String, section: String = Option.defaultSection) -> Option {
        Option.value(name, "PATH", .path(.either), help, section: section).repeatable(joint: "::")
    }

    static let resume = Option.flag(
        "resume", "go on from the newest state in RUN, to the same bits as a run never interrupted", section: "Run")

    static let seed = Option.value("seed", "N", .seed, "decides what is drawn at random", fallback: "0")

    /// Given, or all processors that the process may use; of several ranks, this one's share.
    static func threads(_ a: Arguments, most: Int = .max, _ ranks: Ranks? = nil) throws -> Int {
        guard let threads = try a.intIfGiven("threads") else {
            return min(most, ranks.map(RankedCommand.processors) ?? Machine.processors)
        }
        if threads > Machine.processors {
            DataOptions.say([
                "\(threads) threads on \(count(Machine.processors, "processor")): they wait for one another; --threads "
                    + "\(Machine.processors) is faster"
            ])
        }
        return threads
    }

    static func seed(_ a: Arguments) throws -> UInt64 { UInt64(try a.int("seed")) }
}

/// What a user may say of a weights file where it is silent, and what is wanted instead of what it says.
enum WeightsOptions {
    static let encoder: [Option] =
        [
            .value(
                "weights-key", "KEY",
                "where a file holds several models: which one, by the keys that stand before its tensors' names, as teacher.backbone "
                    + "(default: the only one that is a vision transformer; of a model and its EMA the EMA, as timm reads them)")
        ] + options(ModelConfiguration.encoderSizes.named("num-heads", "image-size"), PixelNormalization.declared)
    static let decoder: [Option] = options(ModelConfiguration.decoderSizes.named("decoder-num-heads"), [])

    private static func options(_ sizes: [Setting<ModelConfiguration>], _ pixels: [Setting<PixelNormalization>]) -> [Option] {
        let model = ModelConfiguration.presets[0].configuration
        return (sizes.map { $0.option(model) } + pixels.map { $0.option(.imageNet) }).map { option in
            let positions = option.name == "image-size" ? "; positions are interpolated to that grid" : ""
            return Option(option.name, option.kind, help: "\(option.help) (default: the file's\(positions))")
        }
    }

    static func description(_ a: Arguments, _ file: Checkpoint, decoderHeads: Int? = nil) throws -> WeightsDescription {
        let size = try imageSize(a)
        let description = try WeightsDescription(
            file, heads: a.intIfGiven("num-heads"), decoderHeads: decoderHeads, imageHeight: size?.height, imageWidth: size?.width,
            mean: mean(a), deviation: deviation(a))
        say(description.notes)
        return description
    }

    /// Opens the weights that the options name.
    static func checkpoint(_ a: Arguments, _ path: String, layout: CheckpointLayout? = nil) throws -> Checkpoint {
        try Checkpoint(path: path, layout: layout, key: key(a), image: imageSize(a))
    }

    static func key(_ a: Arguments) throws -> String? { try a.stringIfGiven("weights-key") }

    /// Says what of a file was assumed, and what was left out.
    static func say(_ notes: [Message]) { DataOptions.say(notes.map(\.withOptions)) }

    static func imageSize(_ a: Arguments) throws -> (height: Int, width: Int)? {
        try a.intsIfGiven("image-size").map { ($0[0], $0[$0.count - 1]) }
    }

    static func mean(_ a: Arguments) throws -> [Float]? { try a.doublesIfGiven("mean")?.map { Float($0) } }
    static func deviation(_ a: Arguments) throws -> [Float]? { try a.doublesIfGiven("std")?.map { Float($0) } }
}
