import CurricleSettings

/// The text of `--help`.
package enum Help {
    /// Columns that a terminal has at least.
    package static let width = 80
    /// Between an option and its explanation.
    private static let gap = 2
    /// An option wider than this has its explanation on the next line.
    private static let widestOption = 34

    /// Help for the whole program: its commands, a line each.
    /// - Parameter width: columns of the terminal.
    package static func overview(program: String, summary: String, commands: [Command], width: Int = Help.width) -> String {
        let rows = commands.map { (left: "  " + $0.name, right: $0.summary) }
        return
            (["\(program): \(summary)", "", "Usage: \(program) COMMAND [options]", "", "Commands:"]
            + columns(rows, width: width) + ["", "\(program) COMMAND --help explains a command.", ""])
            .joined(separator: "\n")
    }

    /// Help for one command: usage, its options under their headings, an example.
    package static func text(for command: Command, program: String, width: Int = Help.width) -> String {
        let hasOptions = !command.options.isEmpty
        let usage = ["Usage: \(program) \(command.name)", hasOptions ? "[options]" : nil, command.arguments]
        var lines = [command.summary, "", usage.compactMap { $0 }.joined(separator: " ")]
        // One column for all sections, so that the eye need not jump.
        let left = command.sections.flatMap(\.options).map { label($0).count }.filter { $0 <= widestOption }.max() ?? 0
        for section in command.sections {
            lines += ["", "\(section.title):"]
            lines += columns(section.options.map { (label($0), explanation($0)) }, width: width, left: left)
        }
        lines += ["", "Example:", "  \(command.example)", ""]
        return lines.joined(separator: "\n")
    }

    private static func label(_ option: Option) -> String {
        let short = option.short.map { "-\($0), " } ?? ""
        return "  \(short)--\(option.name)" + (option.placeholder.map { " \($0)" } ?? "")
    }

    private static func explanation(_ option: Option) -> String { option.help + (option.fallback.map { " [\($0)]" } ?? "") }

    /// Two columns, the right one wrapped between words.
    private static func columns(_ rows: [(left: String, right: String)], width: Int, left: Int? = nil) -> [String] {
        let leftWidth = left ?? rows.map(\.left.count).filter { $0 <= widestOption }.max() ?? 0
        let indent = String(repeating: " ", count: leftWidth + gap)
        var lines: [String] = []
        for (left, right) in rows {
            let wrapped = wrap(right, width: max(20, width - indent.count))
            let fits = left.count <= leftWidth
            if !fits { lines.append(left) }
            for (index, line) in wrapped.enumerated() {
                let start = fits && index == 0 ? left + String(repeating: " ", count: indent.count - left.count) : indent
                lines.append(start + line)
            }
        }
        return lines
    }

    /// Lines of at most `width` characters; a longer word has a line of its own.
    static func wrap(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if line.isEmpty {
                line = String(word)
            } else if line.count + 1 + word.count <= width {
                line += " " + word
            } else {
                lines.append(line)
                line = String(word)
            }
        }
        return lines + [line]
    }
}
