import CurricleDistributed
import CurricleDatasets
import CurricleEngine
import CurricleFeatures
import Foundation
import CurricleModels
import CurricleProofs
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleTerminal
import CurricleTrainer
import CurricleVision
import CurricleWeights

private enum ProgramOptions {
    static let pool = Option.value(
        "pool", "KIND", .word(of: FeaturePooling.allCases.map(\.rawValue) + [Pooling.normalizedMean.rawValue]),
        "of weights: cls (class token), mean (of the patch tokens), fc_norm (their mean before the last norm, through a norm of its own), "
            + "cls+mean or tokens (all patch tokens)", fallback: "cls")

    /// The weights' encoder as a program for `images` images a run.
    /// - Parameter precision: nil for what the options say; where it is given, what was assumed of the file has been said.
    static func program(_ a: Arguments, images: Int, precision: Precision? = nil) throws -> EncoderProgram {
        try program(a, images: images, of: extractor(a, precision: precision))
    }

    static func program(_ a: Arguments, images: Int, of extractor: FeatureExtractor) throws -> EncoderProgram {
        try extractor.program(images: images, pool: FeaturePooling(rawValue: a.string("pool")) ?? .mean)
    }

    static func extractor(_ a: Arguments, precision: Precision? = nil) throws -> FeatureExtractor {
        try EncoderOptions.extractor(
            a, threads: 1, layer: a.intIfGiven("layer"),
            pool: FeaturePooling(rawValue: a.string("pool")) == nil ? .normalizedMean : nil,
            precision: precision ?? a.choice("precision"), isa: ISA.named(nil), isQuiet: precision != nil)
    }
}

extension ProgramOptions {
    /// A classifier's weights as a program, where its head is asked for.
    static func classifier(_ a: Arguments, images: Int) throws -> EncoderProgram? {
        guard let head = try a.stringIfGiven("head") else { return nil }
        if let name = ["pool", "layer", "precision", "images", "keep"].first(where: a.isGiven) {
            throw LearningError.configuration("--head takes the whole classifier as it was trained: leave out --\(name)")
        }
        let weights = try WeightsOptions.checkpoint(a, a.string("weights"))
        let classifier = try TrainedClassifier(weights, WeightsOptions.description(a, weights), isa: ISA.named(a.stringIfGiven("isa")))
        return try classifier.program(images: images, output: head == "logits" ? .logits : .probabilities)
    }
}

/// Makes a program file of an encoder's weights, for the C library and `extract`.
enum CompileCommand {
    static let command = Command(
        name: "compile", summary: "make a program file that a device runs without Swift",
        options: EncoderOptions.all() + EncoderOptions.keeping + [
            SharedOptions.output("FILE", "the program file; with --trace, a folder", .either),
            .value("batch", "N", .whole(1...65536), "images a run", fallback: "1"),
            ProgramOptions.pool, EncoderOptions.layer, EncoderOptions.precision,
            SharedOptions.images(
                "images",
                "with --precision int8 or bf16: images whose features are compared with float32's; int8's rows are smoothed by them where it "
                    + "needs that, and the file is only "
                    + "written where the worst is near enough"),
            .value(
                "head", "KIND", .word(of: ["softmax", "logits"]),
                "of a classifier that finetune wrote: its head and its classes' names too; probabilities, or logits"),
            .value("least-cosine", "C", .number(-1...1), "how near the worst image's features must be", fallback: "0.99"),
            .value(
                "trace", "FILE", .path(.file),
                "instead of weights: save a golden trace's programs with inputs and results, for CSupport's test_program"),
            SharedOptions.isa
        ],
        example: "curricle compile --weights run/model.safetensors --pool mean -o encoder.curricle")

    static func run(_ a: Arguments) throws -> Int32 {
        let output = try a.string("output")
        if let trace = try a.stringIfGiven("trace") {
            return try save(GoldenTrace(path: trace), to: output, isa: ISA.named(a.stringIfGiven("isa")))
        }
        guard try !a.isGiven("images") || a.string("precision") != Precision.float32.rawValue else {
            throw LearningError.configuration("--images goes with --precision int8 or bf16: float32 is what it would be compared with")
        }
        var program = try ProgramOptions.classifier(a, images: a.int("batch")) ?? ProgramOptions.program(a, images: a.int("batch"))
        if let images = try a.stringIfGiven("images") { program = try compared(a, program, on: images) }
        try program.addSelfTest()
        try program.write(to: output)
        try show(program.opened(as: output, threads: 1))  // what was written may be a pipe
        return 0
    }

    /// How much of a LayerNorm's range goes into the weights behind it, where bytes of its rows are not enough (``ActivationSmoothing``).
    private static let smoothings = [0.5, 0.65, 0.8]

    /// A program whose features are near enough to those of the same encoder in float32: the one that is given, or, of bytes, one with smoothed
    /// rows.
    /// - Throws: `LearningError.configuration` where the worst image's are further apart than the user lets them be.
    private static func compared(_ a: Arguments, _ program: EncoderProgram, on images: String) throws -> EncoderProgram {
        let least = try a.double("least-cosine"), exact = try ProgramOptions.extractor(a, precision: .float32), batch = try a.int("batch")
        let reference = try ProgramExtraction(
            ProgramOptions.program(a, images: batch, of: exact).opened(as: a.string("weights"), threads: min(256, Machine.processors)))
        let source = try source(images, for: reference), expected = try features(reference, source)
        func likeness(of program: EncoderProgram, _ what: String) throws -> FeatureLikeness {
            let extraction = try ProgramExtraction(program.opened(as: a.string("weights"), threads: min(256, Machine.processors)))
            let likeness = try FeatureLikeness(
                features(extraction, source), to: expected, width: extraction.width, threads: min(256, Machine.processors))
            print(what + likeness.text)
            return likeness
        }
        var best = (program: program, likeness: try likeness(of: program, ""))
        if best.likeness.worstCosine < least, try a.choice("precision") == Precision.int8 {
            let smoothing = try ActivationSmoothing(exact, source)
            for strength in smoothings {
                let extractor = try ProgramOptions.extractor(a, precision: .int8)
                smoothing.apply(strength, from: exact.model, to: extractor.model)
                let smoothed = try ProgramOptions.program(a, images: batch, of: extractor)
                let likeness = try likeness(of: smoothed, "smoothed by \(strength), ")
                if likeness.worstCosine > best.likeness.worstCosine { best = (smoothed, likeness) }
            }
        }
        guard best.likeness.worstCosine >= least else {
            throw LearningError.configuration(
                Message(
                    "\(source.name(at: best.likeness.worst)): the cosine of its features with float32's is "
                        + String(format: "%.4f", best.likeness.worstCosine)
                        + ", less than --least-cosine \(least): nothing is written; keep --precision f32 for this encoder, or allow less"))
        }
        return best.program
    }

    /// Images as `extract` reads them for a program.
    private static func source(_ images: String, for extraction: ProgramExtraction) throws -> any ImageSource {
        let shape = extraction.program.encoder.shape
        var decoding = DecodeOptions()
        decoding.settle(size: max(shape.width, shape.height), channels: shape.channels)
        return try DataOptions.open(images, role: .train, decoding)
    }

    private static func features(_ extraction: ProgramExtraction, _ source: any ImageSource) throws -> [Float] {
        var bar = ProgressBar(total: source.count), done = 0, features: [Float] = []
        try extraction.run(source) { range, rows in
            features += rows
            done += range.count
            bar.update(label: "comparing", completed: done) { ["images"] }
        }
        bar.finish()
        return features
    }

    private static func save(_ trace: GoldenTrace, to folder: String, isa: ISA) throws -> Int32 {
        try makeFolder(folder)
        for program in try trace.programs(threads: 1, isa: isa) {
            let path = "\(folder)/\(program.name).program"
            try DurableFile.write(program.bytes, to: path)
            print("\(path): \(ByteCount.text(program.bytes.count))")
        }
        return 0
    }

    /// The file's facts, a line each.
    static func show(_ file: ProgramFile) {
        print(file.path)
        for (name, value) in file.summary { print("  \(name.padded(13))\(value)") }
    }
}

/// Says what is in a program file, or in a file of weights.
enum InspectCommand {
    static let command = Command(
        name: "inspect", summary: "what is in a program file, once it is found sound, or in a file of weights of any layout",
        options: [
            .flag("instructions", "list the program, a line an instruction"),
            .value("threads", "N", .whole(1...256), "of a program: threads whose scratch is counted", fallback: "1")
        ] + CheckpointCommands.options,
        arguments: "FILE", argumentCount: 1...1, example: "curricle inspect encoder.curricle --instructions")

    static func run(_ a: Arguments) throws -> Int32 {
        guard try ProgramFile.isProgram(a.positional[0]) else {
            if try a.flag("instructions") {
                throw LearningError.file(path: a.positional[0], reason: "is no program file: --instructions is of one")
            }
            try CheckpointCommands.inspect(a, a.positional[0])
            return 0
        }
        let file = try ProgramFile(path: a.positional[0], threads: a.int("threads"), isa: ISA.named(nil))
        CompileCommand.show(file)
        if try a.flag("instructions") {
            for (index, instruction) in file.instructionTexts.enumerated() { print("\(index): \(instruction)") }
        }
        return 0
    }
}

/// Features of images as files.
enum ExtractCommand {
    static let command = Command(
        name: "extract", summary: "features of images as .npy and .csv",
        options: EncoderOptions.all(
            weights: "instead of a program: a run's model.safetensors, or any file that import reads; it is compiled first")
            + EncoderOptions.keeping + [
                .value(
                    "program", "FILE", .path(.file), "program file of `compile`: the library that devices run computes the features",
                    short: "p"),
                ProgramOptions.pool, EncoderOptions.layer, EncoderOptions.precision,
                .value("batch-size", "N", .whole(1...65536), "with --weights: images a run", fallback: "16"),
                SharedOptions.images("data", "images: a folder, a file, or IDX"),
                DataOptions.split,
                .value(
                    "preprocess", "KIND", .word(of: ["eval", "none"]),
                    "eval (as the reference: shorter side resized, centre cropped; pictures of the model's size too) or none (pictures "
                        + "must have the model's size)",
                    fallback: "eval"),
                SharedOptions.output(
                    "FILE.npy",
                    "features [images, width], or [images, patches, width]; rows follow the sorted names. A run that was cut short is "
                        + "taken up where it ended. FILE.csv writes a table alone"
                ),
                .value("csv", "FILE.csv", .path(.file), "the same with the images' names"),
                .flag("skip-broken", "leave out images that cannot be read; the table, or FILE.npy.names, says whose rows there are"),
                SharedOptions.json
            ] + DataOptions.decoding + [SharedOptions.threads(most: 256), SharedOptions.isa, RankedCommand.timeout()],
        example: "curricle extract --weights run/model.safetensors --pool mean --data photos --output features.npy --csv features.csv")

    static func run(_ a: Arguments) throws -> Int32 {
        try RankedCommand.run(timeout: a.int("peer-timeout")) { ranks in try run(a, ranks) }
    }

    private static func run(_ a: Arguments, _ ranks: Ranks?) throws -> Int32 {
        let threads = try SharedOptions.threads(a, most: 256, ranks)
        let output = try a.string("output")
        guard a.isGiven("program") != a.isGiven("weights") else {
            throw LearningError.configuration("extract takes either --program or --weights")
        }
        let isa = try ISA.named(a.stringIfGiven("isa"))
        if a.isGiven("program"), let name = Self.ofWeights.first(where: a.isGiven) {
            throw LearningError.configuration("--\(name) goes with --weights: in a program file it is fixed")
        }
        let isTable = output.lowercased().hasSuffix(".csv"), table = isTable ? output : try a.stringIfGiven("csv")
        guard !isTable || !a.isGiven("csv") else {
            throw LearningError.configuration("--output is a table already: leave out --csv, or name an .npy file")
        }
        guard isTable || table != output else { throw LearningError.configuration("--output and --csv name the same file, \(output)") }
        let program =
            try a.isGiven("program")
            ? ProgramFile(path: a.string("program"), threads: threads, isa: isa) : compiled(a, threads: threads, isa: isa)
        let extraction = try ProgramExtraction(program, takesPixelsAsTheyAre: a.string("preprocess") == "none")
        let shape = program.encoder.shape,
            decoding = try DataOptions.decoding(a, size: max(shape.width, shape.height), channels: shape.channels)
        let source = try sound(
            DataOptions.open(a.string("data"), role: DataOptions.role(a), decoding), skips: a.flag("skip-broken"),
            tells: ranks.leads)
        if let ranks {
            try ranks.agree(on: source)
            try ranks.agree("computes by the program", "\(program.checksum)")
        }
        let start = Date()
        let first: Int
        do {
            if let ranks, !ranks.leads {
                try RankedCommand.extract(extraction, source, ranks) { _, _ in }
                return 0
            }
            first =
                isTable
                ? try write(extraction, source, table: output, ranks)
                : try write(extraction, source, array: output, key: extraction.key(source, decoding), table: table, ranks)
        } catch {
            throw broken(source, after: error)
        }
        if try a.flag("skip-broken"), table == nil {
            try DurableFile.write((0..<source.count).flatMap { source.name(at: $0).bytes + [0x0A] }, to: "\(output).names")
        }
        let seconds = max(Date().timeIntervalSince(start), 1e-9)
        print(
            try a.flag("json")
                ? jsonLine([
                    ("output", .string(output)), ("images", .integer(source.count)), ("width", .integer(extraction.width)),
                    ("images_per_second", .double(Double(source.count - first) / seconds))
                ])
                : "\(output): \(source.count) images, \(extraction.width) numbers each, \(rate(source.count - first, since: start))")
        return 0
    }

    /// A table alone.
    /// - Returns: 0, the first image that was computed.
    private static func write(_ extraction: ProgramExtraction, _ source: any ImageSource, table: String, _ ranks: Ranks?) throws -> Int {
        var names = try FeatureTable(path: table, width: extraction.width), bar = ProgressBar(total: source.count)
        let start = Date()
        try RankedCommand.extract(extraction, source, ranks) { range, features in
            for (place, row) in range.enumerated() {
                try names.append(source.name(at: row).bytes, features[(place * extraction.width)..<((place + 1) * extraction.width)])
            }
            bar.update(label: "images", completed: range.upperBound) { [rate(range.upperBound, since: start)] }
        }
        bar.finish()
        try names.publish()
        return 0
    }

    /// An array, and perhaps a table of it.
    /// - Returns: the first image that was computed; an earlier run had computed those before.
    private static func write(
        _ extraction: ProgramExtraction, _ source: any ImageSource, array path: String, key: UInt32, table: String?, _ ranks: Ranks?
    ) throws -> Int {
        let shape = extraction.program.encoder.shape
        var array = try NumpyFile(
            path: path, shape: [source.count] + (extraction.program.output == .features(.tokens) ? [shape.rows] : []) + [shape.rowWidth],
            key: key)
        var names: FeatureTable? = nil
        if let table { names = try FeatureTable(path: table, width: extraction.width) }
        var bar = ProgressBar(total: source.count, completed: array.rows)
        let start = Date(), first = array.rows
        if first > 0, first < source.count { bar.message("taken up at image \(first + 1)") }
        try RankedCommand.extract(extraction, source, from: first, ranks) { range, features in
            try array.append(features)
            bar.update(label: "images", completed: range.upperBound) { [rate(range.upperBound - first, since: start)] }
        }
        bar.finish()
        if var names = consume names {
            for row in 0..<array.rows { try names.append(source.name(at: row).bytes, array.row(row)) }
            try names.publish()
        }
        try array.publish()
        return first
    }

    /// The images that can be read, where others are to be left out.
    static func sound(_ source: any ImageSource, skips: Bool, tells: Bool = true) throws -> any ImageSource {
        guard skips else { return source }
        var progress = WorkProgress("looking for broken images")
        defer { progress.finish() }
        let (sound, broken) = source.sound { progress.update($0, of: source.count) }
        guard sound.count > 0 else {
            throw VisionError.noReadableImage(count: broken.count, firstReason: broken.first.map { "\($0)" } ?? "there is none")
        }
        for error in broken where tells { tell("left out: \(error)") }
        return sound
    }

    /// What is wrong with a dataset's images, all of it in one line.
    private static func broken(_ source: any ImageSource, after error: any Error) -> any Error {
        guard error is VisionError else { return error }
        let broken = source.sound().broken
        guard broken.count > 1 else { return error }
        return LearningError.configuration(
            Message(
                "\(broken.count) images cannot be read: \(broken.map { "\($0)" }.joined(separator: "; ")); --skip-broken leaves them out"))
    }

    /// Options that decide what a program is made of.
    private static let ofWeights = [
        "weights-key", "pool", "layer", "precision", "keep", "batch-size", "num-heads", "image-size", "mean", "std"
    ]

    private static func rate(_ images: Int, since start: Date) -> String {
        String(format: "%.1f images/s", Double(images) / max(Date().timeIntervalSince(start), 1e-9))
    }

    /// The weights' encoder as a program.
    private static func compiled(_ a: Arguments, threads: Int, isa: ISA) throws -> ProgramFile {
        try ProgramOptions.program(a, images: a.int("batch-size")).opened(as: a.string("weights"), threads: threads, isa: isa)
    }
}
