import Foundation
import Testing

/// Which module may import which, by the import lines of every file below Sources.
@Suite("Arrows between modules") struct ArrowTests {
    /// What each module may import of ours, and of other people's libraries. A floor sees what is below it, never beside or above.
    private static let allowed: [String: Set<String>] = {
        let ground: Set = ["Settings", "Randomness", "Tensors", "Graph", "Program", "Compiler", "Runtime", "Models"]
        let engine = ground.union(["Engine", "Storage"]), weights = engine.union(["Weights", "Vision"]),
            features = weights.union(["Datasets", "Features"])
        return [
            "Randomness": [], "Settings": [], "Storage": ["CZip"], "Terminal": ["Settings"], "Tensors": ["CInstructions"],
            "Graph": ["Tensors"],
            "Program": ["Tensors", "CInstructions"], "Compiler": ["Tensors", "Graph", "Program", "CInstructions"],
            "Runtime": ["Tensors", "Program", "CSupport"], "Models": ["Tensors", "Graph", "Randomness"], "Reference": ["Tensors", "Graph"],
            "Vision": ["CSupport", "Randomness", "CTurboJPEG", "CPNG", "CWebP", "CZlib"], "Datasets": ["Vision", "Randomness", "CArchive"],
            "Engine": ground.union(["Storage"]), "Weights": engine.union(["Vision", "CInstructions"]),
            "Features": weights.union(["Datasets"]),
            "Evaluation": features.union(["CAlgebra"]), "Distributed": ground.union(["Engine", "CRanks"]),
            "Trainer": features.union(["Distributed"]),
            "Reports": features.union(["Evaluation", "Trainer"]),
            "Proofs": features.union(["Evaluation", "Distributed", "Trainer", "CInstructions"]),
            "Curricle": features, "CurricleTraining": features.union(["Evaluation", "Trainer", "Reports", "Proofs", "Curricle"]),
            "curricle": features.union(["Evaluation", "Distributed", "Trainer", "Reports", "Proofs", "Terminal"])
        ]
    }()
    private static let system: Set = ["Foundation", "Dispatch", "Synchronization", "Glibc", "Musl", "Darwin"]
    /// Modules that are named as their folders are.
    private static let doors: Set = ["Curricle", "CurricleTraining"]
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private struct SourceFile {
        let path: String, module: String, text: String
        /// Modules that its import lines name, whatever attributes and access stand before them: ours by their folder, `Graph` for `CurricleGraph`.
        var imports: [String] {
            text.split(separator: "\n").compactMap { line in
                let words = line.split(separator: " ")
                guard let at = words.firstIndex(of: "import"), at + 1 < words.count,
                    words[..<at].allSatisfy({
                        $0.hasPrefix("@") || ["public", "package", "internal", "private", "fileprivate"].contains($0)
                    })
                else { return nil }
                let name = String(words[at + 1])
                return ArrowTests.doors.contains(name) || !name.hasPrefix("Curricle") ? name : String(name.dropFirst("Curricle".count))
            }
        }
    }

    private func files() throws -> [SourceFile] {
        let folder = ArrowTests.root.appendingPathComponent("Sources")
        let names = try #require(FileManager.default.enumerator(atPath: folder.path)).compactMap { $0 as? String }.filter {
            $0.hasSuffix(".swift")
        }
        return try names.map { name in
            SourceFile(
                path: name, module: String(name.prefix { $0 != "/" }),
                text: try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8))
        }
    }

    @Test("every module imports only what it may") func arrows() throws {
        let files = try files()
        #expect(files.count > 150)
        for file in files {
            let allowed = try #require(ArrowTests.allowed[file.module], "\(file.path): a module that the table does not know")
            let wrong = file.imports.filter { !allowed.contains($0) && !ArrowTests.system.contains($0) }
            #expect(wrong.isEmpty, "\(file.path) imports \(wrong)")
        }
    }

    @Test("the table knows no module that is not there, and nothing imports what imports it") func table() throws {
        let modules = Set(try files().map(\.module))
        #expect(modules == Set(ArrowTests.allowed.keys))
        for (module, imports) in ArrowTests.allowed {
            for other in imports { #expect(ArrowTests.allowed[other]?.contains(module) != true, "\(module) and \(other)") }
        }
    }

    @Test("a manifest's dependencies are what its files import") func manifest() throws {
        let manifest = try String(contentsOf: ArrowTests.root.appendingPathComponent("Package.swift"), encoding: .utf8)
        for (module, files) in Dictionary(grouping: try files(), by: \.module) where module != "Reference" {
            let imported = Set(files.flatMap(\.imports)).subtracting(ArrowTests.system)
            let ways = [".room(\"\(module)\"", ".room(\n            \"\(module)\"", ".executableTarget(\n            name: \"\(module)\""]
            let name = try #require(ways.lazy.compactMap { manifest.range(of: $0) }.first, "\(module) is not in Package.swift")
            let list = try #require(manifest[name.upperBound...].range(of: "[")).upperBound
            let words = manifest[list...].prefix { $0 != "]" }.split(separator: "\"")
            let declared = Set(words.filter { $0.first?.isLetter == true }.map(String.init))
            #expect(
                declared == imported,
                "\(module): not declared \(imported.subtracting(declared)), not used \(declared.subtracting(imported))")
        }
    }

    @Test("no module has more than 4,000 lines") func sizes() throws {
        for (module, files) in Dictionary(grouping: try files(), by: \.module) {
            let lines = files.reduce(0) { $0 + $1.text.split(separator: "\n", omittingEmptySubsequences: false).count - 1 }
            #expect(lines <= 4000, "\(module) has \(lines) lines")
        }
    }

    @Test("linear algebra is seen by one module alone") func algebra() throws {
        #expect(Set(try files().filter { $0.imports.contains("CAlgebra") }.map(\.module)) == ["Evaluation"])
    }

    @Test("other processes are seen by one module alone") func ranks() throws {
        #expect(Set(try files().filter { $0.imports.contains("CRanks") }.map(\.module)) == ["Distributed"])
    }
}
