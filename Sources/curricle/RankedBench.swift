import CurricleDistributed
import CurricleEngine
import CurricleProofs
import CurricleRuntime
import CurricleStorage
import CurricleTerminal
import CurricleTrainer
import Foundation

/// What of `bench` is about several ranks.
enum RankedBench {
    /// Whole updates, of one batch a rank where nothing is said.
    static func update(_ a: Arguments, _ subject: BenchCommand.Subject, _ ranks: Ranks?) throws -> [BenchCommand.Row] {
        let size = ranks.size, s = subject.setting, least = RankedCommand.leastGroups(for: size)
        let batches = try a.intIfGiven("accum-iter") ?? least
        guard batches >= size else {
            throw LearningError.configuration("\(size) ranks, but --accum-iter \(batches): give one batch a rank")
        }
        let groups = min(least, batches)
        var bar = ProgressBar(total: s.repeats + s.warmup)
        var benchmark = UpdateBenchmark(
            configuration: subject.settings.model, options: subject.settings.step, setting: s, batches: batches, groups: groups)
        benchmark.precision = subject.precision
        let r = try benchmark.run(ranks) { done in if ranks.leads { bar.update(label: "updates", completed: done) { [] } } }
        if ranks.leads { bar.finish() }
        let resident = ranks.map { $0.gather(r.residentBytes) } ?? [r.residentBytes]
        let row: BenchCommand.Row =
            [("bench", "update")] + subject.common + [
                ("ranks", .integer(size)), ("accum_iter", .integer(batches)), ("gradient_groups", .integer(groups)),
                ("update_s", .double(r.seconds)), ("update_p90_s", .double(r.secondsP90)), ("waited_s", .double(r.waited)),
                ("img_s", .double(r.imagesPerSecond)), ("rss_mb", .double(Double(resident.max() ?? 0) / 1e6))
            ] + BenchCommand.fields(r.otherLoad)
        guard ranks.leads else { return [row] }
        let lines =
            [
                "\(subject.preset), \(batches) batches of \(s.batchSize) an update, \(subject.precision.rawValue), \(s.isa), "
                    + "\(count(size, "rank")) × \(count(s.threads, "thread")), \(Machine.cpu)",
                String(
                    format: "update %.4f s (p90 %.4f; waiting for others %.4f)   %.2f images/s", r.seconds, r.secondsP90, r.waited,
                    r.imagesPerSecond),
                String(format: "peak memory %.0f MB (of the rank with the most)", Double(resident.max() ?? 0) / 1e6)
            ] + BenchCommand.text(r.otherLoad)
        subject.show(row, lines.joined(separator: "\n"))
        return [row]
    }

    /// What lies between ranks.
    static func exchange(_ subject: BenchCommand.Subject, _ ranks: Ranks?) throws {
        guard let ranks else {
            throw LearningError.configuration("bench exchange measures what lies between processes: mpirun -n 2 curricle bench exchange")
        }
        let r = try ExchangeBenchmark(repeats: subject.setting.repeats).run(ranks), network = r.network
        guard ranks.leads else { return }
        let row: BenchCommand.Row = [
            ("bench", "exchange"), ("ranks", .integer(ranks.size)), ("latency_s", .double(network.latency)),
            ("bytes_s", .double(network.bytesPerSecond)), ("processor_s_per_byte", .double(network.processorSecondsPerByte))
        ]
        let lines =
            ["\(ranks.size) ranks, each to each other at once; the first two on \(ranks.host(of: 0)) and \(ranks.host(of: 1))"]
            + r.sizes.map {
                "  \(ByteCount.text($0.bytes).padded(8)) "
                    + String(format: "%9.1f µs   %7.3f GB/s", $0.seconds * 1e6, Double($0.bytes * (ranks.size - 1)) / $0.seconds * 1e-9)
            } + [
                String(
                    format: "latency %.0f µs, %.3f GB/s a rank and way, %.2f s of a processor a GB", network.latency * 1e6,
                    network.bytesPerSecond * 1e-9, network.processorSecondsPerByte * 1e9),
                "`--json` makes the file that `curricle plan --ranks … --network FILE` takes"
            ]
        subject.show(row, lines.joined(separator: "\n"))
    }
}
