import CurricleSettings
import CurricleVision

/// What a file that holds no weights looks like.
enum ForeignWeights {
    /// - Parameter start: the file's first bytes.
    /// - Returns: what it is and what helps; nil for what is not known.
    static func reason(_ start: [UInt8]) -> Message? {
        if start.starts(with: Array("GGUF".utf8)) { return "is a GGUF file, which is not read here: \(wanted)" }
        if start.first(where: { !" \t\r\n".utf8.contains($0) }) == UInt8(ascii: "{") {
            return "is JSON, such as a config.json, and no weights: \(wanted)"
        }
        if start.starts(with: Array("CURRICLE".utf8)) { return "is a program file of compile, which holds no weights by name: \(wanted)" }
        if start.dropFirst(257).starts(with: Array("ustar".utf8)) {
            let first = String(decoding: start.prefix(100).prefix { $0 != 0 }, as: UTF8.self)
            // What torch.save wrote as a tar before 2017.
            return ["sys_info", "pickle", "storages", "tensors"].contains(first) ? nil : "is a tar archive, and no weights: unpack it first"
        }
        guard let found = ForeignFile(start) else { return nil }
        let helps = ["empty", "a Git LFS pointer", "a web page", "compressed", "an archive"].contains(where: found.what.hasPrefix)
        return "is \(found.what), and no weights: \(helps ? found.advice : wanted)"
    }

    private static let wanted = "give safetensors, or a file of torch.save"
}
