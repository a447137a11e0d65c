import Datasets
import Features
import Foundation
import Reports
import Runtime
import Settings
import Storage
import Terminal
import Training
import Vision
import Weights

/// A run as one page.
enum ReportCommand {
    static let command = Command(
        name: "report", summary: "a run as one HTML page that needs no network: curves, the masker's doings, pictures",
        options: [
            SharedOptions.output("FILE.html", "the page (default: RUN/report.html)"),
            SharedOptions.images("data", "the run's data: adds images and their nearest neighbours by its features"),
            SharedOptions.json
        ] + DataOptions.decoding + [SharedOptions.threads()],
        arguments: "RUN", argumentForm: .path(.folder), argumentCount: 1...1, example: "curricle report run --data photos -o run.html")

    static func run(_ a: Arguments) throws -> Int32 {
        let run = a.positional[0], path = try a.stringIfGiven("output") ?? "\(run)/report.html"
        var report = try RunReport(run: run)
        report.written = { "--\($0)" }
        if let data = try a.stringIfGiven("data") { try add(a, data, to: &report, RunFiles(folder: run)) }
        try DurableFile.write(Array(try report.html().utf8), to: path)
        print(try a.flag("json") ? jsonLine([("output", .string(path))]) : "report: \(path)")
        return 0
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
