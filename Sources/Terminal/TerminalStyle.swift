import Foundation

/// What an output can show.
package struct TerminalStyle: Sendable, Equatable {
    /// Whether lines can be redrawn in place.
    package var isTerminal: Bool
    /// Whether block characters may be used.
    package var usesUnicode: Bool
    package var usesColor: Bool

    package init(isTerminal: Bool, usesUnicode: Bool, usesColor: Bool) {
        self.isTerminal = isTerminal
        self.usesUnicode = usesUnicode
        self.usesColor = usesColor
    }

    /// What the environment says: `LC_ALL`, `LC_CTYPE` and `LANG` (the first that is set) of the character set, `TERM` and
    /// `NO_COLOR` (no-color.org: set and not empty) of the rest.
    package init(isTerminal: Bool, environment: [String: String]) {
        let isDumb = environment["TERM"] == "dumb" || environment["TERM", default: ""].isEmpty
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
        self.isTerminal = isTerminal && !isDumb
        usesUnicode = ["utf-8", "utf8"].contains { locale.lowercased().contains($0) }
        usesColor = self.isTerminal && environment["NO_COLOR", default: ""].isEmpty
    }

    /// What standard error can show.
    package static var standardError: TerminalStyle {
        TerminalStyle(isTerminal: isatty(STDERR_FILENO) == 1, environment: ProcessInfo.processInfo.environment)
    }

    /// Columns of the terminal behind a descriptor; nil if it is none.
    package static func columns(of descriptor: Int32 = STDERR_FILENO) -> Int? {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }
}

/// "1 step", "2 steps".
package func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
