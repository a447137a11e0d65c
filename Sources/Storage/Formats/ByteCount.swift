/// Amounts of memory as people write them.
package enum ByteCount {
    /// `615 MB`, `1.77 GB`.
    package static func text(_ bytes: Int) -> String {
        let hundredths = { (value: Double) in (value * 100).rounded() / 100 }
        return bytes >= 1_000_000_000 ? "\(hundredths(Double(bytes) / 1e9)) GB" : "\((Double(bytes) / 1e5).rounded() / 10) MB"
    }
}
