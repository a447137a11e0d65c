/// The name of a file, of a tar's member or of a class, or a path: bytes as the system has them, whatever letters they were meant for.
///
/// Equal where the bytes are, and in their order. Why no `String`: it takes an é of one code point and one of two for the same, it glues a
/// combining mark to the `/` before it, and it cannot hold Latin-1 at all.
package struct ByteName: Sendable, Hashable, Comparable {
    package let bytes: [UInt8]

    package init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }
    package init(_ text: String) { bytes = Array(text.utf8) }

    package static func < (a: ByteName, b: ByteName) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}

extension ByteName: ExpressibleByStringInterpolation {
    package init(stringLiteral text: String) { self.init(text) }
}

extension ByteName: CustomStringConvertible {
    /// For people: what is no UTF-8, and what would break a line or steer a terminal, is replaced by U+FFFD.
    package var description: String { visible(String(decoding: bytes, as: UTF8.self)) }
}

/// Text with its control characters replaced: names and headers come from files.
package func visible(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
}

extension ByteName {
    /// The name as text that loses nothing, for JSON: a byte that is no part of UTF-8 is U+EF00 and the byte, as MirBSD's OPTU-8 has it.
    /// (What is encoded in UTF-8 and lies among those, U+EF80…U+EFFF, is written byte by byte, too.)
    package var stored: String {
        var text = String.UnicodeScalarView(), place = 0
        var parser = UTF8.ForwardParser(), rest = bytes.makeIterator()
        func escape(_ count: Int) {
            for byte in bytes[place..<(place + count)] { Unicode.Scalar(0xEF00 | UInt32(byte)).map { text.append($0) } }
        }
        while true {
            switch parser.parseScalar(from: &rest) {
            case .valid(let encoded):
                let scalar = UTF8.decode(encoded)
                if Self.escapes.contains(scalar.value) { escape(encoded.count) } else { text.append(scalar) }
                place += encoded.count
            case .error(let length):
                escape(length)
                place += length
            case .emptyInput: return String(text)
            }
        }
    }

    /// Of text that ``stored`` gave.
    package init(stored text: String) {
        var bytes: [UInt8] = []
        for scalar in text.unicodeScalars {
            if Self.escapes.contains(scalar.value) { bytes.append(UInt8(scalar.value & 0xFF)) } else { bytes += Array(String(scalar).utf8) }
        }
        self.bytes = bytes
    }

    private static let escapes: ClosedRange<UInt32> = 0xEF80...0xEFFF
}

extension ByteName {
    private static let slash = UInt8(ascii: "/"), dot = UInt8(ascii: ".")

    package var isEmpty: Bool { bytes.isEmpty }

    /// With a name below it.
    package func appending(_ name: ByteName) -> ByteName {
        bytes.isEmpty || bytes.last == Self.slash ? ByteName(bytes + name.bytes) : ByteName(bytes + [Self.slash] + name.bytes)
    }

    /// What stands before the last `/`; `.` for a bare name.
    package var folder: ByteName {
        guard let slash = bytes.lastIndex(of: Self.slash) else { return "." }
        return slash == 0 ? "/" : ByteName(bytes[..<slash])
    }

    /// What stands behind the last `/`.
    package var last: ByteName { bytes.lastIndex(of: Self.slash).map { ByteName(bytes[($0 + 1)...]) } ?? self }

    /// What stands before the first `/`; nil for a bare name.
    package var first: ByteName? { bytes.firstIndex(of: Self.slash).map { ByteName(bytes[..<$0]) } }

    package var isAbsolute: Bool { bytes.first == Self.slash }

    /// The bytes with ASCII's capitals made small: suffixes are told apart by these.
    package var lowercased: ByteName { ByteName(bytes.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }) }

    /// Whether the name ends in one of these (small ASCII letters), whatever its case.
    package func hasSuffix(_ suffixes: String...) -> Bool {
        suffixes.contains { suffix in lowercased.bytes.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) }
    }

    package func hasPrefix(_ prefix: String) -> Bool { bytes.starts(with: prefix.utf8) }

    package func contains(_ text: String) -> Bool { firstRange(of: text) != nil }

    /// Where some ASCII text stands first.
    package func firstRange(of text: String) -> Range<Int>? {
        let wanted = Array(text.utf8)
        guard !wanted.isEmpty, wanted.count <= bytes.count else { return nil }
        return (0...(bytes.count - wanted.count)).first { bytes[$0..<($0 + wanted.count)].elementsEqual(wanted) }.map {
            $0..<($0 + wanted.count)
        }
    }

    /// The parts between some ASCII text.
    package func split(_ text: String) -> [ByteName] {
        guard let range = firstRange(of: text) else { return [self] }
        return [ByteName(bytes[..<range.lowerBound])] + ByteName(bytes[range.upperBound...]).split(text)
    }

    /// With some ASCII text, where it stands first, replaced; nil where it does not.
    package func replacing(_ text: String, by other: String) -> ByteName? {
        firstRange(of: text).map { ByteName(bytes[..<$0.lowerBound] + Array(other.utf8) + bytes[$0.upperBound...]) }
    }

    /// The last `.` of the last name and what follows it, in small letters; empty where there is none.
    package var suffix: ByteName {
        let name = last.bytes
        guard let dot = name.lastIndex(of: Self.dot), dot > 0 else { return "" }
        return ByteName(name[dot...]).lowercased
    }
}
