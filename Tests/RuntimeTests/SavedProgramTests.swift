import CSupport
import Compiler
import Foundation
import Graph
import Models
import Program
import Runtime
import TestSupport
import Testing

/// Programs as files, run by a C program that has CSupport and nothing else (CSupport/tests/test_program.c, where the format is).
@Suite("Saved programs")
struct SavedProgramTests {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let hasClang = (try? run("/usr/bin/env", ["clang", "--version"]))?.status == 0

    @Test("a program saved to a file gives the same bits to C, and allocates nothing after its first run", .enabled(if: hasClang, "needs clang"))
    func programs() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "curricle-program-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "saved.program"), tool = folder.appending(path: "test_program")

        let support = Self.root.appending(path: "CSupport")
        let sources = ["dispatch", "execute", "team", "isa_baseline", "isa_avx2", "isa_avx512", "isa_neon", "tests/test_program"]
        let built = try Self.run("/usr/bin/env", [
            "clang", "-std=c17", "-O3", "-Xclang", "-fopenmp", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-Wno-psabi",
            "-I\(support.path)/include", "-I\(support.path)",
        ] + sources.map { "\(support.path)/\($0).c" } + ["-lomp5", "-lm", "-o", tool.path])
        #expect(built.status == 0, "\(built.output)")
        for name in ["step A", "step B", "encoder"] {
            try saved(name).write(to: file)
            let ran = try Self.run(tool.path, [file.path])
            #expect(ran.status == 0, "\(name): \(ran.output)")
        }
        // A changed bit of what is expected must show.
        var bytes = try Data(contentsOf: file)
        bytes[bytes.count - 1] ^= 1
        try bytes.write(to: file)
        #expect(try Self.run(tool.path, [file.path]).status == 1)
    }

    /// The programs that are saved: the encoder of patches, and steps A and B with their gradients as results.
    private func saved(_ name: String) throws -> Data {
        let steps = try TwoSteps(update: .expose)
        var pool = steps.constants
        let program: Program
        switch name {
        case "step A": program = steps.programs[0]
        case "step B": program = steps.programs[1]
        default:
            var builder = ModelBuilder(TwoSteps.configuration, parameters: steps.parameters, images: TwoSteps.images)
            program = try Pipeline().compile(builder.features(), layout: steps.layout, constants: &pool)
        }
        let (session, _) = try steps.session(isa: .best, threads: 2)
        let executable = try session.prepare(program, constants: pool.values)
        #expect(try steps.run(session, executable) == .done)
        var results = [Float](repeating: 0, count: program.resultBytes / 4)
        for place in program.results {
            let values = session.result(place)
            results.replaceSubrange(place.offset / 4..<place.offset / 4 + values.count, with: values)
        }

        // Scalars lie where the compiler puts them: the curriculum at 0, the step's at 64.
        let scalars: [Float] = [0.3] + Array(repeating: 0, count: 15) + [1e-3, 1e-2, 4.5, 1]
        let contents: [Segment: [Float]] = [
            .parameters: Array(session.parameters.floats.prefix(steps.layout.bytes / 4)), .constants: pool.values, .batch: try #require(steps.given.inputs[.patches]),
            .scalars: scalars,
        ]
        let sizes = Segment.allCases.map { segment in
            switch segment {
            case .arena: program.arenaBytes
            case .results: program.resultBytes
            default: (contents[segment] ?? []).count * 4
            }
        }
        var data = Data("CURRICT1".utf8)
        func append(_ number: Int) { withUnsafeBytes(of: UInt64(number).littleEndian) { data.append(contentsOf: $0) } }
        append(program.instructions.count)
        append(program.resultBytes)
        sizes.forEach(append)
        for segment in Segment.allCases { append((contents[segment] ?? []).count * 4) }
        data.append(contentsOf: executable.bytes)
        for segment in Segment.allCases { (contents[segment] ?? []).withUnsafeBytes { data.append(contentsOf: $0) } }
        results.withUnsafeBytes { data.append(contentsOf: $0) }
        return data
    }

    private static func run(_ path: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process(), pipe = Pipe()
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
