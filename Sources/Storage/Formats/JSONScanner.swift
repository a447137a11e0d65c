/// A strict cursor over JSON text (RFC 8259), for files whose shape is known beforehand.
///
/// The caller asks for what must come next, so hostile text costs no memory and no deep recursion, and the caller sees
/// every key, repeated ones too (which Foundation's parsers silently merge). The text must be valid UTF-8.
struct JSONScanner {
    /// What was wrong, and how many bytes into the text.
    struct Failure: Error {
        let reason: String
        let offset: Int
    }

    /// Arrays and objects inside each other that ``skipValue()`` tolerates.
    static let greatestDepth = 8

    private let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    func failure(_ reason: String) -> Failure { Failure(reason: reason, offset: offset) }

    private func peek() -> UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func skipSpace() {
        while let byte = peek(), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { offset += 1 }
    }

    /// Takes `character` if it comes next.
    mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard let byte = peek(), UInt32(byte) == character.value else { return false }
        offset += 1
        return true
    }

    mutating func expect(_ character: Unicode.Scalar) throws(Failure) {
        guard take(character) else { throw failure("'\(character)' expected") }
    }

    /// Demands that nothing but white space is left.
    mutating func expectEnd() throws(Failure) {
        skipSpace()
        guard offset == bytes.count else { throw failure("text after the end of the JSON value") }
    }

    /// Reads `{ "key": value, … }`; `body` must read each value.
    mutating func object(_ body: (inout JSONScanner, String) throws(Failure) -> Void) throws(Failure) {
        try expect("{")
        if take("}") { return }
        repeat {
            let key = try string()
            try expect(":")
            try body(&self, key)
        } while take(",")
        try expect("}")
    }

    /// Reads `[ value, … ]`; `body` must read each value.
    mutating func array(_ body: (inout JSONScanner) throws(Failure) -> Void) throws(Failure) {
        try expect("[")
        if take("]") { return }
        repeat { try body(&self) } while take(",")
        try expect("]")
    }

    /// Reads a number that is a whole one, at least 0 and fits an `Int`, written in digits alone.
    mutating func count() throws(Failure) -> Int {
        skipSpace()
        let start = offset
        var value = 0
        while let byte = peek(), byte >= 0x30, byte <= 0x39 {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int(byte) - 0x30)
            guard !overflow, !carry else { throw failure("a number is too large") }
            value = sum
            offset += 1
        }
        guard offset > start else { throw failure("a number of 0 or more expected") }
        if bytes[start] == 0x30 && offset > start + 1 { throw failure("a number begins with 0") }
        if let byte = peek(), byte == 0x2E || byte | 0x20 == 0x65 { throw failure("a whole number expected") }
        return value
    }

    /// Reads any number, as its text.
    mutating func numberText() throws(Failure) -> String {
        skipSpace()
        let start = offset
        if peek() == 0x2D { offset += 1 }
        let wholeStart = offset
        try digits()
        if bytes[wholeStart] == 0x30 && offset > wholeStart + 1 { throw failure("a number begins with 0") }
        if peek() == 0x2E {
            offset += 1
            try digits()
        }
        if let byte = peek(), byte | 0x20 == 0x65 {
            offset += 1
            if let sign = peek(), sign == 0x2B || sign == 0x2D { offset += 1 }
            try digits()
        }
        return text(start..<offset)
    }

    /// Reads a number if one comes next; nil, and nothing read, if something else does.
    mutating func numberTextIfNext() throws(Failure) -> String? {
        skipSpace()
        guard let byte = peek(), byte == 0x2D || (0x30...0x39).contains(byte) else { return nil }
        return try numberText()
    }

    private mutating func digits() throws(Failure) {
        let start = offset
        while let byte = peek(), byte >= 0x30, byte <= 0x39 { offset += 1 }
        guard offset > start else { throw failure("a digit expected") }
    }

    /// Reads past any value.
    mutating func skipValue(depth: Int = 0) throws(Failure) {
        guard depth < JSONScanner.greatestDepth else { throw failure("nested too deeply") }
        skipSpace()
        switch peek() {
        case 0x22: _ = try string()
        case 0x7B: try object { (scanner, _) throws(Failure) in try scanner.skipValue(depth: depth + 1) }
        case 0x5B: try array { (scanner) throws(Failure) in try scanner.skipValue(depth: depth + 1) }
        case 0x74: try literal("true")
        case 0x66: try literal("false")
        case 0x6E: try literal("null")
        default: _ = try numberText()
        }
    }

    private mutating func literal(_ word: StaticString) throws(Failure) {
        for index in 0..<word.utf8CodeUnitCount {
            guard peek() == word.utf8Start[index] else { throw failure("a JSON value expected") }
            offset += 1
        }
    }
}

extension JSONScanner {
    /// Reads a string.
    mutating func string() throws(Failure) -> String {
        try stringAndRange().text
    }

    /// Reads a string, and says where its characters stand in the text (escapes and all, without the quotes).
    mutating func stringAndRange() throws(Failure) -> (text: String, range: Range<Int>) {
        try expect("\"")
        let start = offset
        // What came before the last escape, with every escape's own bytes.
        var unescaped: [UInt8] = []
        var pieceStart = offset
        while let byte = peek() {
            switch byte {
            case 0x22:
                let range = start..<offset
                if unescaped.isEmpty {
                    offset += 1
                    return (text(range), range)
                }
                unescaped += bytes[pieceStart..<offset]
                offset += 1
                return (String(decoding: unescaped, as: UTF8.self), range)
            case 0x5C:
                unescaped += bytes[pieceStart..<offset]
                offset += 1
                unescaped += UTF8.encode(try escape())!
                pieceStart = offset
            case 0..<0x20:
                throw failure("a control character in a string")
            default:
                offset += 1
            }
        }
        throw failure("a string without end")
    }

    private mutating func escape() throws(Failure) -> Unicode.Scalar {
        guard let byte = peek() else { throw failure("a string without end") }
        offset += 1
        switch byte {
        case 0x22, 0x5C, 0x2F: return Unicode.Scalar(byte)
        case 0x62: return "\u{8}"
        case 0x66: return "\u{C}"
        case 0x6E: return "\n"
        case 0x72: return "\r"
        case 0x74: return "\t"
        case 0x75: break
        default: throw failure("an unknown escape in a string")
        }
        let first = try fourHexDigits()
        if let scalar = Unicode.Scalar(first) { return scalar }
        // A character beyond 16 bits stands as a pair of surrogates: D800-DBFF, then DC00-DFFF.
        guard first < 0xDC00, peek() == 0x5C else { throw failure("half a surrogate pair in a string") }
        offset += 1
        guard peek() == 0x75 else { throw failure("half a surrogate pair in a string") }
        offset += 1
        let second = try fourHexDigits()
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw failure("half a surrogate pair in a string") }
        return scalar
    }

    private mutating func fourHexDigits() throws(Failure) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw failure("four hexadecimal digits expected")
            }
            value = value << 4 | UInt32(digit)
            offset += 1
        }
        return value
    }

    private func text(_ range: Range<Int>) -> String {
        String(decoding: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self)
    }
}

/// JSON text of a string, quotes included: only what must be escaped is.
func jsonQuoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": quoted += "\\\""
        case "\\": quoted += "\\\\"
        case "\n": quoted += "\\n"
        case "\r": quoted += "\\r"
        case "\t": quoted += "\\t"
        case "\u{8}": quoted += "\\b"
        case "\u{C}": quoted += "\\f"
        case "\0"..<" ":
            let digits = String(scalar.value, radix: 16)
            quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: quoted.unicodeScalars.append(scalar)
        }
    }
    return quoted + "\""
}
