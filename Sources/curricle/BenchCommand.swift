import Foundation
import Learning
import Models
import Runtime
import Terminal

/// Times what the machine does of what it could.
enum BenchCommand {
    static let command = Command(
        name: "bench", summary: "time a joint training iteration against the machine's peak",
        options: [
            .value("model", "PRESET", ModelConfiguration.presets.map(\.name).joined(separator: ", "), fallback: "tiny-p16"),
            .value("batch-size", "N", "images a batch", fallback: "16"),
            .value("image-size", "N", "pixels, or height,width"), .value("patch-size", "N", "pixels"), .value("channels", "N", "of the images"),
            .value("embed-dim", "N", "encoder width"), .value("depth", "N", "encoder blocks"), .value("num-heads", "N", "encoder heads"),
            .value("decoder-embed-dim", "N", "decoder width"), .value("decoder-depth", "N", "decoder blocks"), .value("decoder-num-heads", "N", "decoder heads"),
            .value("mask-ratio", "R", "share of patches removed", fallback: "0.75"),
            .flag("norm-pix-loss", "predict normalised patches"),
            .value("threads", "N", "threads of the team (default: all processors)"),
            .value("isa", "NAME", "baseline, avx2, avx512 or neon (default: CURRICLE_ISA, or the best)"),
            .value("repeats", "N", "counted iterations", fallback: "10"), .value("warmup", "N", "iterations before", fallback: "2"),
            .flag("json", "print one JSON object"),
        ],
        arguments: "step", argumentCount: 1...1, example: "curricle bench step --model tiny-p16 --batch-size 16 --threads 2")

    static func run(_ a: Arguments) throws -> Int32 {
        guard a.positional == ["step"] else { throw UsageError.unexpectedArgument(a.positional.first ?? "", command: "bench") }
        let configuration = try ModelOptions.configuration(a)
        if let problem = configuration.problem { throw LearningError.configuration(problem) }
        let benchmark = StepBenchmark(
            configuration: configuration,
            options: StepOptions(maskRatio: try a.double("mask-ratio", in: 0...1), normalizedTargets: try a.flag("norm-pix-loss")),
            batchSize: try a.int("batch-size", in: 1...100_000), threads: try a.intIfGiven("threads", in: 1...1024) ?? Machine.processors,
            isa: try ISA.named(a.stringIfGiven("isa")), repeats: try a.int("repeats", in: 1...100_000), warmup: try a.int("warmup", in: 0...1000))
        var bar = ProgressBar(total: benchmark.repeats + benchmark.warmup)
        let r = try benchmark.run { done, _ in bar.update(label: "iterations", completed: done) { [] } }
        bar.finish()
        let preset = try a.string("model")
        if try a.flag("json") {
            print("{\"preset\": \"\(preset)\", \"batch\": \(r.images), \"precision\": \"f32\", \"threads\": \(benchmark.threads), \"isa\": \"\(benchmark.isa)\", "
                + "\"step_s\": \(r.step), \"step_p90_s\": \(r.stepP90), \"step_a_s\": \(r.stepA), \"step_b_s\": \(r.stepB), \"img_s\": \(r.imagesPerSecond), "
                + "\"gflop_s\": \(r.gflops), \"peak_gflop_s\": \(r.peakGFLOPs), \"peak_share\": \(r.peakShare), \"rss_mb\": \(Double(r.residentBytes) / 1e6), "
                + "\"arena_mb\": \(Double(r.arenaBytes) / 1e6)}")
            return 0
        }
        print("\(preset), batch \(r.images), f32, \(benchmark.isa), \(benchmark.threads) threads, \(Machine.cpu)")
        print(String(format: "step %.4f s (p90 %.4f; A %.4f, B %.4f)   %.2f images/s", r.step, r.stepP90, r.stepA, r.stepB, r.imagesPerSecond))
        print(String(format: "%.1f of %.1f GFLOP/s calibrated peak: %.3f", r.gflops, r.peakGFLOPs, r.peakShare))
        print(String(format: "peak memory %.0f MB, arena %.0f MB", Double(r.residentBytes) / 1e6, Double(r.arenaBytes) / 1e6))
        for k in r.kernels where k.seconds > 0 {
            let rate = k.flops > 0 ? String(format: "%7.1f GFLOP/s (%.2f of peak)", k.flops / k.seconds * 1e-9, k.flops / k.seconds * 1e-9 / r.peakGFLOPs) : ""
            print("  \(k.name.padded(24)) \(String(format: "%4d × %9.3f ms %5.1f %%", k.count, k.seconds * 1e3, 100 * k.seconds / r.step))  \(rate)")
        }
        return 0
    }
}
