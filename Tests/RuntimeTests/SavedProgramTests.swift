import CSupport
import Compiler
import Foundation
import Graph
import Models
import Program
import Runtime
import TestSupport
import Testing

/// The encoder as a file, run by a C program that has CSupport and nothing else (CSupport/tests/test_program.c, where the format is).
@Suite("Saved programs")
struct SavedProgramTests {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let hasClang = (try? run("/usr/bin/env", ["clang", "--version"]))?.status == 0

    @Test("a program saved to a file gives the same bits to C", .enabled(if: hasClang, "needs clang"))
    func encoder() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "curricle-program-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "encoder.program"), tool = folder.appending(path: "test_program")
        try savedEncoder().write(to: file)

        let support = Self.root.appending(path: "CSupport")
        let sources = ["dispatch", "execute", "team", "isa_baseline", "isa_avx2", "isa_avx512", "isa_neon", "tests/test_program"]
        let built = try Self.run("/usr/bin/env", [
            "clang", "-std=c17", "-O3", "-Xclang", "-fopenmp", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-Wno-psabi",
            "-I\(support.path)/include", "-I\(support.path)",
        ] + sources.map { "\(support.path)/\($0).c" } + ["-lomp5", "-lm", "-o", tool.path])
        #expect(built.status == 0, "\(built.output)")
        let ran = try Self.run(tool.path, [file.path])
        #expect(ran.status == 0, "\(ran.output)")
        // A changed bit of what is expected must show.
        var bytes = try Data(contentsOf: file)
        bytes[bytes.count - 1] ^= 1
        try bytes.write(to: file)
        #expect(try Self.run(tool.path, [file.path]).status == 1)
    }

    /// The encoder of patches, with its parameters, constants, one batch, and what Swift's session made of it.
    private func savedEncoder() throws -> Data {
        let c = TwoSteps.configuration, parameters = ModelParameters(c), layout = ParameterLayout(parameters.parameters)
        var pool = ConstantPool(), builder = ModelBuilder(c, parameters: parameters, images: 2)
        let program = try Pipeline().compile(builder.features(), layout: layout, constants: &pool)
        var given = GivenTensors(drawing: parameters.parameters, seed: 31)
        given.drawPatches(2 * c.patches * c.patchWidth, seed: 32)
        let batch = given.inputs[.patches]!

        let session = try Session(parameterBytes: layout.bytes, trains: false, threads: 2, isa: .best)
        for (parameter, values) in given.parameters {
            let start = layout.offset(of: parameter.name)! / 4
            for (i, x) in PanelOrder(shape: parameter.shape, sections: parameter.sections).packed(values).enumerated() {
                session.parameters.floats[start + i] = x
            }
        }
        let executable = try session.prepare(program, constants: pool.values)
        #expect(try batch.withUnsafeBytes { try session.run(executable, batch: $0) } == .done)
        var results = [Float](repeating: 0, count: program.resultBytes / 4)
        for place in program.results { results.replaceSubrange(place.offset / 4..<place.offset / 4 + place.shape.reduce(1, *), with: session.result(place)) }

        let contents: [Segment: [Float]] = [.parameters: Array(session.parameters.floats.prefix(layout.bytes / 4)), .constants: pool.values, .batch: batch]
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
