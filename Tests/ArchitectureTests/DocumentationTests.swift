import Foundation
import Testing

/// What a package that depends on this one sees is described: what it is, shapes, units and ranges of numbers, parameters, and what it throws.
@Suite("Documentation of the library") struct DocumentationTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// What a number is of: one of these stands in its docstring.
    private static let measures = [
        "pixel", "byte", "image", "epoch", "second", "number", "channel", "grey", "patch", "share", "error", "step", "thread", "block",
        "head",
        "entropy", "rate", "operation", "0…1", "1…", "0..<", "from 1", "seed", "row", "index"
    ]
    private static let numeric = ["Int", "Double", "Float", "UInt8", "UInt64"]

    /// A public declaration with the comment before it.
    private struct Symbol {
        let place: String, declaration: String, comment: String

        /// Parameters by the names that a docstring has for them.
        var parameters: [String] {
            guard declaration.contains("func ") || declaration.contains("init(") || declaration.contains("subscript"),
                let open = declaration.firstIndex(of: "(")
            else { return [] }
            var depth = 0, list = "", isDefault = false
            // Of names and types alone, without defaults and what is inside of types.
            for character in declaration[open...] {
                if "([{".contains(character) { depth += 1 }
                if ")]}".contains(character) { depth -= 1 }
                if depth == 0 { break }
                if depth == 1, character == "," || character == "=" { isDefault = character == "=" }
                if !isDefault, depth == 1 || character == ")" { list.append(character) }
            }
            return list.dropFirst().split(separator: ",").compactMap { part in
                part.split(separator: ":").first?.split(separator: " ").last.map(String.init)
            }
        }

        /// Whether it is a number, or numbers, with a name of their own.
        var isNumeric: Bool {
            guard declaration.contains(" var ") || declaration.contains(" let ") else { return false }
            let type = declaration.split(separator: ":", maxSplits: 1).dropFirst().first ?? ""
            let value = declaration.split(separator: "=").dropFirst().first?.first { $0 != " " }
            return DocumentationTests.numeric.contains { type.contains($0) } || (!declaration.contains(":") && value?.isNumber == true)
        }
    }

    private func symbols() throws -> [Symbol] {
        try ["Curricle", "CurricleTraining"].flatMap { module in
            let folder = Self.root.appendingPathComponent("Sources/\(module)")
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".swift") }
            return try names.flatMap { name in
                let lines = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
                    .split(separator: "\n", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
                return lines.indices.filter { lines[$0].hasPrefix("public ") && !lines[$0].hasPrefix("public import") }.map { index in
                    let comment = lines[..<index].reversed().prefix { $0.hasPrefix("///") || $0.hasPrefix("@") }.reversed()
                    // A declaration goes on to its brace, or to its line's end.
                    let takesMore = lines[index].hasSuffix("(")
                    let whole =
                        takesMore
                        ? Array(lines[index...].prefix { !$0.contains("{") }) + lines[index...].drop { !$0.contains("{") }.prefix(1)
                        : [lines[index]]
                    return Symbol(
                        place: "\(module)/\(name):\(index + 1): \(lines[index])", declaration: whole.joined(separator: " "),
                        comment: comment.joined(separator: "\n"))
                }
            }
        }
    }

    @Test("every public symbol has a docstring") func docstrings() throws {
        let symbols = try symbols()
        #expect(symbols.count > 80)
        for symbol in symbols { #expect(!symbol.comment.isEmpty, "\(symbol.place) is not described") }
    }

    @Test("a function names each parameter, and says what it throws") func functions() throws {
        for symbol in try symbols() where !symbol.declaration.contains("func ==") {
            for name in symbol.parameters {
                let isTold = symbol.comment.contains("Parameter \(name):") || symbol.comment.contains("- \(name):")
                #expect(isTold, "\(symbol.place) does not say what \(name) is")
            }
            if symbol.declaration.contains("throws") {
                #expect(symbol.comment.contains("- Throws:"), "\(symbol.place) does not say what it throws")
            }
        }
    }

    @Test("a number's unit, shape or range is told") func numbers() throws {
        for symbol in try symbols() where symbol.isNumeric {
            let comment = symbol.comment.lowercased()
            #expect(Self.measures.contains { comment.contains($0) }, "\(symbol.place) does not say of what, or in which range")
        }
    }
}
