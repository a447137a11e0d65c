import Foundation
import Testing

/// Runs the built `curricle`, which lies beside the tests.
struct CommandResult {
    let code: Int32
    let output: String
    let errors: String
    /// What a user sees of a failure.
    var lastError: String { errors.split(separator: "\n").last.map(String.init) ?? "" }
}

func curricleExecutable() -> URL {
    URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent().appendingPathComponent("curricle")
}

func startCurricle(_ arguments: [String], environment: [String: String] = [:], output: Pipe? = nil, errors: Pipe? = nil) throws -> Process {
    let process = Process()
    process.executableURL = curricleExecutable()
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardOutput = output ?? FileHandle.nullDevice
    process.standardError = errors ?? FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    try process.run()
    return process
}

func curricle(_ arguments: String..., environment: [String: String] = [:]) throws -> CommandResult {
    try curricle(arguments, environment: environment)
}

func curricle(_ arguments: [String], environment: [String: String] = [:]) throws -> CommandResult {
    let output = Pipe(), errors = Pipe()
    let process = try startCurricle(arguments, environment: environment, output: output, errors: errors)
    // Both are small; standard error first, as progress goes there.
    let errorText = errors.fileHandleForReading.readDataToEndOfFile(), outputText = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return CommandResult(
        code: process.terminationStatus, output: String(decoding: outputText, as: UTF8.self),
        errors: String(decoding: errorText, as: UTF8.self))
}

/// Until a run has weights, which stay where they are as it goes on; states come and go.
func waitForWeights(of run: String) {
    for _ in 0..<1500 where !FileManager.default.fileExists(atPath: "\(run)/model.safetensors") { usleep(20_000) }
}

final class Folder {
    let path = NSTemporaryDirectory() + "/curricle-command-" + UUID().uuidString
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    func file(_ name: String) -> String { "\(path)/\(name)" }
    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        let url = URL(fileURLWithPath: file(name))
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: url)
        return file(name)
    }
}

func fixture(_ name: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)").path
}

/// A pair of IDX files of `count` images of `side` pixels in ten classes that can be told apart.
func writeDigits(_ folder: Folder, count: Int, side: Int = 8) throws -> String {
    func number(_ value: Int) -> [UInt8] {
        [UInt8(value >> 24 & 255), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
    }
    for (prefix, salt) in [("train", 0), ("t10k", 1)] {
        var images: [UInt8] = [0, 0, 8, 3] + number(count) + number(side) + number(side)
        var labels: [UInt8] = [0, 0, 8, 1] + number(count)
        for i in 0..<count {
            let label = i % 10
            labels.append(UInt8(label))
            for p in 0..<(side * side) {
                images.append(UInt8(truncatingIfNeeded: (p * (label + 1) * 13) % 251 + (i * 7 + p * 3 + salt) % 5))
            }
        }
        _ = try folder.write("data/\(prefix)-images-idx3-ubyte", images)
        _ = try folder.write("data/\(prefix)-labels-idx1-ubyte", labels)
    }
    return folder.file("data")
}

/// Options of a model that trains in milliseconds.
let smallModel = [
    "--image-size", "8", "--patch-size", "2", "--channels", "1", "--embed-dim", "16", "--depth", "1", "--num-heads", "2",
    "--decoder-embed-dim", "16",
    "--decoder-depth", "1", "--decoder-num-heads", "2", "--augment", "none", "--mean", "0.5", "--std", "0.5", "--batch-size", "8",
    "--warmup-epochs", "1"
]

/// A number of what a command printed with `--json`.
func number(_ result: CommandResult, _ key: String) throws -> Double {
    #expect(result.code == 0, "\(result.errors)")
    let object = try #require(JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    return try #require(object[key] as? Double)
}
