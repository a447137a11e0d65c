import CurricleEngine
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleTerminal
import CurricleTrainer
import CurricleProofs

/// `plan --ranks`: what an update takes that several processes share.
enum RankedPlan {
    static func run(_ a: Arguments, _ counts: [Int]) throws -> Int32 {
        let threads = try SharedOptions.threads(a), isa = try ISA.named(nil), network = try Network.read(a.string("network"))
        let alone: PretrainSettings = try a.settings()
        if try a.flag("skip-timing") { return try memory(a, counts, threads: threads, isa: isa) }
        let seconds = try TrainingPlan(alone, threads: threads, isa: isa).predictedSeconds(alone, threads: threads, isa: isa)
        let stream = try Machine.streamGBytes(threads: threads, seconds: 0.3) * 1e9
        var lines: [String] = []
        for count in counts {
            var shared = a
            try RankedCommand.share(&shared, ranks: count, because: "--ranks")
            let settings: PretrainSettings = try shared.settings()
            let plan = try TrainingPlan(settings, threads: threads, isa: isa, memoryLimit: settings.memoryLimit, ranks: count)
            let forecast = RankedForecast(
                plan, settings, ranks: count, threads: threads, network: network, batchSeconds: seconds, streamBytes: stream)
            let images = Double(settings.batchSize * settings.accumulation)
            if try a.flag("json") {
                print(
                    jsonLine([
                        ("ranks", .integer(count)), ("gradient_groups", .integer(settings.gradientGroups)),
                        ("accum_iter", .integer(settings.accumulation)), ("update_s", .double(forecast.seconds)),
                        ("exposed_s", .double(forecast.exposedSeconds)), ("sent_bytes", .double(forecast.sentBytes)),
                        ("efficiency", .double(forecast.efficiency)), ("img_s", .double(images / forecast.seconds)),
                        ("rank_bytes", .integer(plan.residentBytes)), ("moment_bytes", .integer(plan.momentBytes)),
                        ("gradient_bytes", .integer(plan.gradientBytes)), ("batch_s", .double(seconds))
                    ]))
            } else {
                let cells = [
                    "\(count)", "\(settings.accumulation)", String(format: "%.3g s", forecast.seconds),
                    String(format: "%.3g s", forecast.exposedSeconds), ByteCount.text(Int(forecast.sentBytes)),
                    String(format: "%.2f", forecast.efficiency), String(format: "%.4g", images / forecast.seconds),
                    ByteCount.text(plan.residentBytes)
                ]
                lines.append(row(cells))
            }
        }
        guard try !a.flag("json") else { return 0 }
        print(
            String(
                format: "%@, batches of %d, %d threads a rank, %.3g s a batch; between ranks %.3g GB/s, %.0f µs a message (computed)",
                try a.string("model"), alone.batchSize, threads, seconds, network.bytesPerSecond * 1e-9, network.latency * 1e6))
        print(row(["ranks", "batches", "update", "waiting", "sent", "efficiency", "images/s", "memory"]))
        print(lines.joined(separator: "\n"))
        return 0
    }

    /// What does not need a measurement.
    private static func memory(_ a: Arguments, _ counts: [Int], threads: Int, isa: ISA) throws -> Int32 {
        for count in counts {
            var shared = a
            try RankedCommand.share(&shared, ranks: count, because: "--ranks")
            let settings: PretrainSettings = try shared.settings()
            let plan = try TrainingPlan(settings, threads: threads, isa: isa, memoryLimit: settings.memoryLimit, ranks: count)
            print(
                try a.flag("json")
                    ? jsonLine([
                        ("ranks", .integer(count)), ("rank_bytes", .integer(plan.residentBytes)),
                        ("moment_bytes", .integer(plan.momentBytes)),
                        ("gradient_bytes", .integer(plan.gradientBytes))
                    ])
                    : "\(count) ranks: \(ByteCount.text(plan.residentBytes)) each, of it moments \(ByteCount.text(plan.momentBytes))")
        }
        return 0
    }

    private static func row(_ cells: [String]) -> String {
        zip(cells, [5, 9, 10, 10, 10, 12, 10, 10]).map { String(repeating: " ", count: max(1, $1 - $0.count)) + $0 }.joined()
    }
}
