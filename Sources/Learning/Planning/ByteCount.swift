/// Amounts of memory as people write them.
public enum ByteCount {
    /// `512M`, `2G`, `1.5GiB`, `800000000`: decimal units, or binary ones with `i`. Nil for anything else, and below 1.
    public static func parse(_ text: String) -> Int? {
        var digits = Substring(text.lowercased())
        if digits.hasSuffix("b") { digits.removeLast() }
        let binary = digits.hasSuffix("i")
        if binary { digits.removeLast() }
        let base = binary ? 1024.0 : 1000.0
        var factor = 1.0
        if let unit = digits.last, let power = ["k": 1, "m": 2, "g": 3, "t": 4][unit] {
            for _ in 0..<power { factor *= base }
            digits.removeLast()
        } else if binary {
            return nil
        }
        guard let value = Double(digits), value * factor >= 1, value * factor < 1e18 else { return nil }
        return Int(value * factor)
    }

    /// `615 MB`, `1.77 GB`.
    public static func text(_ bytes: Int) -> String {
        let hundredths = { (value: Double) in (value * 100).rounded() / 100 }
        return bytes >= 1_000_000_000 ? "\(hundredths(Double(bytes) / 1e9)) GB" : "\((Double(bytes) / 1e5).rounded() / 10) MB"
    }
}
