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
        let alone: PretrainSettings = try a.settings(), asJSON = try a.flag("json")
        // What needs a measurement.
        let seconds =
            try a.flag("skip-timing")
            ? nil : TrainingPlan(alone, threads: threads, isa: isa).predictedSeconds(alone, threads: threads, isa: isa)
        let stream = try seconds == nil ? 0 : Machine.streamGBytes(threads: threads, seconds: 0.3) * 1e9
        if let seconds, !asJSON {
            print(
                String(
                    format: "%@, batches of %d, %d threads a rank, %.3g s a batch; between ranks %.3g GB/s, %.0f µs a message (computed)",
                    try a.string("model"), alone.batchSize, threads, seconds, network.bytesPerSecond * 1e-9, network.latency * 1e6))
            print(row(["ranks", "batches", "update", "waiting", "sent", "efficiency", "images/s", "memory"]))
        }
        for count in counts {
            var shared = a
            try RankedCommand.share(&shared, ranks: count, because: "--ranks")
            let settings: PretrainSettings = try shared.settings()
            let plan = try TrainingPlan(settings, threads: threads, isa: isa, memoryLimit: settings.memoryLimit, ranks: count)
            let forecast = seconds.map {
                RankedForecast(
                    plan, settings, ranks: count, threads: threads, network: network, batchSeconds: $0, streamBytes: stream)
            }
            print(
                asJSON
                    ? jsonLine([("ranks", .integer(count))] + fields(settings, plan, forecast, batchSeconds: seconds))
                    : text(settings, plan, forecast, ranks: count))
        }
        return 0
    }

    private static func imagesPerSecond(_ settings: PretrainSettings, _ forecast: RankedForecast) -> Double {
        Double(settings.batchSize * settings.accumulation) / forecast.seconds
    }

    private static func fields(
        _ settings: PretrainSettings, _ plan: TrainingPlan, _ forecast: RankedForecast?, batchSeconds: Double?
    ) -> BenchCommand.Row {
        var fields: BenchCommand.Row = [
            ("gradient_groups", .integer(settings.gradientGroups)), ("accum_iter", .integer(settings.accumulation)),
            ("rank_bytes", .integer(plan.residentBytes)), ("moment_bytes", .integer(plan.momentBytes)),
            ("gradient_bytes", .integer(plan.gradientBytes))
        ]
        if let forecast, let batchSeconds {
            fields += [
                ("update_s", .double(forecast.seconds)), ("exposed_s", .double(forecast.exposedSeconds)),
                ("sent_bytes", .double(forecast.sentBytes)), ("efficiency", .double(forecast.efficiency)),
                ("img_s", .double(imagesPerSecond(settings, forecast))), ("batch_s", .double(batchSeconds))
            ]
        }
        return fields
    }

    private static func text(_ settings: PretrainSettings, _ plan: TrainingPlan, _ forecast: RankedForecast?, ranks: Int) -> String {
        let memory = ByteCount.text(plan.residentBytes)
        guard let forecast else { return "\(count(ranks, "rank")): \(memory) each, of it moments \(ByteCount.text(plan.momentBytes))" }
        return row([
            "\(ranks)", "\(settings.accumulation)", String(format: "%.3g s", forecast.seconds),
            String(format: "%.3g s", forecast.exposedSeconds), ByteCount.text(Int(forecast.sentBytes)),
            String(format: "%.2f", forecast.efficiency), String(format: "%.4g", imagesPerSecond(settings, forecast)), memory
        ])
    }

    private static func row(_ cells: [String]) -> String {
        zip(cells, [5, 9, 10, 10, 10, 12, 10, 10]).map { String(repeating: " ", count: max(1, $1 - $0.count)) + $0 }.joined()
    }
}
