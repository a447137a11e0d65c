import CurricleEngine
import Foundation
import CurricleSettings
import CurricleTrainer
import CurricleVision

/// A run as one HTML page that needs nothing else: no network; wide and narrow screens.
package struct RunReport {
    package let files: RunFiles
    package let log: RunLog
    let settings: [(key: String, value: String)]
    /// How a setting is written where the page says what to give.
    package var written: (SettingName) -> String = \.description
    /// Whether the page loads itself anew every ten seconds, at the place where it is being read.
    package var isLive = false
    /// Images and their nearest neighbours by the run's weights, where the data is at hand.
    package var neighbours: NeighbourPictures?
    /// What the masker made of pictures as a partner and at the end, where the data is at hand and the masker was a partner.
    package var saliency: SaliencyPictures?

    /// - Parameter run: the folder of a run.
    /// - Throws: `LearningError.file`.
    package init(run: String) throws {
        files = RunFiles(folder: run)
        log = try RunLog(path: files.log)
        let text = FileManager.default.contents(atPath: files.configuration)
        guard text != nil || !FileManager.default.fileExists(atPath: files.configuration) else {
            throw LearningError.file(path: files.configuration, reason: "cannot be read: check the disk")
        }
        let object = text.flatMap { try? JSONSerialization.jsonObject(with: $0) as? [String: Any] }
        settings = (object ?? [:]).sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
    }

    /// The page's text.
    /// - Throws: `VisionError`, `FileError` where a picture of the run cannot be read.
    package func html() throws -> String {
        try """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
        <title>\(escaped(title))</title><style>\(Self.style)\(drawsPixels ? "img{image-rendering:pixelated}" : "")</style></head><body>
        <h1>\(escaped(title))</h1>\(isLive ? Self.reload : "")
        \(facts)
        <h2>Curves</h2><p>Over the epochs.</p><div class="row">\(curves)</div>
        \(microscope())
        \(filmStrip())
        \(saliencyMaps)
        \(reconstructions())
        \(nearestNeighbours)
        <h2>Settings</h2><table>\(settings.map { "<tr><td>\(escaped($0.key))</td><td>\(escaped($0.value))</td></tr>" }.joined())</table>
        \(machines)
        </body></html>

        """
    }

    /// Browsers keep the place in a page that loads itself anew.
    private static let reload =
        "<p class=\"live\">The run goes on: this page loads itself anew every ten seconds.</p><script>setTimeout(function(){location.reload()},10000)</script>"

    /// Whether all epochs of the schedule are in the log.
    package var isOver: Bool { (setting("epochs").flatMap { Int($0) } ?? 0) <= log.epochs.count }

    private var title: String { "Run \(URL(fileURLWithPath: files.folder).lastPathComponent)" }

    package func setting(_ key: String) -> String? { settings.first { $0.key == key }?.value }
    package var learnsMasks: Bool { setting("masking") != "random" && !isFinetuning }
    var isFinetuning: Bool { setting("layer-decay") != nil }

    /// What there is to say in a few numbers.
    private var facts: String {
        let last = log.steps.last?.numbers ?? [:], seconds = log.epochs.reduce(0) { $0 + ($1.numbers["time_s"] ?? 0) }
        let waiting = log.epochs.reduce(0) { $0 + ($1.numbers["data_s"] ?? 0) }
        let timedSteps = log.steps.count { line in log.epochs.contains { $0.numbers["epoch"] == line.numbers["epoch"] } }
        var list: [(String, String)] = [
            isFinetuning ? ("classes", setting("classes") ?? "?") : ("masks", learnsMasks ? "learned (CL-MAE)" : "random (MAE)"),
            ("epochs", "\(log.epochs.count) of \(setting("epochs") ?? "?")"),
            ("steps", String(format: "%.0f", last["step"] ?? 0))
        ]
        if let loss = last["loss"] { list.append((isFinetuning ? "loss" : "loss of step A", String(format: "%.4f", loss))) }
        if let best = log.curve("test_acc1").map(\.y).max() { list.append(("best test Acc@1", String(format: "%.1f %%", 100 * best))) }
        if let accuracy = log.curve("knn_mean").last?.y { list.append(("kNN accuracy", String(format: "%.1f %%", 100 * accuracy))) }
        if seconds > 0, let batch = imagesPerStep {
            list.append(("images a second", String(format: "%.1f", loggedRate ?? batch * Double(timedSteps) / seconds)))
            list.append(("hours", String(format: "%.2f", seconds / 3600)))
            list.append(("waiting for data", String(format: "%.1f %%", 100 * waiting / seconds)))
        }
        return "<dl>" + list.map { "<div><dt>\(escaped($0.0))</dt><dd>\(escaped($0.1))</dd></div>" }.joined() + "</dl>"
    }

    /// Of all epochs that say so, by their time.
    private var loggedRate: Double? {
        var images = 0.0, seconds = 0.0
        for line in log.epochs {
            guard let rate = line.numbers["images_per_second"], let time = line.numbers["time_s"], rate > 0, time > 0 else { continue }
            images += rate * time
            seconds += time
        }
        return seconds > 0 ? images / seconds : nil
    }

    var imagesPerStep: Double? { setting("batch-size").flatMap(Double.init).map { $0 * (setting("accum-iter").flatMap(Double.init) ?? 1) } }

    /// On what the run ran, epoch by epoch.
    private var machines: String {
        var rows: [(first: Int, last: Int, text: String)] = []
        for line in log.epochs {
            guard let cpu = line.text["cpu"], let number = line.numbers["epoch"], let epoch = Int(exactly: number) else { continue }
            let threads = line.numbers["threads"].map { String(format: "%.0f", $0) } ?? "?"
            let text = "\(cpu), \(line.text["isa"] ?? "?"), \(threads) \(threads == "1" ? "thread" : "threads")"
            if rows.last?.text == text { rows[rows.count - 1].last = epoch + 1 } else { rows.append((epoch + 1, epoch + 1, text)) }
        }
        guard !rows.isEmpty else { return "" }
        let cells = rows.map {
            "<tr><td>\($0.first == $0.last ? "epoch \($0.first)" : "epochs \($0.first) to \($0.last)")</td><td>\(escaped($0.text))</td></tr>"
        }
        return "<h2>Machine</h2><table>\(cells.joined())</table>"
    }

    func figure(_ png: [UInt8], _ caption: String) -> String {
        png.isEmpty
            ? ""
            : "<figure><img alt=\"\(escaped(caption))\" src=\"data:image/png;base64,\(Data(png).base64EncodedString())\"><figcaption>\(escaped(caption))</figcaption></figure>"
    }

    static let style = """
        body{font:16px/1.5 system-ui,sans-serif;color:#222;background:#fff;margin:0 auto;max-width:1200px;padding:16px}
        h1{margin:.2em 0}h2{margin:1.4em 0 .4em;border-bottom:1px solid #ddd}p{max-width:50em}code{background:#f1f1f1;padding:1px 4px;border-radius:3px;overflow-wrap:anywhere}
        .row{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(320px,100%),1fr));gap:16px;align-items:start}figure{margin:0;min-width:0}
        .strip{display:flex;overflow-x:auto;padding-bottom:8px}.strip figure{flex:0 0 auto;width:clamp(52px,7.2vw,84px)}.strip img{width:100%;display:block}
        .strip figure:first-child{position:sticky;left:0}.strip figcaption{font-size:11px;line-height:1.3;text-align:center;white-space:pre}
        svg{width:100%;height:auto;font:12px system-ui,sans-serif;fill:#444}svg .title{font-size:14px;fill:#222}svg .key{font-weight:600}svg .grid{stroke:#e4e4e4}svg .mark{stroke:#999;stroke-dasharray:4 4}
        img{max-width:100%;height:auto}figcaption{font-size:13px;color:#555;white-space:pre-line}
        dl{display:flex;flex-wrap:wrap;gap:8px 24px;margin:.6em 0}dt{font-size:13px;color:#666}dd{margin:0;font-size:20px}
        table{border-collapse:collapse;font-size:14px}.wide{overflow-x:auto}.wide td{overflow-wrap:normal}th{text-align:left;font-weight:600;padding:2px 14px 2px 0}td{padding:2px 14px 2px 0;border-bottom:1px solid #eee;overflow-wrap:anywhere}
        .live{color:#3a9d5d;margin:0}.warning{background:#fdecea;border-left:4px solid #d1495b;padding:8px 12px}
        @media(max-width:600px){svg{font-size:16px}svg .title{font-size:18px}}
        @media(prefers-color-scheme:dark){body{background:#16181b;color:#ddd}h2{border-color:#333}svg{fill:#aaa}svg polyline,svg tspan{filter:brightness(1.3)}svg .title{fill:#ddd}svg .grid{stroke:#333}svg .mark{stroke:#777}td{border-color:#2a2d31}dt,figcaption{color:#999}.warning{background:#3a2023}code{background:#2a2d31}}
        """
}
