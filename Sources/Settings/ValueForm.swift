/// What values an option takes: how their text is read, and what is said where it cannot be.
package enum ValueForm: Sendable, Equatable {
    case text
    /// A text of a syntax of its own, described for people; its reader says whether it fits.
    case notation(String)
    /// A path, and what stands or will stand there.
    case path(PathKind)
    case whole(ClosedRange<Int>)
    /// A finite number.
    case number(ClosedRange<Double>)
    /// Whole numbers with commas between them.
    case wholes(ClosedRange<Int>, counts: ClosedRange<Int>)
    /// Numbers with commas between them, "0.485,0.456,0.406".
    case numbers(ClosedRange<Double>, counts: ClosedRange<Int>)
    /// A number of bytes: "65536", "64K", "512M", "1.5G", "2GiB"; K, M, G and T are powers of 1024.
    case bytes(ClosedRange<Int>)
    /// One word of a list.
    case word(of: [String])

    package enum PathKind: Sendable, Equatable { case file, folder, either }

    /// A case of an enumeration, by its raw value.
    package static func word<Word: RawRepresentable & CaseIterable>(of _: Word.Type) -> ValueForm where Word.RawValue == String {
        .word(of: Word.allCases.map(\.rawValue))
    }

    /// Every finite number.
    package static let anyNumber = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
    /// What decides random numbers.
    package static let seed = ValueForm.whole(0...Int.max)

    /// The value of a text; nil where it is not accepted.
    package func read(_ text: String) -> Value? {
        switch self {
        case .text, .notation: .text(text)
        case .path: text.isEmpty ? nil : .text(text)  // as an unset variable gives it
        case .whole(let range): Int(text).flatMap { range.contains($0) ? .whole($0) : nil }
        case .number(let range): ValueForm.number(text, in: range).map { .number($0) }
        case .wholes(let range, let counts):
            ValueForm.list(text, counts) { Int($0).flatMap { range.contains($0) ? $0 : nil } }.map { .wholes($0) }
        case .numbers(let range, let counts): ValueForm.list(text, counts) { ValueForm.number($0, in: range) }.map { .numbers($0) }
        case .bytes(let range): ValueForm.byteCount(text).flatMap { range.contains($0) ? .whole($0) : nil }
        case .word(let words): words.contains(text) ? .text(text) : nil
        }
    }

    /// What is accepted, behind "give": "a whole number from 1 to 4096".
    package var accepted: String {
        switch self {
        case .text: "a text"
        case .notation(let description): description
        case .path: "a path"
        case .whole(let range): "a whole number\(ValueForm.describe(range))"
        case .number(let range): "a number\(ValueForm.describe(range))"
        case .wholes(let range, let counts):
            "\(ValueForm.describe(counts: counts, "whole number"))\(ValueForm.describe(range)), with commas between them"
        case .numbers(let range, let counts):
            "\(ValueForm.describe(counts: counts, "number"))\(ValueForm.describe(range)), with commas between them"
        case .bytes(let range): "a number of bytes\(ValueForm.describe(range, from: 0)), such as 65536, 512M or 1.5G"
        case .word(let words): words.joined(separator: ", ") + " (one of them)"
        }
    }

    /// A value that was read.
    package enum Value: Sendable, Equatable {
        case flag(Bool)
        case text(String)
        case whole(Int)
        case number(Double)
        case wholes([Int])
        case numbers([Double])
    }
}

extension ValueForm {
    private static func number(_ text: String, in range: ClosedRange<Double>) -> Double? {
        // Swift reads hexadecimal floats too, which nobody means.
        guard let number = Double(text), !text.contains(where: { $0 == "x" || $0 == "X" }), range.contains(number) else { return nil }
        return number
    }

    private static func list<Element>(_ text: String, _ counts: ClosedRange<Int>, _ read: (String) -> Element?) -> [Element]? {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let values = parts.compactMap { read(String($0.drop { $0 == " " })) }
        return values.count == parts.count && counts.contains(values.count) ? values : nil
    }

    private static func byteCount(_ text: String) -> Int? {
        let units: [(String, Double)] = [("K", 0x1p10), ("M", 0x1p20), ("G", 0x1p30), ("T", 0x1p40)]
        var digits = text.uppercased()
        for ending in ["IB", "B"] where digits.hasSuffix(ending) {
            digits.removeLast(ending.count)
            break
        }
        guard let unit = units.first(where: { digits.hasSuffix($0.0) }) else { return Int(digits) }
        digits.removeLast()
        guard let number = number(digits, in: 0...anyNumber.upperBound) else { return nil }
        return Int(exactly: (number * unit.1).rounded())
    }

    private static func describe(_ range: ClosedRange<Int>, from lowest: Int = .min) -> String {
        switch (range.lowerBound > lowest, range.upperBound < .max) {
        case (true, true): " from \(range.lowerBound) to \(range.upperBound)"
        case (true, false): " of \(range.lowerBound) or more"
        case (false, true): " of \(range.upperBound) or less"
        case (false, false): ""
        }
    }

    private static func describe(_ range: ClosedRange<Double>) -> String {
        switch (range.lowerBound > anyNumber.lowerBound, range.upperBound < anyNumber.upperBound) {
        case (true, true): " from \(plain(range.lowerBound)) to \(plain(range.upperBound))"
        // The smallest number there is stands for "more than 0".
        case (true, false) where range.lowerBound == .leastNonzeroMagnitude: " above 0"
        case (true, false): " of \(plain(range.lowerBound)) or more"
        case (false, true): " of \(plain(range.upperBound)) or less"
        case (false, false): ""
        }
    }

    private static func describe(counts: ClosedRange<Int>, _ what: String) -> String {
        if counts.upperBound == .max { return "\(counts.lowerBound) or more \(what)s" }
        if counts.lowerBound == counts.upperBound { return counts.lowerBound == 1 ? "1 \(what)" : "\(counts.lowerBound) \(what)s" }
        return "\(counts.lowerBound) to \(counts.upperBound) \(what)s"
    }

    private static func plain(_ number: Double) -> String { Int(exactly: number).map(String.init) ?? number.description }
}
