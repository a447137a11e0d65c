import CurricleEngine
import Foundation
import CurricleSettings
import CurricleTrainer

/// Several runs on one page that needs nothing else: their curves in one picture each, what they came to, and what differs in their settings.
package struct RunComparison {
    private let reports: [RunReport]
    private let names: [String]

    /// - Parameter runs: folders of runs, two or more.
    /// - Throws: `LearningError.file` for one that holds no run; `LearningError.configuration` for fewer than two.
    package init(runs: [String]) throws {
        guard runs.count > 1 else { throw LearningError.configuration("a comparison needs two runs or more") }
        reports = try runs.map { try RunReport(run: $0) }
        names = RunComparison.names(runs)
    }

    /// The folders' last parts, and more of them where two are the same.
    static func names(_ runs: [String]) -> [String] {
        let parts = runs.map { URL(fileURLWithPath: $0).pathComponents.filter { $0 != "/" } }
        for length in 1...max(1, parts.map(\.count).max() ?? 1) {
            let names = parts.map { $0.suffix(length).joined(separator: "/") }
            if Set(names).count == runs.count { return names }
        }
        return runs.indices.map { "\(runs[$0]) (\($0 + 1))" }
    }

    /// The page's text.
    package var html: String {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
        <title>\(escaped(names.joined(separator: ", ")))</title><style>\(RunReport.style)</style></head><body>
        <h1>\(names.count) runs</h1>
        \(table("What they came to", ["run"] + RunComparison.facts.map(\.title), zip(names, reports).map { [$0] + facts(of: $1) }))
        <h2>Curves</h2><p>Over the epochs.</p><div class="row">\(curves)</div>
        \(differences)
        </body></html>

        """
    }

    private static let facts: [(title: String, value: @Sendable (RunLog) -> String?)] = [
        ("epochs", { "\($0.epochs.count)" }),
        ("reconstruction error", { last($0, "train_loss", "%.4f") }),
        ("kNN, class token", { last($0, "knn_cls", "%.3f") }),
        ("kNN, mean", { last($0, "knn_mean", "%.3f") }),
        ("test Acc@1", { last($0, "test_acc1", "%.3f") }),
        (
            "masker / random error",
            { log in
                guard let line = log.epochs.last(where: { $0.numbers["held_masked_error"] != nil }),
                    let masked = line.numbers["held_masked_error"], let random = line.numbers["held_random_error"], random > 0
                else { return nil }
                return String(format: "%.3f", masked / random)
            }
        ),
        ("images a second", { last($0, "images_per_second", "%.1f") }),
        ("hours", { log in String(format: "%.2f", log.epochs.reduce(0) { $0 + ($1.numbers["time_s"] ?? 0) } / 3600) }),
        ("machine", { $0.epochs.last?.text["cpu"] })
    ]

    private static func last(_ log: RunLog, _ name: String, _ format: String) -> String? {
        log.epochs.last { $0.numbers[name] != nil }?.numbers[name].map { String(format: format, $0) }
    }

    private func facts(of report: RunReport) -> [String] { RunComparison.facts.map { $0.value(report.log) ?? "" } }

    private var curves: String {
        let kinds: [(title: String, name: String, orSteps: String?, includes: [Double])] = [
            ("Reconstruction error, step A", "train_loss", "loss", [0]), ("kNN accuracy, mean of the patch tokens", "knn_mean", nil, []),
            ("kNN accuracy, class token", "knn_cls", nil, []), ("Test accuracy", "test_acc1", nil, [1]),
            ("Error under the masker's masks", "held_masked_error", nil, [0]), ("Entropy of the scores, bits", "held_entropy", nil, [0, 1]),
            ("Images a second", "images_per_second", nil, [0])
        ]
        return kinds.compactMap { kind in
            CurvePicture(
                title: kind.title,
                curves: zip(names, reports).map { .init(name: $0, points: $1.log.curve(kind.name, orSteps: kind.orSteps)) },
                includes: kind.includes
            ).svg
        }.map { "<figure>\($0)</figure>" }.joined(separator: "\n")
    }

    /// Settings that are not the same in all of them.
    private var differences: String {
        let keys = Set(reports.flatMap { $0.settings.map(\.key) }).sorted()
        let rows = keys.compactMap { key -> [String]? in
            let values = reports.map { $0.setting(key) ?? "—" }
            return Set(values).count > 1 ? [key] + values : nil
        }
        if rows.isEmpty { return "<h2>Settings</h2><p>All are the same.</p>" }
        return table("Settings that differ", [""] + names, rows)
    }

    private func table(_ title: String, _ heads: [String], _ rows: [[String]]) -> String {
        // Columns that nobody fills say nothing.
        let used = heads.indices.filter { column in column == 0 || rows.contains { !$0[column].isEmpty } }
        func row(_ cells: [String], _ tag: String) -> String {
            "<tr>" + used.map { "<\(tag)>\(escaped(cells[$0]))</\(tag)>" }.joined() + "</tr>"
        }
        return "<h2>\(title)</h2><div class=\"wide\"><table>" + row(heads, "th") + rows.map { row($0, "td") }.joined() + "</table></div>"
    }
}
