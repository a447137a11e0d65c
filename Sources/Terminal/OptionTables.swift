import CurricleSettings

/// Tables of all options in Markdown, for a project's documents.
package enum OptionTables {
    package static func text(_ program: Program, _ commands: [Command]) -> String {
        var lines = [
            "# Options", "",
            "Printed by `\(program.name) help --markdown` from the options' declarations; a test says when it is stale."
        ]
        for command in commands {
            let usage = [program.name, command.name, "[options]", command.arguments].compactMap { $0 }.joined(separator: " ")
            lines += ["", "## \(command.name)", "", cell(command.summary) + ".", "", "    \(usage)", "    \(command.example)"]
            for section in command.sections {
                lines += ["", "| \(section.title) | | Default |", "|---|---|---|"]
                for option in section.options {
                    lines.append("| `\(label(option))` | \(cell(option.help)) | \(option.fallback.map { "`\($0)`" } ?? "") |")
                }
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func label(_ option: Option) -> String {
        (option.short.map { "-\($0), " } ?? "") + "--\(option.name)" + (option.placeholder.map { " \($0)" } ?? "")
    }

    /// A bar would end the cell.
    private static func cell(_ text: String) -> String {
        text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
    }
}
