import CurricleSettings

/// What a program says of itself where all its commands are shown.
package struct Program: Sendable {
    package let name: String
    /// One line.
    package let summary: String
    /// What its exit codes mean.
    package let exitCodes: [(code: Int, meaning: String)]

    package init(name: String, summary: String, exitCodes: [(code: Int, meaning: String)]) {
        self.name = name
        self.summary = summary
        self.exitCodes = exitCodes
    }
}

extension Message {
    /// As the command line's user reads it: settings are options.
    package var withOptions: String { text { "--\($0)" } }
}
