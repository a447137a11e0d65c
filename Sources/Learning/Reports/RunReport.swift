import Foundation
import Vision

/// A run as one HTML page that needs nothing else: no network, no scripts; wide and narrow screens.
public struct RunReport {
    private let files: RunFiles
    private let log: RunLog
    private let settings: [(key: String, value: String)]
    private static let mostPictures = 8

    /// - Parameter run: the folder of a run.
    /// - Throws: `LearningError.file`.
    public init(run: String) throws {
        files = RunFiles(folder: run)
        log = try RunLog(path: files.log)
        let object = (try? Data(contentsOf: URL(fileURLWithPath: files.configuration))).flatMap { try? JSONSerialization.jsonObject(with: $0) as? [String: Any] }
        settings = (object ?? [:]).sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
    }

    /// The page's text.
    public func html() -> String {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
        <title>\(escaped(title))</title><style>\(Self.style)</style></head><body>
        <h1>\(escaped(title))</h1>
        \(facts)
        <h2>Losses</h2><div class="row">\(curves)</div>
        \(microscope)
        \(pictures)
        <h2>Settings</h2><table>\(settings.map { "<tr><td>\(escaped($0.key))</td><td>\(escaped($0.value))</td></tr>" }.joined())</table>
        </body></html>

        """
    }

    private var title: String { "Run \(URL(fileURLWithPath: files.folder).lastPathComponent)" }

    private func setting(_ key: String) -> String? { settings.first { $0.key == key }?.value }

    /// What there is to say in a few numbers.
    private var facts: String {
        let last = log.steps.last?.numbers ?? [:], seconds = log.epochs.reduce(0) { $0 + ($1.numbers["time_s"] ?? 0) }
        let waiting = log.epochs.reduce(0) { $0 + ($1.numbers["data_s"] ?? 0) }
        let timedSteps = log.steps.count { line in log.epochs.contains { $0.numbers["epoch"] == line.numbers["epoch"] } }
        var list: [(String, String)] = [
            ("masks", setting("masking") == "random" ? "random (MAE)" : "learned (CL-MAE)"), ("epochs", "\(log.epochs.count) of \(setting("epochs") ?? "?")"),
            ("steps", String(format: "%.0f", last["step"] ?? 0)),
        ]
        if let loss = last["loss"] { list.append(("loss of step A", String(format: "%.4f", loss))) }
        if seconds > 0, let batch = setting("batch-size").flatMap(Double.init) {
            let batches = Double(timedSteps) * (setting("accum-iter").flatMap(Double.init) ?? 1)
            list.append(("images a second", String(format: "%.1f", batch * batches / seconds)))
            list.append(("hours", String(format: "%.2f", seconds / 3600)))
            list.append(("waiting for data", String(format: "%.1f %%", 100 * waiting / seconds)))
        }
        return "<dl>" + list.map { "<div><dt>\(escaped($0.0))</dt><dd>\(escaped($0.1))</dd></div>" }.joined() + "</dl>"
    }

    private var curves: String {
        let pictures = [
            CurvePicture(title: "Reconstruction error", curves: [
                .init(name: "step A", points: log.curve("train_loss", orSteps: "loss")), .init(name: "step B", points: log.curve("train_recon", orSteps: "recon")),
            ], includes: [0]),
            CurvePicture(title: "Curriculum factor λ", curves: [.init(name: "λ", points: setting("masking") == "random" ? [] : curriculum)], includes: [-1, 1]),
            CurvePicture(title: "The masker's other losses", curves: ["gauss", "kl", "diversity"].map { .init(name: $0, points: log.curve("train_\($0)", orSteps: $0)) }, includes: [0]),
            CurvePicture(title: "Mean score", curves: [.init(name: "mean score", points: log.curve("train_mean_score", orSteps: "mean_score"))], includes: [0, 1]),
        ]
        return pictures.compactMap(\.svg).map { "<figure>\($0)</figure>" }.joined(separator: "\n")
    }

    /// λ is constant over an epoch: its first step's.
    private var curriculum: [(x: Double, y: Double)] {
        var points: [(x: Double, y: Double)] = []
        for line in log.steps {
            guard let epoch = line.numbers["epoch"], let factor = line.numbers["lambda_cl"], points.last?.x != epoch + 1 else { continue }
            points.append((epoch + 1, factor))
        }
        return points
    }

    /// Whether the masker decides, differs and has become an adversary.
    private var microscope: String {
        let pictures = [
            CurvePicture(title: "Error of removed patches on held images: under the masker's masks and random ones", curves: [
                .init(name: "masker's", points: log.curve("held_masked_error")), .init(name: "random", points: log.curve("held_random_error")),
            ], includes: [0]),
            CurvePicture(title: "Masker's error over random error", curves: [.init(name: "ratio", points: ratio)], includes: [1]),
            CurvePicture(title: "Scores", curves: [
                .init(name: "entropy, bits", points: log.curve("held_entropy")), .init(name: "share saturated", points: log.curve("held_saturated")),
                .init(name: "distance of masks", points: log.curve("held_mask_distance")),
            ], includes: [0, 1]),
        ].compactMap(\.svg)
        guard !pictures.isEmpty else { return "" }
        let collapsed = log.epochs.compactMap { line in line.text["collapse"].map { (line.numbers["epoch"] ?? 0, $0) } }
        let warning = collapsed.last.map { #"<p class="warning">The masker collapsed in \#(collapsed.count) epochs, last in epoch \#(Int($0.0) + 1): \#(escaped($0.1)).</p>"# } ?? ""
        return "<h2>The masker</h2>\(warning)<div class=\"row\">" + pictures.map { "<figure>\($0)</figure>" }.joined(separator: "\n") + keptMap + "</div>"
    }

    private var ratio: [(x: Double, y: Double)] {
        log.epochs.compactMap { line in
            guard let masked = line.numbers["held_masked_error"], let random = line.numbers["held_random_error"], random > 0, let epoch = line.numbers["epoch"] else { return nil }
            return (epoch + 1, masked / random)
        }
    }

    /// How often each patch was kept, of the last epoch that tells.
    private var keptMap: String {
        guard let kept = log.epochs.last(where: { !$0.keptShare.isEmpty })?.keptShare else { return "" }
        let size = (setting("image-size") ?? "").split(separator: ",").compactMap { Int($0) }, patch = setting("patch-size").flatMap { Int($0) } ?? 1
        let columns = size.last.map { $0 / max(1, patch) } ?? Int(Double(kept.count).squareRoot())
        guard columns > 0, kept.count % columns == 0 else { return "" }
        let picture = heatmap(values: kept.map(Float.init), rows: kept.count / columns, columns: columns, cell: max(1, 224 / columns))
        return figure((try? encodePNG(picture)) ?? [], "How often each patch is kept: yellow \(String(format: "%.2f", kept.max() ?? 0)), blue \(String(format: "%.2f", kept.min() ?? 0))")
    }

    /// From partner to adversary: the same images along the run.
    private var pictures: String {
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: files.pictures)) ?? []).filter { $0.hasSuffix(".png") }.sorted()
        guard !names.isEmpty else { return "" }
        let count = min(Self.mostPictures, names.count)
        let chosen = (0..<count).map { names[count == 1 ? 0 : $0 * (names.count - 1) / (count - 1)] }
        let figures = chosen.compactMap { name in
            (try? Data(contentsOf: URL(fileURLWithPath: "\(files.pictures)/\(name)"))).map { figure(Array($0), name.replacingOccurrences(of: ".png", with: "")) }
        }
        let normalized = ["1", "true"].contains(setting("norm-pix-loss")) ? " The model predicts normalised patches: they are shown with the true patches' mean and deviation." : ""
        return "<h2>Masks and reconstructions</h2><p>A row an image: original, masked, reconstruction, reconstruction with the visible patches, the masker's scores.\(normalized)</p>"
            + "<div class=\"row\">" + figures.joined(separator: "\n") + "</div>"
    }

    private func figure(_ png: [UInt8], _ caption: String) -> String {
        png.isEmpty ? "" : "<figure><img alt=\"\(escaped(caption))\" src=\"data:image/png;base64,\(Data(png).base64EncodedString())\"><figcaption>\(escaped(caption))</figcaption></figure>"
    }

    private static let style = """
        body{font:16px/1.5 system-ui,sans-serif;color:#222;background:#fff;margin:0 auto;max-width:1200px;padding:16px}
        h1{margin:.2em 0}h2{margin:1.4em 0 .4em;border-bottom:1px solid #ddd}
        .row{display:flex;flex-wrap:wrap;gap:16px;align-items:flex-start}figure{margin:0;flex:1 1 320px;max-width:580px}
        svg{width:100%;height:auto;font:12px system-ui,sans-serif;fill:#444}svg .title{font-size:14px;fill:#222}svg .key{font-weight:600}svg .grid{stroke:#e4e4e4}
        img{max-width:100%;height:auto;image-rendering:pixelated}figcaption{font-size:13px;color:#555}
        dl{display:flex;flex-wrap:wrap;gap:8px 24px;margin:.6em 0}dt{font-size:13px;color:#666}dd{margin:0;font-size:20px}
        table{border-collapse:collapse;font-size:14px}td{padding:2px 14px 2px 0;border-bottom:1px solid #eee;word-break:break-word}
        .warning{background:#fdecea;border-left:4px solid #d1495b;padding:8px 12px}
        @media(prefers-color-scheme:dark){body{background:#16181b;color:#ddd}h2{border-color:#333}svg{fill:#aaa}svg .title{fill:#ddd}svg .grid{stroke:#333}td{border-color:#2a2d31}dt,figcaption{color:#999}.warning{background:#3a2023}}
        """
}
