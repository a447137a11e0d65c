import CurricleDatasets
import CurricleEngine
import CurricleFeatures
import Foundation
import CurricleReports
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleTerminal
import CurricleTrainer
import CurricleVision
import CurricleWeights

/// A run as one page.
enum ReportCommand {
    static let command = Command(
        name: "report", summary: "a run as one HTML page that needs no network: curves, the masker's doings, pictures",
        options: [
            SharedOptions.output("FILE.html", "the page (default: RUN/report.html)"),
            .flag("follow", "write the page anew as epochs end, until the run is over; where it is open, it loads itself anew"),
            SharedOptions.images("data", "the run's data: adds images and their nearest neighbours by its features"),
            SharedOptions.json
        ] + DataOptions.decoding + [SharedOptions.threads()],
        arguments: "RUN", argumentForm: .path(.folder), argumentCount: 1...1, example: "curricle report run --data photos -o run.html")

    static func run(_ a: Arguments) throws -> Int32 {
        let run = a.positional[0], path = try a.stringIfGiven("output") ?? "\(run)/report.html"
        if try a.flag("follow") { try follow(run, path) }
        var report = try opened(run)
        if let data = try a.stringIfGiven("data") { try add(a, data, to: &report, RunFiles(folder: run)) }
        try DurableFile.write(Array(try report.html().utf8), to: path)
        print(try a.flag("json") ? jsonLine([("output", .string(path))]) : "report: \(path)")
        return 0
    }

    /// Writes the page each time an epoch has ended, until the run is over or SIGINT asks for an end.
    private static func follow(_ run: String, _ path: String) throws {
        let interrupts = Interrupts(), log = RunFiles(folder: run).log
        var seen = -1
        while !interrupts.happened {
            // Before the first epoch a run has no log yet that could be read.
            if let report = try seen < 0 ? try? opened(run) : opened(run), report.log.epochs.count != seen {
                seen = report.log.epochs.count
                try write(report, to: path, isLive: true)
                tell("\(path): \(count(seen, "epoch"))")
                if report.isOver { return }
            }
            sleep(2)
            guard FileManager.default.fileExists(atPath: log) else { throw LearningError.file(path: log, reason: "is gone") }
        }
    }

    /// The page without what takes the run's data.
    static func write(_ run: String, to path: String, isLive: Bool) throws { try write(opened(run), to: path, isLive: isLive) }

    private static func write(_ report: RunReport, to path: String, isLive: Bool) throws {
        var report = report
        report.isLive = isLive && !report.isOver
        try DurableFile.write(Array(try report.html().utf8), to: path)
    }

    private static func opened(_ run: String) throws -> RunReport {
        var report = try RunReport(run: run)
        report.written = { "--\($0)" }
        return report
    }

    /// What takes the run's data: neighbours, and what the masker finds, where it was a partner.
    private static func add(_ a: Arguments, _ data: String, to report: inout RunReport, _ files: RunFiles) throws {
        let threads = try SharedOptions.threads(a), isa = try ISA.named(nil)
        let extractor = try FeatureExtractor(weights: files.model, threads: threads, isa: isa)
        let m = extractor.description.model,
            decoding = try DataOptions.decoding(a, size: max(m.imageHeight, m.imageWidth), channels: m.channels)
        let training = try DataOptions.open(data, role: .train, decoding)
        var progress = WorkProgress("features")
        defer { progress.finish() }
        report.neighbours = try NeighbourPictures(
            extractor, training: training, test: testPart(of: data, decoding, besides: training), report: complain
        ) { progress.update($0, of: $1) }
        guard report.learnsMasks, FileManager.default.fileExists(atPath: files.partner) else { return }
        report.saliency = try SaliencyPictures(
            run: files.folder, training, images: 8, Reconstructor.Choices(), threads: threads, isa: isa)
    }
}

/// Several runs as one page.
enum CompareCommand {
    static let command = Command(
        name: "compare", summary: "several runs as one HTML page: curves, what they came to, what differs in their settings",
        options: [SharedOptions.output("FILE.html", "the page (default: compare.html)"), SharedOptions.json],
        arguments: "RUN RUN…", argumentForm: .path(.folder), argumentCount: 2...1000, example: "curricle compare mae clmae -o compare.html")

    static func run(_ a: Arguments) throws -> Int32 {
        let path = try a.stringIfGiven("output") ?? "compare.html"
        try DurableFile.write(Array(try RunComparison(runs: a.positional).html.utf8), to: path)
        print(try a.flag("json") ? jsonLine([("output", .string(path))]) : "comparison: \(path)")
        return 0
    }
}
