import CurricleDistributed
import CurricleEngine
import Foundation
import CurricleModels
import CurricleProofs
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleTerminal
import CurricleTrainer
import CurricleVision

/// Times what the machine does of what it could.
enum BenchCommand {
    static let command = Command(
        name: "bench", summary: "time training, features, matrix products or the loader against the machine's peak",
        options: model.options(defaults) + [
            .value(
                "program", "FILE", .path(.file), "`infer`: time this program file, at its own batch size, in the library that devices run"),
            .value(
                "accum-iter", "N", .whole(1...100_000),
                "`step`: time whole updates of so many batches, by one process or, under mpirun, shared among its ranks"),
            SharedOptions.images("data", "images for `loader`"),
            .value("workers", "N", .whole(1...1024), "the loader's threads", fallback: "1"),
            .value("repeats", "N", .whole(1...100_000), "counted calls", fallback: "10"),
            .value("warmup", "N", .whole(0...1000), "calls before those", fallback: "2"),
            .flag("shapes", "`step`, `infer`: time each shape of a kernel apart"),
            EncoderOptions.precision,
            SharedOptions.output("FILE", "`all`: the file to write"),
            SharedOptions.json
        ] + DataOptions.decoding + [SharedOptions.threads(), SharedOptions.isa, RankedCommand.timeout(section: "Run")],
        arguments: "step|infer|kernels|loader|exchange|all", argumentForm: .word(of: Kind.self), argumentCount: 1...1,
        example: "curricle bench step --model tiny-p16 --batch-size 16 --threads 2")

    private enum Kind: String, CaseIterable { case step, infer, kernels, loader, exchange, all }

    /// What of a run's settings decides what is timed.
    private static let model = PretrainSettings.declared.named(
        ModelConfiguration.declared.map(\.name) + ["batch-size", "mask-ratio", "norm-pix-loss"])
    private static let defaults = PretrainSettings(step: StepOptions(), batchSize: 16)

    static func run(_ a: Arguments) throws -> Int32 {
        let word = a.positional[0]
        guard let kind = Kind(rawValue: word) else { throw UsageError.unexpectedArgument(word, command: command.name) }
        guard kind == .step || kind == .exchange else {
            try RankedCommand.refuse("bench \(word)")
            try run(kind, a, nil)
            return 0
        }
        return try RankedCommand.run(timeout: a.int("peer-timeout")) { ranks in
            try run(kind, a, ranks)
            return 0
        }
    }

    private static func run(_ kind: Kind, _ a: Arguments, _ ranks: Ranks?) throws {
        let subject = try Subject(a, ranks)
        guard subject.precision == .float32 || kind == .infer || (kind == .step && subject.precision == .bfloat16) else {
            throw LearningError.configuration(
                "--precision \(subject.precision.rawValue) goes with infer\(subject.precision == .bfloat16 ? " and step" : "")")
        }
        switch kind {
        case .step: _ = try ranks != nil || a.isGiven("accum-iter") ? RankedBench.update(a, subject, ranks) : step(subject)
        case .exchange: try RankedBench.exchange(subject, ranks)
        case .infer: _ = try a.stringIfGiven("program").map { try inferProgram(subject, $0) } ?? infer(subject)
        case .kernels: _ = try kernels(subject)
        case .loader: try loader(a, subject)
        case .all: try all(to: a.string("output"), subject)
        }
    }

    /// What is timed, and how.
    struct Subject {
        var preset: String
        var settings: PretrainSettings
        var setting: BenchmarkSetting
        var byShape: Bool
        var precision: Precision
        var asJSON: Bool

        init(_ a: Arguments, _ ranks: Ranks?) throws {
            preset = try a.string("model")
            settings = try a.settings(from: defaults, but: [.precision])
            if let problem = settings.model.problem { throw LearningError.configuration(Message(problem)) }
            setting = BenchmarkSetting(
                batchSize: settings.batchSize, threads: try SharedOptions.threads(a, ranks), isa: try ISA.named(a.stringIfGiven("isa")),
                repeats: try a.int("repeats"), warmup: try a.int("warmup"))
            byShape = try a.flag("shapes")
            precision = try a.choice("precision")
            asJSON = try a.flag("json")
        }

        /// The same of another model and batch, as `all` compares machines by.
        func with(_ preset: String, batch: Int, normalizedTargets: Bool = false) -> Subject {
            var other = self
            other.preset = preset
            other.settings = PretrainSettings(step: StepOptions(normalizedTargets: normalizedTargets), batchSize: batch)
            if let model = ModelConfiguration.preset(preset) { other.settings.model = model }
            other.setting = BenchmarkSetting(batchSize: batch, threads: setting.threads, isa: setting.isa, repeats: 5, warmup: 1)
            other.asJSON = true
            return other
        }

        var common: Row {
            [
                ("preset", .string(preset)), ("batch", .integer(setting.batchSize)), ("precision", .string(precision.rawValue)),
                ("threads", .integer(setting.threads)), ("isa", .string("\(setting.isa)"))
            ]
        }

        /// Shows a result, as a line of JSON or as text.
        func show(_ row: Row, _ text: @autoclosure () -> String) { print(asJSON ? jsonLine(row) : text()) }
    }

    typealias Row = [(key: String, value: LogValue)]

    private static func step(_ subject: Subject) throws -> [Row] {
        let s = subject.setting
        var bar = ProgressBar(total: s.repeats + s.warmup)
        var benchmark = StepBenchmark(configuration: subject.settings.model, options: subject.settings.step, setting: s)
        benchmark.byShape = subject.byShape
        benchmark.precision = subject.precision
        let r = try benchmark.run { done in bar.update(label: "iterations", completed: done) { [] } }, whole = r.whole
        bar.finish()
        let row: Row =
            [("bench", "step")] + subject.common + [
                ("step_s", .double(whole.seconds)), ("step_p90_s", .double(whole.secondsP90)), ("step_a_s", .double(r.stepA)),
                ("step_b_s", .double(r.stepB))
            ] + fields(whole)
        let lines =
            [
                "\(subject.preset), batch \(whole.images), \(subject.precision.rawValue), \(s.isa), \(s.threads) threads, \(Machine.cpu)",
                String(
                    format: "step %.4f s (p90 %.4f; A %.4f, B %.4f)   %.2f images/s", whole.seconds, whole.secondsP90, r.stepA, r.stepB,
                    whole.imagesPerSecond),
                String(format: "%.1f of %.1f GFLOP/s calibrated peak: %.3f", whole.gflops, whole.peakGFLOPs, whole.peakShare),
                String(format: "peak memory %.0f MB, arena %.0f MB", Double(whole.residentBytes) / 1e6, Double(whole.arenaBytes) / 1e6)
            ] + text(whole)
        subject.show(row, lines.joined(separator: "\n"))
        return [row]
    }

    private static func fields(_ outcome: BenchmarkOutcome) -> Row {
        [
            ("img_s", .double(outcome.imagesPerSecond)), ("gflop_s", .double(outcome.gflops)),
            ("peak_gflop_s", .double(outcome.peakGFLOPs)),
            ("peak_share", .double(outcome.peakShare)), ("rss_mb", .double(Double(outcome.residentBytes) / 1e6)),
            ("arena_mb", .double(Double(outcome.arenaBytes) / 1e6))
        ] + fields(outcome.roofline, of: outcome.seconds) + fields(outcome.otherLoad)
    }

    /// The roofline, what else ran, and a line for each kernel.
    private static func text(_ outcome: BenchmarkOutcome) -> [String] {
        text(outcome.roofline, of: outcome.seconds) + text(outcome.otherLoad)
            + table(outcome.kernels, of: outcome.seconds)
    }

    private static func fields(_ roofline: Roofline?, of seconds: Double) -> Row {
        guard let r = roofline else { return [] }
        var row: Row = [
            ("stream_gb_s", .double(r.streamGBytes)), ("roofline_share", .double(r.share(of: seconds))),
            ("instructions", .integer(r.instructions)), ("stages", .integer(r.stages)), ("longest_chain", .integer(r.longestChain))
        ]
        if let c = r.counted {
            row += [
                ("beyond_l2_mb", .double(c.beyondSecond * 1e-6)), ("beyond_l3_mb", .double(c.beyondLast * 1e-6)),
                ("adamw_mb", .double(c.updates * 1e-6))
            ]
        }
        return row
    }

    private static func text(_ roofline: Roofline?, of seconds: Double) -> [String] {
        guard let r = roofline else { return [] }
        let least = r.leastSeconds, isArithmetic = least.arithmetic > least.memory
        var lines = [
            String(
                format: "%.3f of the roofline, which is of %@ here; memory %.1f GB/s", r.share(of: seconds),
                isArithmetic ? "arithmetic" : "memory", r.streamGBytes)
        ]
        if let c = r.counted {
            lines.append(
                String(
                    format: "counted: %.0f MB from behind the second level (%@ a core),", c.beyondSecond * 1e-6,
                    ByteCount.text(c.caches.second)))
            lines.append(
                String(
                    format: "         %.0f MB from behind the last (%@), of it AdamW %.0f MB", c.beyondLast * 1e-6,
                    ByteCount.text(c.caches.last),
                    c.updates * 1e-6))
        }
        return lines + ["\(r.instructions) instructions in \(r.stages) stages; their longest chain has \(r.longestChain)"]
    }

    static func fields(_ otherLoad: OtherLoad?) -> Row {
        otherLoad.map { [("others_share", .double($0.others)), ("steal_share", .double($0.stolen))] } ?? []
    }

    static func text(_ otherLoad: OtherLoad?) -> [String] {
        guard let load = otherLoad, load.disturbs else { return [] }
        return [
            String(
                format: "beside others: other processes had %.0f %% of the processors, other machines %.0f %%",
                100 * load.others, 100 * load.stolen)
        ]
    }

    /// A line for each kernel: how often, time, share of the whole, rate.
    private static func table(_ kernels: [KernelTime], of whole: Double) -> [String] {
        let column = kernels.map(\.name.count).max() ?? 0
        return kernels.filter { $0.seconds > 0 }.map { k in
            let rate =
                k.flops > 0
                ? String(format: "%7.1f GFLOP/s (%.2f of peak)", k.flops / k.seconds * 1e-9, k.flops / k.seconds * 1e-9 / k.peakGFLOPs) : ""
            return
                "  \(k.name.padded(column)) "
                + "\(String(format: "%4d × %9.3f ms %5.1f %%", k.count, k.seconds * 1e3, 100 * k.seconds / whole))  \(rate)"
        }
    }

    private static func infer(_ subject: Subject) throws -> [Row] {
        let s = subject.setting
        var bar = ProgressBar(total: s.repeats + s.warmup)
        var benchmark = InferenceBenchmark(configuration: subject.settings.model, setting: s)
        benchmark.byShape = subject.byShape
        benchmark.precision = subject.precision
        let r = try benchmark.run { done in bar.update(label: "batches", completed: done) { [] } }
        bar.finish()
        let row: Row =
            [("bench", "infer")] + subject.common + [("infer_s", .double(r.seconds)), ("infer_p90_s", .double(r.secondsP90))] + fields(r)
        let lines =
            [
                "\(subject.preset), batch \(r.images), \(subject.precision.rawValue), \(s.isa), \(s.threads) threads, \(Machine.cpu)",
                String(
                    format: "features (class token and mean) %.2f ms (p90 %.2f), %.1f images/s", r.seconds * 1e3, r.secondsP90 * 1e3,
                    r.imagesPerSecond),
                String(
                    format: "%.3f of %.1f GFLOP/s calibrated peak; peak memory %.0f MB", r.peakShare, r.peakGFLOPs,
                    Double(r.residentBytes) / 1e6)
            ] + text(r)
        subject.show(row, lines.joined(separator: "\n"))
        return [row]
    }

    private static func inferProgram(_ subject: Subject, _ path: String) throws -> [Row] {
        let s = subject.setting
        var bar = ProgressBar(total: s.repeats + s.warmup)
        let r = try ProgramBenchmark(path: path, setting: s).run { done in bar.update(label: "batches", completed: done) { [] } }
        bar.finish()
        let row: Row = [
            ("bench", "infer"), ("program", .string(path)), ("batch", .integer(r.images)), ("precision", .string(r.precision.rawValue)),
            ("threads", .integer(s.threads)), ("isa", .string("\(s.isa)")),
            ("infer_s", .double(r.batch)), ("infer_p90_s", .double(r.batchP90)), ("img_s", .double(r.imagesPerSecond)),
            ("gflop_s", .double(r.gflops)),
            ("peak_gflop_s", .double(r.peakGFLOPs)), ("peak_share", .double(r.gflops / r.peakGFLOPs)), ("open_s", .double(r.open)),
            ("open_checked_s", .double(r.openChecked)), ("arena_mb", .double(Double(r.arenaBytes) / 1e6))
        ]
        subject.show(
            row,
            String(
                format:
                    "%@, batch %d: %.2f ms (p90 %.2f), %.1f images/s, %.3f of %.1f GFLOP/s, arena %.2f MB, opened in %.3f ms (with "
                    + "checksum %.1f)",
                path, r.images, r.batch * 1e3, r.batchP90 * 1e3, r.imagesPerSecond, r.gflops / r.peakGFLOPs, r.peakGFLOPs,
                Double(r.arenaBytes) / 1e6, r.open * 1e3, r.openChecked * 1e3))
        return [row]
    }

    private static func kernels(_ subject: Subject) throws -> [Row] {
        let s = subject.setting, asJSON = subject.asJSON
        var rows: [Row] = []
        if !asJSON { print("kernel                    rows columns depth  count   GFLOP/s  OpenBLAS  ratio  of peak") }
        try KernelBenchmark(configuration: subject.settings.model, options: subject.settings.step, setting: s).run { r in
            let row: Row = [
                ("bench", "kernels"), ("preset", .string(subject.preset)), ("kernel", .string(r.shape.opcode.description)),
                ("rows", .integer(r.shape.rows)),
                ("columns", .integer(r.shape.columns)), ("depth", .integer(r.shape.depth)), ("count", .integer(r.count)),
                ("gflop_s", .double(r.gflops)),
                ("openblas_gflop_s", .double(r.openBLAS)), ("ratio", .double(r.gflops / r.openBLAS)),
                ("peak_share", .double(r.gflops / r.peakGFLOPs)),
                ("threads", .integer(s.threads)), ("isa", .string("\(s.isa)"))
            ]
            rows.append(row)
            print(
                asJSON
                    ? jsonLine(row)
                    : r.shape.opcode.description.padded(24)
                        + String(
                            format: "%6d %7d %5d %6d %9.1f %9.1f %6.2f %8.2f", r.shape.rows, r.shape.columns, r.shape.depth, r.count,
                            r.gflops, r.openBLAS, r.gflops / r.openBLAS, r.gflops / r.peakGFLOPs))
        }
        return rows
    }

    private static func loader(_ a: Arguments, _ subject: Subject) throws {
        let c = subject.settings.model
        let source = try DataOptions.open(
            a.string("data"), role: .train, DataOptions.decoding(a, size: max(c.imageHeight, c.imageWidth), channels: c.channels))
        let grid = try c.grid
        let pipeline = ImagePipeline(grid: grid, augmentation: .mae, normalization: .standard(channels: c.channels), seed: 0)
        var bar = ProgressBar(total: source.count)
        let benchmark = LoaderBenchmark(pipeline: pipeline, batchSize: subject.settings.batchSize, workers: try a.int("workers"))
        let r = try benchmark.run(source) { done, _ in bar.update(label: "images", completed: done) { [] } }
        bar.finish()
        let row: Row = [
            ("bench", "loader"), ("images", .integer(r.images)), ("workers", .integer(benchmark.workers)),
            ("img_s", .double(r.imagesPerSecond)),
            ("img_s_per_core", .double(r.imagesPerCoreSecond)), ("core_share", .double(r.coreShare))
        ]
        subject.show(
            row,
            String(
                format: "%d images: %.1f images/s, %.1f a second of one core, %.2f cores busy", r.images, r.imagesPerSecond,
                r.imagesPerCoreSecond, r.coreShare))
    }

    /// Steps and features of the presets that fit a small machine, and products' shapes, in one file to compare machines by.
    private static func all(to path: String, _ subject: Subject) throws {
        var rows: [Row] = []
        for (preset, batch) in [("tiny-p16", 16), ("small-p16", 16), ("base-p16", 8)] {
            rows += try step(subject.with(preset, batch: batch, normalizedTargets: true))
        }
        for preset in ["tiny-p16", "base-p16"] { for batch in [1, 16] { rows += try infer(subject.with(preset, batch: batch)) } }
        rows += try kernels(subject.with("tiny-p16", batch: 16))
        let machine: Row = [
            ("cpu", .string(Machine.cpu)), ("processors", .integer(Machine.processors)), ("isa", .string("\(subject.setting.isa)"))
        ]
        let date = ISO8601DateFormatter().string(from: Date())
        let text =
            "{\"machine\":\(jsonLine(machine)),\"date\":\"\(date)\",\"results\":[\n\(rows.map(jsonLine).joined(separator: ",\n"))\n]}\n"
        try DurableFile.write(Array(text.utf8), to: path)
        print("results: \(path)")
    }
}
