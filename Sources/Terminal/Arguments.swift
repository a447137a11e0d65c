import CurricleSettings

/// A command line, taken apart by a ``Command``'s declarations.
///
///     let arguments = try Arguments(["--mask_ratio", "0.75", "--resume"], for: command)
///     let ratio = try arguments.double("mask-ratio")
///     let resume = try arguments.flag("resume")
///
/// Accepted: `--name value`, `--name=value`, `-k value`, `-k=value`, `-` or `_` between the words of a name, numbers below
/// zero as values, `--no-flag`, and `--` before arguments that begin with a dash. Of an option given twice the last counts, unless it takes
/// several.
package struct Arguments: Sendable {
    /// A value and who gave it, for messages.
    struct Given: Sendable, Equatable {
        let value: String
        let origin: String
    }

    package let command: Command
    /// Arguments without a dash, in order.
    package private(set) var positional: [String] = []
    /// Whether `--help` or `-h` is there; then nothing is checked for being missing.
    package private(set) var asksForHelp = false

    var given: [String: Given] = [:]

    /// Takes a command line apart; `words` come after the command's name.
    /// - Throws: ``UsageError`` for an unknown option, a missing value, or too few or too many arguments.
    package init(_ words: [String], for command: Command) throws(UsageError) {
        self.command = command
        var rest = words[...]
        var onlyArguments = false
        while let word = rest.popFirst() {
            if onlyArguments || !Arguments.looksLikeOption(word) {
                positional.append(word)
            } else if word == "--" {
                onlyArguments = true
            } else if word == "--help" || word == "-h" && command.option(short: "h") == nil {
                asksForHelp = true
            } else {
                try takeOption(word, rest: &rest)
            }
        }
        guard !asksForHelp else { return }
        // As an unset variable gives it.
        if positional.contains("") {
            throw .invalidValue(origin: command.arguments ?? command.name, value: "", accepted: "a name that is not empty")
        }
        if positional.count > command.argumentCount.upperBound {
            throw .unexpectedArgument(positional[command.argumentCount.upperBound], command: command.name)
        }
        if positional.count < command.argumentCount.lowerBound {
            throw .missingArgument(command.arguments ?? "an argument")
        }
    }

    /// A dash and a digit begin a number below zero; a dash alone is the usual name of standard input.
    private static func looksLikeOption(_ word: String) -> Bool {
        guard word.hasPrefix("-"), word.count > 1 else { return false }
        let second = word[word.index(after: word.startIndex)]
        return !("0"..."9").contains(second) && second != "."
    }

    private mutating func takeOption(_ word: String, rest: inout ArraySlice<String>) throws(UsageError) {
        let spelled = word.prefix { $0 != "=" }
        let attached = word.firstIndex(of: "=").map { String(word[word.index(after: $0)...]) }
        guard let (option, isNegated) = find(spelled) else {
            let names = command.options.map { "--" + $0.name }
            let suggestion = nearestName(to: "--" + Option.canonical(spelled.drop { $0 == "-" }), among: names + ["--help"])
            throw .unknownOption(String(spelled), command: command.name, suggestion: suggestion)
        }
        let value: String
        switch option.kind {
        case .flag:
            value = attached ?? "true"
            guard value == "true" || value == "false" else {
                throw .invalidValue(origin: String(spelled), value: value, accepted: "true or false, or no value")
            }
        case .value(let placeholder, _, _):
            if let attached {
                value = attached
            } else if let next = rest.first, !Arguments.looksLikeOption(next) {
                value = next
                rest.removeFirst()
            } else {
                throw .missingValue(option: String(spelled), placeholder: placeholder)
            }
        }
        var result = isNegated ? (value == "true" ? "false" : "true") : value
        if let joint = option.joint, let before = given[option.name] { result = before.value + joint + result }
        given[option.name] = Given(value: result, origin: String(spelled))
    }

    /// The option that a word names, and whether the word is its `--no-` form.
    private func find(_ spelled: Substring) -> (Option, isNegated: Bool)? {
        guard spelled.hasPrefix("--") else {
            let letters = spelled.dropFirst()
            guard letters.count == 1, let letter = letters.first, let option = command.option(short: letter) else { return nil }
            return (option, false)
        }
        let name = Option.canonical(spelled.dropFirst(2))
        if let option = command.option(name) { return (option, false) }
        if name.hasPrefix("no-"), let option = command.option(name.dropFirst(3)), option.kind == .flag { return (option, true) }
        return nil
    }
}
