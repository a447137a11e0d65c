import CurricleEngine
import Foundation
import CurricleSettings
import CurricleTerminal
import CurricleVision

/// Keeps a command from writing over what it reads.
enum OutputGuard {
    private static let outputs: Set = ["output", "csv", "wrong"]

    /// - Throws: `LearningError.configuration` where an output is a file that the command reads, or a picture among the images it reads,
    ///   which would be one of them from then on.
    static func check(_ arguments: Arguments) throws {
        let command = arguments.command
        var inputs: [(origin: String, path: String, areImages: Bool)] = arguments.positional.map { ($0, $0, false) }
        for option in command.options where !outputs.contains(option.name) {
            guard case .value(_, .path, _) = option.kind, let value = try arguments.stringIfGiven(option.name) else { continue }
            for path in option.joint.map({ value.components(separatedBy: $0) }) ?? [value] {
                inputs.append(("--\(option.name)", path, option.joint != nil))
            }
        }
        for name in outputs where command.options.contains(where: { $0.name == name }) {
            guard let output = try arguments.stringIfGiven(name) else { continue }
            let facts = FileFacts(ByteName(output)),
                isPicture = [".png", ".jpg", ".jpeg", ".webp"].contains(where: output.lowercased().hasSuffix)
            for input in inputs {
                if let facts, facts.isRegular, FileFacts(ByteName(input.path))?.identity == facts.identity {
                    throw LearningError.configuration("--\(name) \(output) is what \(input.origin) reads: choose another name")
                }
                if isPicture, input.areImages, holds(input.path, output) {
                    throw LearningError.configuration(
                        "--\(name) \(output) would be one of the images of \(input.origin) from then on: choose another folder")
                }
            }
        }
    }

    /// Whether a path lies in a folder, at any depth.
    private static func holds(_ folder: String, _ path: String) -> Bool {
        guard let root = FileFacts(ByteName(folder)), root.isFolder else { return false }
        var parts = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        while true {
            let parent = parts.isEmpty ? "." : parts.joined(separator: "/")
            if FileFacts(ByteName(parent.isEmpty ? "/" : parent))?.identity == root.identity { return true }
            if parts.isEmpty || parts == [""] { return false }
            parts = parts.dropLast()
        }
    }
}
