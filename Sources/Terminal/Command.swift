import CurricleSettings

/// A command: its options and arguments, and what `--help` says of it.
package struct Command: Sendable {
    package let name: String
    /// One line that says what it does.
    package let summary: String
    package let options: [Option]
    /// What its arguments without a dash are, such as `FILE…`; nil if it takes none.
    package let arguments: String?
    /// What values these are.
    package let argumentForm: ValueForm
    /// How many of these it takes.
    package let argumentCount: ClosedRange<Int>
    /// A whole command line that works.
    package let example: String

    package init(
        name: String, summary: String, options: [Option], arguments: String? = nil, argumentForm: ValueForm = .path(.file),
        argumentCount: ClosedRange<Int>? = nil, example: String
    ) {
        self.name = name
        self.summary = summary
        self.options = options
        self.arguments = arguments
        self.argumentForm = argumentForm
        self.argumentCount = argumentCount ?? (arguments == nil ? 0...0 : 1...Int.max)
        self.example = example
    }

    /// What every command has.
    static let help = Option.flag("help", "Show this text.", short: "h")

    /// The options under their headings, in the order that the headings are met, and `--help` at the end.
    var sections: [(title: String, options: [Option])] {
        var titles: [String] = []
        for option in options where !titles.contains(option.section) { titles.append(option.section) }
        if titles.isEmpty { titles = [Command.help.section] }
        return titles.map { title in
            (title, options.filter { $0.section == title } + (title == titles.last ? [Command.help] : []))
        }
    }

    /// The option of this name, in either spelling.
    func option(_ name: some StringProtocol) -> Option? {
        let name = Option.canonical(name)
        return options.first { $0.name == name }
    }

    func option(short: Character) -> Option? { options.first { $0.short == short } }

    /// Finds a command by its name.
    /// - Throws: `.unknownCommand`, with the nearest name.
    package static func find(_ name: String, in commands: [Command]) throws(UsageError) -> Command {
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
