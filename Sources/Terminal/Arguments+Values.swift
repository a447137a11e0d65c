/// Typed values. For each type: one form for values that must be there (given, or by their declared fallback; else
/// `.missingOption`), and `…IfGiven`, nil where there is neither.
extension Arguments {
    /// Whether the user gave the option, on the command line or in a configuration file.
    public func isGiven(_ name: String) -> Bool { given[Option.canonical(name)] != nil }

    /// Whether a flag is set.
    public func flag(_ name: String) throws(UsageError) -> Bool {
        guard command.option(name) != nil else { throw .undeclared(name) }
        return given[Option.canonical(name)]?.value == "true"
    }

    public func string(_ name: String) throws(UsageError) -> String { try require(name, stringIfGiven(name)) }

    public func stringIfGiven(_ name: String) throws(UsageError) -> String? { try found(name)?.value }

    /// A whole number in a range.
    public func int(_ name: String, in range: ClosedRange<Int> = Int.min...Int.max) throws(UsageError) -> Int {
        try require(name, intIfGiven(name, in: range))
    }

    public func intIfGiven(_ name: String, in range: ClosedRange<Int> = Int.min...Int.max) throws(UsageError) -> Int? {
        guard let found = try found(name) else { return nil }
        guard let number = Int(found.value), range.contains(number) else {
            throw found.invalid("a whole number\(Arguments.describe(range, from: .min, to: .max))")
        }
        return number
    }

    /// A finite number in a range.
    /// - Parameter excludingUpperBound: whether the range's end itself is refused (a masking ratio below 1).
    public func double(
        _ name: String, in range: ClosedRange<Double> = Arguments.anyDouble, excludingUpperBound: Bool = false
    ) throws(UsageError) -> Double {
        try require(name, doubleIfGiven(name, in: range, excludingUpperBound: excludingUpperBound))
    }

    public func doubleIfGiven(
        _ name: String, in range: ClosedRange<Double> = Arguments.anyDouble, excludingUpperBound: Bool = false
    ) throws(UsageError) -> Double? {
        guard let found = try found(name) else { return nil }
        guard let number = Arguments.number(found.value, in: range), !excludingUpperBound || number < range.upperBound else {
            let end = excludingUpperBound ? ", the latter excluded" : ""
            throw found.invalid("a number\(Arguments.describe(range))\(end)")
        }
        return number
    }

    /// Numbers with commas between them, "0.485,0.456,0.406".
    /// - Parameter counts: how many are accepted.
    public func doubles(
        _ name: String, in range: ClosedRange<Double> = Arguments.anyDouble, counts: ClosedRange<Int> = 1...Int.max
    ) throws(UsageError) -> [Double] {
        try require(name, doublesIfGiven(name, in: range, counts: counts))
    }

    public func doublesIfGiven(
        _ name: String, in range: ClosedRange<Double> = Arguments.anyDouble, counts: ClosedRange<Int> = 1...Int.max
    ) throws(UsageError) -> [Double]? {
        guard let found = try found(name) else { return nil }
        let parts = found.value.split(separator: ",", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { part in
            Arguments.number(String(part.drop { $0 == " " }), in: range)
        }
        guard numbers.count == parts.count, counts.contains(numbers.count) else {
            let many = Arguments.describeCount(counts)
            throw found.invalid("\(many)\(Arguments.describe(range)), with commas between them")
        }
        return numbers
    }

    /// One word of a list.
    public func choice(_ name: String, of choices: [String]) throws(UsageError) -> String {
        try require(name, choiceIfGiven(name, of: choices))
    }

    public func choiceIfGiven(_ name: String, of choices: [String]) throws(UsageError) -> String? {
        guard let found = try found(name) else { return nil }
        guard choices.contains(found.value) else { throw found.invalid(choices.joined(separator: ", ") + " (one of them)") }
        return found.value
    }

    /// A case of an enumeration, by its raw value.
    public func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String, _: Choice.Type = Choice.self
    ) throws(UsageError) -> Choice where Choice.RawValue == String {
        let word = try choice(name, of: Choice.allCases.map(\.rawValue))
        guard let choice = Choice(rawValue: word) else { throw .undeclared(name) }
        return choice
    }

    /// A number of bytes: "65536", "64K", "512M", "1.5G", "2GiB"; K, M, G and T are powers of 1024.
    public func bytes(_ name: String, in range: ClosedRange<Int> = 0...Int.max) throws(UsageError) -> Int {
        try require(name, bytesIfGiven(name, in: range))
    }

    public func bytesIfGiven(_ name: String, in range: ClosedRange<Int> = 0...Int.max) throws(UsageError) -> Int? {
        guard let found = try found(name) else { return nil }
        guard let size = Arguments.byteCount(found.value), range.contains(size) else {
            throw found.invalid("a number of bytes\(Arguments.describe(range, from: 0, to: .max)), such as 65536, 512M or 1.5G")
        }
        return size
    }
}

// MARK: - How

extension Arguments.Given {
    fileprivate func invalid(_ accepted: String) -> UsageError {
        .invalidValue(origin: origin, value: value, accepted: accepted)
    }
}

extension Arguments {
    public static let anyDouble = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude

    private func found(_ name: String) throws(UsageError) -> Given? {
        guard let option = command.option(name) else { throw .undeclared(name) }
        if let given = given[option.name] { return given }
        guard case .value(_, let fallback?) = option.kind else { return nil }
        return Given(value: fallback, origin: "--" + option.name)
    }

    private func require<Value>(_ name: String, _ value: Value?) throws(UsageError) -> Value {
        if let value { return value }
        guard let option = command.option(name), case .value(let placeholder, _) = option.kind else { throw .undeclared(name) }
        throw .missingOption(option.name, placeholder: placeholder)
    }

    private static func number(_ text: String, in range: ClosedRange<Double>) -> Double? {
        // Swift reads hexadecimal floats too, which nobody means.
        guard let number = Double(text), !text.contains(where: { $0 == "x" || $0 == "X" }), range.contains(number) else {
            return nil
        }
        return number
    }

    static func byteCount(_ text: String) -> Int? {
        let units: [(String, Double)] = [("K", 0x1p10), ("M", 0x1p20), ("G", 0x1p30), ("T", 0x1p40)]
        var digits = text.uppercased()
        for ending in ["IB", "B"] where digits.hasSuffix(ending) {
            digits.removeLast(ending.count)
            break
        }
        guard let unit = units.first(where: { digits.hasSuffix($0.0) }) else { return Int(digits) }
        digits.removeLast()
        guard let number = number(digits, in: 0...anyDouble.upperBound) else { return nil }
        return Int(exactly: (number * unit.1).rounded())
    }

    private static func describe(_ range: ClosedRange<Int>, from lowest: Int, to highest: Int) -> String {
        switch (range.lowerBound > lowest, range.upperBound < highest) {
        case (true, true): " from \(range.lowerBound) to \(range.upperBound)"
        case (true, false): " of \(range.lowerBound) or more"
        case (false, true): " of \(range.upperBound) or less"
        case (false, false): ""
        }
    }

    private static func describe(_ range: ClosedRange<Double>) -> String {
        switch (range.lowerBound > anyDouble.lowerBound, range.upperBound < anyDouble.upperBound) {
        case (true, true): " from \(short(range.lowerBound)) to \(short(range.upperBound))"
        // The smallest number there is stands for "more than 0".
        case (true, false) where range.lowerBound == .leastNonzeroMagnitude: " above 0"
        case (true, false): " of \(short(range.lowerBound)) or more"
        case (false, true): " of \(short(range.upperBound)) or less"
        case (false, false): ""
        }
    }

    private static func describeCount(_ counts: ClosedRange<Int>) -> String {
        if counts.upperBound == .max { return "\(counts.lowerBound) or more numbers" }
        if counts.lowerBound == counts.upperBound { return counts.lowerBound == 1 ? "1 number" : "\(counts.lowerBound) numbers" }
        return "\(counts.lowerBound) to \(counts.upperBound) numbers"
    }

    private static func short(_ number: Double) -> String {
        Int(exactly: number).map(String.init) ?? number.description
    }
}
