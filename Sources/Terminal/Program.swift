import Settings

/// What a program says of itself where all its commands are shown.
public struct Program: Sendable {
    public let name: String
    /// One line.
    public let summary: String
    /// What its exit codes mean.
    public let exitCodes: [(code: Int, meaning: String)]

    public init(name: String, summary: String, exitCodes: [(code: Int, meaning: String)]) {
        self.name = name
        self.summary = summary
        self.exitCodes = exitCodes
    }
}

extension Message {
    /// As the command line's user reads it: settings are options.
    public var withOptions: String { text { "--\($0)" } }
}
