import Foundation
import Learning
import Terminal

/// A run as one page.
enum ReportCommand {
    static let command = Command(
        name: "report", summary: "a run as one HTML page that needs no network: curves, the masker's doings, pictures",
        options: [.value("output", "FILE.html", "the page (default: RUN/report.html)", short: "o")],
        arguments: "RUN", argumentCount: 1...1, example: "curricle report run -o run.html")

    static func run(_ a: Arguments) throws -> Int32 {
        let run = a.positional[0], path = try a.stringIfGiven("output") ?? "\(run)/report.html"
        try DurableFile.write(Array(RunReport(run: run).html().utf8), to: path)
        print("report: \(path)")
        return 0
    }
}
