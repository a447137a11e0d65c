/// One state of a progress display, as a line of text.
package struct ProgressLine: Sendable, Equatable {
    /// What is going on, "epoch 3/20".
    package var label: String
    package var completed: Int
    package var total: Int
    /// Seconds to the end; nil if nobody can tell yet.
    package var secondsLeft: Double?
    /// What else to show, most important first: "loss 0.412", "λ +0.60".
    package var fields: [String]

    private static let widestBar = 30
    private static let narrowestBar = 8

    package init(label: String, completed: Int, total: Int, secondsLeft: Double?, fields: [String]) {
        self.label = label
        self.completed = completed
        self.total = total
        self.secondsLeft = secondsLeft
        self.fields = fields
    }

    /// 0...1.
    var share: Double { total > 0 ? min(1, max(0, Double(completed) / Double(total))) : 0 }

    private var percent: String {
        let number = String(Int((share * 100).rounded(.down)))
        return String(repeating: " ", count: 3 - number.count) + number + "%"
    }

    private var eta: String { "eta \(secondsLeft.map(ProgressLine.duration) ?? "--:--")" }

    /// The live line, no wider than `width`: fields are left out from the end where they do not fit, then the bar shrinks,
    /// then the rest is cut.
    package func live(width: Int, style: TerminalStyle) -> String {
        let separator = "  "
        var parts = [percent, eta]
        let needed = { (parts: [String]) in
            label.count + 1 + ProgressLine.narrowestBar + 1 + parts.joined(separator: separator).count
        }
        for field in fields {
            guard needed(parts + [field]) <= width else { break }
            parts.append(field)
        }
        let text = parts.joined(separator: separator)
        let room = width - label.count - text.count - 2
        guard room >= ProgressLine.narrowestBar else {
            return String("\(label) \(text)".prefix(max(0, width)))
        }
        let bar = ProgressLine.bar(share, cells: min(room, ProgressLine.widestBar), unicode: style.usesUnicode)
        let shown = style.usesColor ? "\u{1B}[36m\(bar)\u{1B}[0m" : bar
        return "\(label) \(shown) \(text)"
    }

    /// Columns of a line that stays.
    static let plainWidth = 80

    /// A line that stays, on terminals, in logs and pipes: fields are left out from the end where it would be wider than a terminal at
    /// least is.
    package var plain: String {
        var line = [label, "\(completed)/\(total)", percent.drop { $0 == " " } + "", eta].joined(separator: "  ")
        for field in fields {
            guard line.count + 2 + field.count <= ProgressLine.plainWidth else { break }
            line += "  \(field)"
        }
        return line
    }

    /// A bar of so many characters; eighths of a cell where block characters may be used.
    static func bar(_ share: Double, cells: Int, unicode: Bool) -> String {
        guard unicode else {
            // The brackets take two cells.
            let inside = max(0, cells - 2)
            let full = Int((share * Double(inside)).rounded(.down))
            return "[" + String(repeating: "#", count: full) + String(repeating: ".", count: inside - full) + "]"
        }
        let eighths = Int((share * Double(cells * 8)).rounded(.down))
        let full = eighths / 8
        let part = eighths % 8
        let partial = part > 0 ? String(Array("▏▎▍▌▋▊▉")[part - 1]) : ""
        let empty = cells - full - (part > 0 ? 1 : 0)
        return String(repeating: "█", count: full) + partial + String(repeating: "░", count: empty)
    }

    /// "4:05", "1:02:03", "2d 03:00" (days, hours and minutes).
    static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "--:--" }
        let whole = Int(seconds.rounded())
        let two = { (number: Int) in number < 10 ? "0\(number)" : "\(number)" }
        if whole < 3600 { return "\(whole / 60):\(two(whole % 60))" }
        if whole < 86_400 { return "\(whole / 3600):\(two(whole / 60 % 60)):\(two(whole % 60))" }
        return "\(whole / 86_400)d \(two(whole / 3600 % 24)):\(two(whole / 60 % 60))"
    }
}
