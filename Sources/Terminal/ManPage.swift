import CurricleSettings

/// Manual pages in roff's man macros.
package enum ManPage {
    /// The page of the whole program: `curricle(1)`.
    package static func text(_ program: Program, _ commands: [Command]) -> String {
        var lines = head(program.name, program.summary)
        lines += [".SH SYNOPSIS", ".B \(escaped(program.name))", ".I COMMAND", "[\\fIoptions\\fR]", ".SH COMMANDS"]
        for command in commands { lines += [".TP", ".BR \(escaped("\(program.name)-\(command.name)")) (1)", paragraph(command.summary)] }
        lines += exitStatus(program)
        lines += [".SH SEE ALSO", list(commands.map { ".BR \(escaped("\(program.name)-\($0.name)")) (1)" })]
        return lines.joined(separator: "\n") + "\n"
    }

    /// The page of one command: `curricle-pretrain(1)`.
    package static func text(for command: Command, _ program: Program) -> String {
        var lines = head("\(program.name)-\(command.name)", command.summary)
        lines += [".SH SYNOPSIS", ".B \(escaped(program.name)) \(escaped(command.name))", "[\\fIoptions\\fR]"]
        if let arguments = command.arguments { lines.append("\\fI\(escaped(arguments))\\fR") }
        lines.append(".SH OPTIONS")
        for section in command.sections {
            lines.append(".SS \(escaped(section.title))")
            for option in section.options { lines += [".TP", label(option), paragraph(explanation(option))] }
        }
        lines += exitStatus(program)
        lines += [".SH EXAMPLES", ".nf", escaped(command.example), ".fi", ".SH SEE ALSO", ".BR \(escaped(program.name)) (1)"]
        return lines.joined(separator: "\n") + "\n"
    }

    /// The heading has no date: a page that is printed twice is the same.
    private static func head(_ name: String, _ summary: String) -> [String] {
        [".TH \(escaped(name.uppercased())) 1", ".SH NAME", lines("\(escaped(name)) \\- \(escaped(summary))")]
    }

    private static func exitStatus(_ program: Program) -> [String] {
        [".SH EXIT STATUS"] + program.exitCodes.flatMap { [".TP", ".B \($0.code)", paragraph($0.meaning)] }
    }

    private static func label(_ option: Option) -> String {
        let short = option.short.map { "\\fB\\-\($0)\\fR, " } ?? ""
        return "\(short)\\fB\\-\\-\(escaped(option.name))\\fR" + (option.placeholder.map { " \\fI\(escaped($0))\\fR" } ?? "")
    }

    private static func explanation(_ option: Option) -> String {
        var text = option.help
        if case .word(let words)? = option.form, !words.allSatisfy(text.contains) { text += ": \(words.joined(separator: ", "))" }
        if let fallback = option.fallback { text += " [\(fallback)]" }
        return text.hasSuffix(".") ? text : text + "."
    }

    private static func list(_ items: [String]) -> String { items.dropLast().map { "\($0) ,\n" }.joined() + (items.last ?? "") }

    /// Running text in short lines, none of which roff takes for a request.
    private static func paragraph(_ text: String) -> String { lines(escaped(text)) }

    private static func lines(_ escaped: String) -> String {
        Help.wrap(escaped, width: lineWidth).map { $0.hasPrefix(".") ? "\\&" + $0 : $0 }.joined(separator: "\n")
    }

    private static let lineWidth = 78

    /// What is not ASCII is named by its code, so that every roff reads it.
    private static func escaped(_ text: String) -> String {
        text.unicodeScalars.map { scalar in
            switch scalar {
            case "\\": "\\e"
            case "-": "\\-"
            case "'": "\\(aq"
            case "`": "\\(ga"
            case "~": "\\(ti"
            case "^": "\\(ha"
            case _ where scalar.isASCII: String(scalar)
            default: "\\[u\(String(repeating: "0", count: max(0, 4 - hexadecimal(scalar).count)))\(hexadecimal(scalar))]"
            }
        }.joined()
    }

    private static func hexadecimal(_ scalar: Unicode.Scalar) -> String { String(scalar.value, radix: 16, uppercase: true) }
}
