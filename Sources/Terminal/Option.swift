/// An option of a command: its name, what it takes and what it does.
public struct Option: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        /// There or not there; also `--no-NAME`, `--NAME=true`, `--NAME=false`.
        case flag
        /// Takes a value, shown as `placeholder`; `fallback` counts where none is given.
        case value(placeholder: String, fallback: String?)
    }

    /// The name without dashes, with `-` between words; users may write `_`.
    public let name: String
    public let kind: Kind
    /// What it does, for `--help`.
    public let help: String
    /// A second, one-letter name (`-k`).
    public let short: Character?
    /// The heading under which `--help` shows it.
    public let section: String

    public init(_ name: String, _ kind: Kind, help: String, short: Character? = nil, section: String = "Options") {
        self.name = name
        self.kind = kind
        self.help = help
        self.short = short
        self.section = section
    }

    public static func flag(_ name: String, _ help: String, short: Character? = nil, section: String = "Options") -> Option {
        Option(name, .flag, help: help, short: short, section: section)
    }

    public static func value(
        _ name: String, _ placeholder: String, _ help: String, fallback: String? = nil, short: Character? = nil,
        section: String = "Options"
    ) -> Option {
        Option(name, .value(placeholder: placeholder, fallback: fallback), help: help, short: short, section: section)
    }

    /// A name as it is declared: `mask_ratio` becomes `mask-ratio`.
    static func canonical(_ name: some StringProtocol) -> String {
        String(name.map { $0 == "_" ? "-" : $0 })
    }
}

/// A command: its options and arguments, and what `--help` says of it.
public struct Command: Sendable {
    public let name: String
    /// One line that says what it does.
    public let summary: String
    public let options: [Option]
    /// What its arguments without a dash are, such as `FILE…`; nil if it takes none.
    public let arguments: String?
    /// How many of these it takes.
    public let argumentCount: ClosedRange<Int>
    /// A whole command line that works.
    public let example: String

    public init(
        name: String, summary: String, options: [Option], arguments: String? = nil, argumentCount: ClosedRange<Int>? = nil,
        example: String
    ) {
        self.name = name
        self.summary = summary
        self.options = options
        self.arguments = arguments
        self.argumentCount = argumentCount ?? (arguments == nil ? 0...0 : 1...Int.max)
        self.example = example
    }

    /// The option of this name, in either spelling.
    func option(_ name: some StringProtocol) -> Option? {
        let name = Option.canonical(name)
        return options.first { $0.name == name }
    }

    func option(short: Character) -> Option? { options.first { $0.short == short } }

    /// Finds a command by its name.
    /// - Throws: `.unknownCommand`, with the nearest name.
    public static func find(_ name: String, in commands: [Command]) throws(UsageError) -> Command {
        if let command = commands.first(where: { $0.name == name }) { return command }
        throw .unknownCommand(name, suggestion: nearestName(to: name, among: commands.map(\.name)))
    }
}

/// The name that was probably meant: fewest letters put in, left out, replaced or swapped; nil if none is near.
func nearestName(to name: String, among names: [String]) -> String? {
    let distances = names.map { (distance: editDistance(name, $0), name: $0) }
    if let best = distances.min(by: { $0.distance < $1.distance }), best.distance <= max(1, name.count / 3) {
        return best.name
    }
    guard name.count >= 3 else { return nil }
    return names.first { $0.hasPrefix(name) || name.hasPrefix($0) }
}

/// Optimal string alignment distance (Damerau and Levenshtein's, each letter moved once).
func editDistance(_ left: String, _ right: String) -> Int {
    let a = Array(left)
    let b = Array(right)
    var beforeLast: [Int] = []
    var last = Array(0...b.count)
    for i in a.indices {
        var row = [i + 1]
        for j in b.indices {
            var best = min(last[j] + (a[i] == b[j] ? 0 : 1), last[j + 1] + 1, row[j] + 1)
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, beforeLast[j - 1] + 1) }
            row.append(best)
        }
        beforeLast = last
        last = row
    }
    return last[b.count]
}
