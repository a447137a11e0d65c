import Foundation
import Learning
import Models
import Runtime
import Terminal
import Vision

/// Times what the machine does of what it could.
enum BenchCommand {
    static let command = Command(
        name: "bench", summary: "time training, features, matrix products or the loader against the machine's peak",
        options: ModelOptions.sizes() + [
            .value("batch-size", "N", "images a batch", fallback: "16"),
            .value("mask-ratio", "R", "share of patches removed", fallback: "0.75"),
            .flag("norm-pix-loss", "predict normalised patches"),
            .value("program", "FILE", "`infer`: time this program file, at its own batch size, in the library that devices run"),
            .value("data", "PATH", "images for `loader`"),
            .value("workers", "N", "the loader's threads", fallback: "1"),
            .value("threads", "N", "threads of the team (default: all processors)"),
            .value("isa", "NAME", "baseline, avx2, avx512 or neon (default: CURRICLE_ISA, or the best)"),
            .value("repeats", "N", "counted calls", fallback: "10"), .value("warmup", "N", "calls before those", fallback: "2"),
            .flag("shapes", "`step`, `infer`: time each shape of a kernel apart"),
            .value("output", "FILE", "`all`: the file to write", short: "o"),
            .flag("json", "print one JSON object a line"),
        ] + DataOptions.decoding(),
        arguments: "step|infer|kernels|loader|all", argumentCount: 1...1, example: "curricle bench step --model tiny-p16 --batch-size 16 --threads 2")

    static func run(_ a: Arguments) throws -> Int32 {
        switch a.positional.first {
        case "step": _ = try step(a)
        case "infer": _ = try infer(a)
        case "kernels": _ = try kernels(a)
        case "loader": _ = try loader(a)
        case "all": try all(a)
        default: throw UsageError.unexpectedArgument(a.positional.first ?? "", command: "bench")
        }
        return 0
    }

    typealias Row = [(key: String, value: LogValue)]

    private static func setting(_ a: Arguments) throws -> BenchmarkSetting {
        BenchmarkSetting(
            batchSize: try a.int("batch-size", in: 1...100_000), threads: try ModelOptions.threads(a),
            isa: try ISA.named(a.stringIfGiven("isa")), repeats: try a.int("repeats", in: 1...100_000), warmup: try a.int("warmup", in: 0...1000))
    }

    private static func configuration(_ a: Arguments) throws -> ModelConfiguration {
        let configuration = try ModelOptions.configuration(a)
        if let problem = configuration.problem { throw LearningError.configuration(problem) }
        return configuration
    }

    private static func options(_ a: Arguments) throws -> StepOptions {
        StepOptions(maskRatio: try a.double("mask-ratio", in: 0...1), normalizedTargets: try a.flag("norm-pix-loss"))
    }

    private static func common(_ a: Arguments, _ s: BenchmarkSetting) throws -> Row {
        [("preset", .string(try a.string("model"))), ("batch", .integer(s.batchSize)), ("precision", "f32"), ("threads", .integer(s.threads)), ("isa", .string("\(s.isa)"))]
    }

    /// Shows a result, as a line of JSON or as text.
    private static func show(_ a: Arguments, _ row: Row, _ text: @autoclosure () -> String) throws {
        print(try a.flag("json") ? jsonLine(row) : text())
    }

    private static func step(_ a: Arguments) throws -> [Row] {
        let s = try setting(a)
        var bar = ProgressBar(total: s.repeats + s.warmup)
        var benchmark = StepBenchmark(configuration: try configuration(a), options: try options(a), setting: s)
        benchmark.byShape = try a.flag("shapes")
        let r = try benchmark.run { done in bar.update(label: "iterations", completed: done) { [] } }
        bar.finish()
        let row: Row = [("bench", "step")] + (try common(a, s)) + [
            ("step_s", .double(r.step)), ("step_p90_s", .double(r.stepP90)), ("step_a_s", .double(r.stepA)), ("step_b_s", .double(r.stepB)),
            ("img_s", .double(r.imagesPerSecond)), ("gflop_s", .double(r.gflops)), ("peak_gflop_s", .double(r.peakGFLOPs)), ("peak_share", .double(r.peakShare)),
            ("rss_mb", .double(Double(r.residentBytes) / 1e6)), ("arena_mb", .double(Double(r.arenaBytes) / 1e6)),
        ]
        var lines = [
            "\(try a.string("model")), batch \(r.images), f32, \(s.isa), \(s.threads) threads, \(Machine.cpu)",
            String(format: "step %.4f s (p90 %.4f; A %.4f, B %.4f)   %.2f images/s", r.step, r.stepP90, r.stepA, r.stepB, r.imagesPerSecond),
            String(format: "%.1f of %.1f GFLOP/s calibrated peak: %.3f", r.gflops, r.peakGFLOPs, r.peakShare),
            String(format: "peak memory %.0f MB, arena %.0f MB", Double(r.residentBytes) / 1e6, Double(r.arenaBytes) / 1e6),
        ]
        lines += table(r.kernels, of: r.step, peak: r.peakGFLOPs)
        try show(a, row, lines.joined(separator: "\n"))
        return [row]
    }

    /// A line for each kernel: how often, time, share of the whole, rate.
    private static func table(_ kernels: [KernelTime], of whole: Double, peak: Double) -> [String] {
        let column = kernels.map(\.name.count).max() ?? 0
        return kernels.filter { $0.seconds > 0 }.map { k in
            let rate = k.flops > 0 ? String(format: "%7.1f GFLOP/s (%.2f of peak)", k.flops / k.seconds * 1e-9, k.flops / k.seconds * 1e-9 / peak) : ""
            return "  \(k.name.padded(column)) \(String(format: "%4d × %9.3f ms %5.1f %%", k.count, k.seconds * 1e3, 100 * k.seconds / whole))  \(rate)"
        }
    }

    private static func infer(_ a: Arguments) throws -> [Row] {
        if let path = try a.stringIfGiven("program") { return try inferProgram(a, path) }
        let s = try setting(a)
        var bar = ProgressBar(total: s.repeats + s.warmup)
        var benchmark = InferenceBenchmark(configuration: try configuration(a), setting: s)
        benchmark.byShape = try a.flag("shapes")
        let r = try benchmark.run { done in bar.update(label: "batches", completed: done) { [] } }
        bar.finish()
        let row: Row = [("bench", "infer")] + (try common(a, s)) + [
            ("infer_s", .double(r.batch)), ("infer_p90_s", .double(r.batchP90)), ("img_s", .double(r.imagesPerSecond)), ("gflop_s", .double(r.gflops)),
            ("peak_gflop_s", .double(r.peakGFLOPs)), ("peak_share", .double(r.peakShare)), ("rss_mb", .double(Double(r.residentBytes) / 1e6)),
            ("arena_mb", .double(Double(r.arenaBytes) / 1e6)),
        ]
        try show(a, row, ([String(
            format: "features (class token and mean), batch %d: %.2f ms (p90 %.2f), %.1f images/s, %.3f of %.1f GFLOP/s, peak memory %.0f MB",
            r.images, r.batch * 1e3, r.batchP90 * 1e3, r.imagesPerSecond, r.peakShare, r.peakGFLOPs, Double(r.residentBytes) / 1e6)]
            + table(r.kernels, of: r.batch, peak: r.peakGFLOPs)).joined(separator: "\n"))
        return [row]
    }

    private static func inferProgram(_ a: Arguments, _ path: String) throws -> [Row] {
        let s = try setting(a)
        var bar = ProgressBar(total: s.repeats + s.warmup)
        let r = try ProgramBenchmark(path: path, setting: s).run { done in bar.update(label: "batches", completed: done) { [] } }
        bar.finish()
        let row: Row = [
            ("bench", "infer"), ("program", .string(path)), ("batch", .integer(r.images)), ("precision", "f32"), ("threads", .integer(s.threads)), ("isa", .string("\(s.isa)")),
            ("infer_s", .double(r.batch)), ("infer_p90_s", .double(r.batchP90)), ("img_s", .double(r.imagesPerSecond)), ("gflop_s", .double(r.gflops)),
            ("peak_gflop_s", .double(r.peakGFLOPs)), ("peak_share", .double(r.gflops / r.peakGFLOPs)), ("open_s", .double(r.open)),
            ("open_checked_s", .double(r.openChecked)), ("arena_mb", .double(Double(r.arenaBytes) / 1e6)),
        ]
        try show(a, row, String(
            format: "%@, batch %d: %.2f ms (p90 %.2f), %.1f images/s, %.3f of %.1f GFLOP/s, arena %.2f MB, opened in %.3f ms (with checksum %.1f)",
            path, r.images, r.batch * 1e3, r.batchP90 * 1e3, r.imagesPerSecond, r.gflops / r.peakGFLOPs, r.peakGFLOPs, Double(r.arenaBytes) / 1e6, r.open * 1e3, r.openChecked * 1e3))
        return [row]
    }

    private static func kernels(_ a: Arguments) throws -> [Row] {
        let s = try setting(a), preset = try a.string("model"), asJSON = try a.flag("json")
        var rows: [Row] = []
        if !asJSON { print("kernel                    rows columns depth  count   GFLOP/s  OpenBLAS  ratio  of peak") }
        try KernelBenchmark(configuration: configuration(a), options: options(a), setting: s).run { r in
            let row: Row = [
                ("bench", "kernels"), ("preset", .string(preset)), ("kernel", .string(r.shape.opcode.kernelName)), ("rows", .integer(r.shape.rows)),
                ("columns", .integer(r.shape.columns)), ("depth", .integer(r.shape.depth)), ("count", .integer(r.count)), ("gflop_s", .double(r.gflops)),
                ("openblas_gflop_s", .double(r.openBLAS)), ("ratio", .double(r.gflops / r.openBLAS)), ("peak_share", .double(r.gflops / r.peakGFLOPs)),
                ("threads", .integer(s.threads)), ("isa", .string("\(s.isa)")),
            ]
            rows.append(row)
            print(asJSON ? jsonLine(row) : r.shape.opcode.kernelName.padded(24) + String(
                format: "%6d %7d %5d %6d %9.1f %9.1f %6.2f %8.2f", r.shape.rows, r.shape.columns, r.shape.depth, r.count, r.gflops, r.openBLAS, r.gflops / r.openBLAS, r.gflops / r.peakGFLOPs))
        }
        return rows
    }

    private static func loader(_ a: Arguments) throws -> [Row] {
        let c = try configuration(a)
        let source = try DataOptions.open(a.string("data"), role: .train, DataOptions.decoding(a, size: max(c.imageHeight, c.imageWidth), channels: c.channels))
        let grid = try c.grid
        let pipeline = ImagePipeline(grid: grid, augmentation: .mae, normalization: ModelOptions.defaultNormalization(channels: c.channels), seed: 0)
        var bar = ProgressBar(total: source.count)
        let benchmark = LoaderBenchmark(pipeline: pipeline, batchSize: try a.int("batch-size", in: 1...100_000), workers: try a.int("workers", in: 1...1024))
        let r = try benchmark.run(source) { done, _ in bar.update(label: "images", completed: done) { [] } }
        bar.finish()
        let row: Row = [
            ("bench", "loader"), ("images", .integer(r.images)), ("workers", .integer(benchmark.workers)), ("img_s", .double(r.imagesPerSecond)),
            ("img_s_per_core", .double(r.imagesPerCoreSecond)), ("core_share", .double(r.coreShare)),
        ]
        try show(a, row, String(format: "%d images: %.1f images/s, %.1f a second of one core, %.2f cores busy", r.images, r.imagesPerSecond, r.imagesPerCoreSecond, r.coreShare))
        return [row]
    }

    /// Steps and features of the presets that fit a small machine, and products' shapes, in one file to compare machines by.
    private static func all(_ a: Arguments) throws {
        let path = try a.string("output"), threads = try ModelOptions.threads(a)
        var rows: [Row] = []
        func arguments(_ kind: String, _ preset: String, _ batch: Int, _ more: [String] = []) throws -> Arguments {
            try Arguments([kind, "--json", "--model", preset, "--batch-size", "\(batch)", "--threads", "\(threads)", "--repeats", "5", "--warmup", "1"] + more, for: command)
        }
        for (preset, batch) in [("tiny-p16", 16), ("small-p16", 16), ("base-p16", 8)] { rows += try step(arguments("step", preset, batch, ["--norm-pix-loss"])) }
        for preset in ["tiny-p16", "base-p16"] { for batch in [1, 16] { rows += try infer(arguments("infer", preset, batch)) } }
        rows += try kernels(arguments("kernels", "tiny-p16", 16))
        let machine: Row = [("cpu", .string(Machine.cpu)), ("processors", .integer(Machine.processors)), ("isa", .string("\(try ISA.named(nil))"))]
        let date = ISO8601DateFormatter().string(from: Date())
        let text = "{\"machine\":\(jsonLine(machine)),\"date\":\"\(date)\",\"results\":[\n\(rows.map(jsonLine).joined(separator: ",\n"))\n]}\n"
        try DurableFile.write(Array(text.utf8), to: path)
        print("results: \(path)")
    }
}
