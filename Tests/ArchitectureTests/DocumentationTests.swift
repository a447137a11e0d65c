import Foundation
import Testing

/// What a package that depends on this one sees is described.
@Suite("Documentation of the library") struct DocumentationTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    /// What describes itself: what a protocol asks for, and sizes whose names say all.
    private static let plain = [
        "public var description", "public let description", "public static func ==", "public typealias", "public var startIndex",
        "public var endIndex", "public var count", "public init(width", "public init(_ recipe", "public init(_ model", "public let recipe",
        "public let images", "public let weights", "public let kind", "public let channels", "public var model", "public var masks",
        "public let imagesPerSecond", "public init("
    ]

    @Test("every public symbol has a docstring, and says what it throws") func docstrings() throws {
        var symbols = 0
        for module in ["Curricle", "CurricleTraining"] {
            let folder = Self.root.appendingPathComponent("Sources/\(module)")
            for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) where name.hasSuffix(".swift") {
                let lines = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
                    .split(separator: "\n", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
                for (index, line) in lines.enumerated() where line.hasPrefix("public ") && !line.hasPrefix("public import") {
                    symbols += 1
                    let comment = lines[..<index].reversed().prefix { $0.hasPrefix("///") || $0.hasPrefix("@") }
                    let place = "\(module)/\(name):\(index + 1): \(line)"
                    if !Self.plain.contains(where: line.hasPrefix) { #expect(!comment.isEmpty, "\(place) is not described") }
                    // A declaration goes on to its brace.
                    let whole = lines[index...].prefix { !$0.contains("{") } + lines[index...].drop { !$0.contains("{") }.prefix(1)
                    let declaration = whole.joined(separator: " ")
                    if line.contains("func ") || line.hasPrefix("public init"), declaration.contains("throws") {
                        #expect(comment.contains { $0.contains("- Throws:") }, "\(place) does not say what it throws")
                    }
                }
            }
        }
        #expect(symbols > 40)
    }
}
