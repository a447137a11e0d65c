import CurricleVision

/// The text of an .npy header: `{'descr': '|u1', 'fortran_order': False, 'shape': (3, 4, 5), }`, its keys in any order.
struct NpyDictionary {
    private(set) var descr = ""
    private(set) var isFortranOrder = false
    private(set) var shape: [Int] = []

    private var rest: ArraySlice<UInt8>

    /// Nil when the text is anything else than these three fields, each once.
    init?(_ text: ArraySlice<UInt8>) {
        rest = text
        guard take("{") else { return nil }
        var seen: Set<String> = []
        while !take("}") {
            guard let key = string(), seen.insert(key).inserted, take(":"), value(of: key) else { return nil }
            guard take(",") || nextIs("}") else { return nil }
        }
        skipSpaces()
        guard rest.isEmpty, seen == ["descr", "fortran_order", "shape"] else { return nil }
    }

    private mutating func value(of key: String) -> Bool {
        switch key {
        case "descr":
            guard let text = string() else { return false }
            descr = text
        case "fortran_order":
            isFortranOrder = take("True")
            guard isFortranOrder || take("False") else { return false }
        case "shape":
            guard let numbers = tuple() else { return false }
            shape = numbers
        default: return false
        }
        return true
    }

    private mutating func skipSpaces() { rest = rest.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") } }

    private mutating func nextIs(_ text: StaticString) -> Bool {
        skipSpaces()
        return text.withUTF8Buffer { rest.starts(with: $0) }
    }

    private mutating func take(_ text: StaticString) -> Bool {
        guard nextIs(text) else { return false }
        rest = rest.dropFirst(text.utf8CodeUnitCount)
        return true
    }

    /// Between single or double quotes, without escapes: no field that is wanted has any.
    private mutating func string() -> String? {
        skipSpaces()
        guard let quote = rest.first, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else { return nil }
        rest = rest.dropFirst()
        guard let end = rest.firstIndex(of: quote) else { return nil }
        defer { rest = rest[(end + 1)...] }
        return String(decoding: rest[..<end], as: UTF8.self)
    }

    /// Up to 32 numbers, as many axes as numpy takes: `()`, `(3,)`, `(3, 4)`; Python 2 wrote `3L`.
    private mutating func tuple() -> [Int]? {
        guard take("(") else { return nil }
        var numbers: [Int] = []
        while !take(")") {
            skipSpaces()
            let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard numbers.count < 32, let number = Int(String(decoding: digits, as: UTF8.self)) else { return nil }
            rest = rest.dropFirst(digits.count)
            _ = take("L")
            numbers.append(number)
            guard take(",") || nextIs(")") else { return nil }
        }
        return numbers
    }
}
