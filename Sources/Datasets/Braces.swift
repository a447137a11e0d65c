import CurricleVision

/// Paths written as WebDataset's users name shards: `{000..009}` counts, with as many digits, `{a..f}` too, and `{a,b}` chooses;
/// several braces are combined, the last running fastest. A path without braces is itself; braces of neither kind stay as they are.
func expandedBraces(_ path: ByteName) -> [ByteName] {
    /// A list of shards is not longer.
    let most = 1_000_000
    let bytes = path.bytes
    var from = 0
    while let open = bytes[from...].firstIndex(of: UInt8(ascii: "{")), let close = bytes[open...].firstIndex(of: UInt8(ascii: "}")) {
        guard let choices = choices(of: bytes[(open + 1)..<close], most: most) else {
            from = open + 1
            continue
        }
        let tails = expandedBraces(ByteName(bytes[(close + 1)...]))
        guard choices.count * tails.count <= most else { return [path] }
        return choices.flatMap { choice in tails.map { ByteName(bytes[..<open] + choice + $0.bytes) } }
    }
    return [path]
}

private func choices(of text: ArraySlice<UInt8>, most: Int) -> [[UInt8]]? {
    if let dots = ByteName(text).firstRange(of: "..") {
        let first = Array(text)[..<dots.lowerBound], last = Array(text)[dots.upperBound...]
        func number(_ digits: ArraySlice<UInt8>) -> Int? {
            digits.allSatisfy { (0x30...0x39).contains($0) } ? Int(String(decoding: digits, as: UTF8.self)) : nil
        }
        func letter(_ text: ArraySlice<UInt8>) -> UInt8? {
            text.count == 1 ? text.first.flatMap { Character(Unicode.Scalar($0)).isLetter && $0 < 0x80 ? $0 : nil } : nil
        }
        if let low = letter(first), let high = letter(last), low <= high { return (low...high).map { [$0] } }
        guard let low = number(first), let high = number(last), low <= high, high - low < most else { return nil }
        // As bash and braceexpand: a leading zero asks for as many digits as the longer end has.
        let width = first.first == 0x30 && first.count > 1 || last.first == 0x30 && last.count > 1 ? max(first.count, last.count) : 0
        return (low...high).map { number in
            let digits = Array(String(number).utf8)
            return [UInt8](repeating: 0x30, count: max(0, width - digits.count)) + digits
        }
    }
    let words = text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map(Array.init)
    return words.count > 1 ? words : nil
}
