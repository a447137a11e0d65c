import Settings
import Vision

/// What a file that holds no weights looks like.
enum ForeignWeights {
    /// - Parameter start: the file's first bytes.
    /// - Returns: what it is and what helps; nil for what is not known.
    static func reason(_ start: [UInt8]) -> Message? {
        if start.starts(with: Array("GGUF".utf8)) { return "is a GGUF file, which is not read here: \(wanted)" }
        if start.first(where: { !" \t\r\n".utf8.contains($0) }) == UInt8(ascii: "{") {
            return "is JSON, such as a config.json, and no weights: \(wanted)"
        }
        guard let found = ForeignFile(start) else { return nil }
        let helps = ["empty", "a Git LFS pointer", "a web page", "compressed", "an archive"].contains(where: found.what.hasPrefix)
        return "is \(found.what), and no weights: \(helps ? found.advice : wanted)"
    }

    private static let wanted = "give safetensors, or a file of torch.save"
}
