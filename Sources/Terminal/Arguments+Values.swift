import CurricleSettings

/// Typed values, read as the option's declaration says. For each type: one form for values that must be there (given, or by
/// their declared fallback; else `.missingOption`), and `…IfGiven`, nil where there is neither.
extension Arguments {
    /// Whether the user gave the option, on the command line or in a configuration file.
    package func isGiven(_ name: String) -> Bool { given[Option.canonical(name)] != nil }

    /// What the user gave, on the command line or in a configuration file; nil for nothing.
    /// - Throws: `.invalidValue` where it is not of the option's form.
    package func given(_ option: Option) throws(UsageError) -> ValueForm.Value? {
        guard let found = given[option.name] else { return nil }
        return try read(found, option)
    }

    /// What to say of a given value that was of its option's form and still is not accepted.
    package func refusal(of option: Option) -> UsageError {
        let found = given[option.name]
        return .invalidValue(
            origin: found?.origin ?? "--\(option.name)", value: found?.value ?? "", accepted: option.form?.accepted ?? "true or false")
    }

    /// Whether a flag is set.
    package func flag(_ name: String) throws(UsageError) -> Bool {
        guard command.option(name) != nil else { throw .undeclared(name) }
        return given[Option.canonical(name)]?.value == "true"
    }

    /// A text, a path or a word.
    package func string(_ name: String) throws(UsageError) -> String { try require(name, stringIfGiven(name)) }

    package func stringIfGiven(_ name: String) throws(UsageError) -> String? {
        guard let value = try value(name) else { return nil }
        guard case .text(let text) = value else { throw .undeclared(name) }
        return text
    }

    /// A whole number, or a number of bytes.
    package func int(_ name: String) throws(UsageError) -> Int { try require(name, intIfGiven(name)) }

    package func intIfGiven(_ name: String) throws(UsageError) -> Int? {
        guard let value = try value(name) else { return nil }
        guard case .whole(let number) = value else { throw .undeclared(name) }
        return number
    }

    package func double(_ name: String) throws(UsageError) -> Double { try require(name, doubleIfGiven(name)) }

    package func doubleIfGiven(_ name: String) throws(UsageError) -> Double? {
        guard let value = try value(name) else { return nil }
        guard case .number(let number) = value else { throw .undeclared(name) }
        return number
    }

    package func intsIfGiven(_ name: String) throws(UsageError) -> [Int]? {
        guard let value = try value(name) else { return nil }
        guard case .wholes(let numbers) = value else { throw .undeclared(name) }
        return numbers
    }

    package func doublesIfGiven(_ name: String) throws(UsageError) -> [Double]? {
        guard let value = try value(name) else { return nil }
        guard case .numbers(let numbers) = value else { throw .undeclared(name) }
        return numbers
    }

    /// A case of an enumeration, by its raw value.
    package func choice<Choice: RawRepresentable>(_ name: String, _: Choice.Type = Choice.self) throws(UsageError) -> Choice
    where Choice.RawValue == String {
        try require(name, choiceIfGiven(name))
    }

    package func choiceIfGiven<Choice: RawRepresentable>(_ name: String, _: Choice.Type = Choice.self) throws(UsageError) -> Choice?
    where Choice.RawValue == String {
        guard let word = try stringIfGiven(name) else { return nil }
        guard let choice = Choice(rawValue: word) else { throw .undeclared(name) }
        return choice
    }

    /// A given value, or the option's fallback; nil where there is neither.
    private func value(_ name: String) throws(UsageError) -> ValueForm.Value? {
        guard let option = command.option(name) else { throw .undeclared(name) }
        guard let found = given[option.name] ?? option.fallback.map({ Given(value: $0, origin: "--\(option.name)") }) else { return nil }
        return try read(found, option)
    }

    private func read(_ found: Given, _ option: Option) throws(UsageError) -> ValueForm.Value {
        guard let form = option.form else { return .flag(found.value == "true") }
        guard let value = form.read(found.value) else {
            throw .invalidValue(origin: found.origin, value: found.value, accepted: form.accepted)
        }
        return value
    }

    private func require<Value>(_ name: String, _ value: Value?) throws(UsageError) -> Value {
        if let value { return value }
        guard let option = command.option(name), let placeholder = option.placeholder else { throw .undeclared(name) }
        throw .missingOption(option.name, placeholder: placeholder)
    }
}
