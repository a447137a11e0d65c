import CurricleDatasets
import Foundation
import CurricleSettings
import CurricleStorage
import CurricleTerminal
import CurricleTrainer
import CurricleVision
import CurricleWeights

/// Mean and deviation of a dataset's pixels, for `--mean` and `--std`.
enum StatsCommand {
    static let command = Command(
        name: "stats", summary: "mean and deviation of a dataset's pixels, for --mean and --std",
        options: [
            .value("limit", "N", .whole(1...Int.max), "look at so many images, spread evenly over the data (default: all)"),
            SharedOptions.json
        ] + DataOptions.decoding,
        arguments: "DATA", argumentForm: .path(.either), argumentCount: 1...1, example: "curricle stats photos --limit 10000")

    static func run(_ a: Arguments) throws -> Int32 {
        let path = a.positional.first ?? ""
        let source = try DataOptions.open(path, role: .train, DataOptions.decoding(a, size: 224, channels: 3))
        let limit = try a.intIfGiven("limit") ?? source.count
        var bar = ProgressBar(total: min(limit, source.count))
        let (statistics, broken) = ChannelStatistics.over(source, limit: limit) { done in
            bar.update(label: "images", completed: done) { [] }
        }
        for error in broken { bar.message("left out: \(error)") }
        bar.finish()
        guard statistics.images > 0 else {
            throw VisionError.noReadableImage(count: broken.count, firstReason: broken.first.map { "\($0)" } ?? "there is none")
        }
        print(try a.flag("json") ? json(statistics, broken: broken.count) : text(statistics, of: source.count, broken: broken.count))
        return 0
    }

    private static func text(_ s: ChannelStatistics, of count: Int, broken: Int) -> String {
        var lines = ["\(s.images) of \(count) images, \(s.pixels) pixels\(broken > 0 ? "; \(broken) broken, left out" : "")"]
        for (channel, (mean, deviation)) in zip(s.mean, s.deviation).enumerated() {
            lines.append(
                String(format: "channel %d: mean %.4f, deviation %.4f", channel, mean, deviation)
                    + (deviation > 0 ? "" : " (constant: 1 below)"))
        }
        // A constant channel is only shifted: there is no deviation to divide by.
        return (lines + ["--mean \(list(s.mean)) --std \(list(s.deviation.map { $0 > 0 ? $0 : 1 }))"]).joined(separator: "\n")
    }

    /// With the fewest digits that give back the single precision the options are read in.
    private static func list(_ values: [Double]) -> String { values.map { "\(Float($0))" }.joined(separator: ",") }

    private static func json(_ s: ChannelStatistics, broken: Int) -> String {
        "{\"images\":\(s.images),\"pixels\":\(s.pixels),\"broken\":\(broken),\"mean\":\(s.mean),\"std\":\(s.deviation)}"
    }
}
