import CSupport
import CurricleCompiler
import Foundation
import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleRuntime
import CurricleTestSupport
import Testing

/// Programs as files, run by a C program that has CSupport and nothing else (CSupport/tests/test_program.c, where the format is).
@Suite("Saved programs")
struct SavedProgramTests {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let hasClang = (try? run("/usr/bin/env", ["clang", "--version"]))?.status == 0

    @Test(
        "a program saved to a file gives the same bits to C, and allocates nothing after its first run",
        .enabled(if: hasClang, "needs clang"))
    func programs() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "curricle-program-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "saved.program"), tool = folder.appending(path: "test_program")

        let support = Self.root.appending(path: "CSupport")
        let sources = [
            "curricle", "program_check", "checksum", "dispatch", "execute", "team", "isa_baseline", "isa_avx2", "isa_avx512", "isa_neon",
            "tests/test_program"
        ]
        let built = try Self.run(
            "/usr/bin/env",
            [
                "clang", "-std=c17", "-O3", "-Xclang", "-fopenmp", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-Wno-psabi",
                "-I\(support.path)/include", "-I\(support.path)"
            ] + sources.map { "\(support.path)/\($0).c" } + ["-lomp5", "-lm", "-o", tool.path])
        #expect(built.status == 0, "\(built.output)")
        for name in ["step A", "step B", "encoder"] {
            try saved(name).write(to: file)
            let ran = try Self.run(tool.path, [file.path] + tolerance)
            #expect(ran.status == 0, "\(name): \(ran.output)")
        }
        // A changed bit of what is expected must show: the file ends in the results, whose first is at their beginning.
        var bytes = try Data(contentsOf: file)
        bytes[bytes.count - (try program("encoder").program.resultBytes)] ^= 1
        try bytes.write(to: file)
        #expect(try Self.run(tool.path, [file.path] + tolerance).status == (tolerance.isEmpty ? 1 : 0))
    }

    /// Without fused multiply-adds there are other bits.
    private let tolerance = ISA.best == .baseline ? ["4e-5"] : []

    /// The programs that are saved: the encoder of patches, and steps A and B with their gradients as results.
    private func program(_ name: String) throws -> (program: Program, steps: TwoSteps, constants: ConstantPool) {
        let steps = try TwoSteps(update: .expose)
        var pool = steps.constants
        switch name {
        case "step A": return (steps.programs[0], steps, pool)
        case "step B": return (steps.programs[1], steps, pool)
        default:
            var builder = ModelBuilder(TwoSteps.configuration, parameters: steps.parameters, images: TwoSteps.images)
            return (try Pipeline().compile(builder.features(), layout: steps.layout, constants: &pool), steps, pool)
        }
    }

    private func saved(_ name: String) throws -> Data {
        let (program, steps, pool) = try program(name)
        let (session, _) = try steps.session(isa: .best, threads: 2)
        let executable = try session.prepare(program, constants: pool.values)
        var inputs: RunInputs = [:], blocks: [Memory] = []
        for input in program.inputs {
            let values = try #require(steps.given.inputs[input.name]), block = try Memory(floats: values.count, purpose: "an input")
            block.fill(values)
            inputs[input.name] = .memory(block.contents(numbers: 0..<values.count))
            blocks.append(block)
        }
        return try withExtendedLifetime(blocks) { Data(try session.saved(executable, inputs)) }
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
