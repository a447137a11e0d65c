import CurricleDatasets
import Foundation
import CurricleSettings
import CurricleStorage
import CurricleTerminal
import CurricleTrainer
import CurricleVision
import CurricleWeights

// Runs libFuzzer on the parser that FUZZ_PARSER names. Built and run by tools/fuzz.sh. Readers take files, so an input is written
// to a file in memory first.

@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

private let chosen = ProcessInfo.processInfo.environment["FUZZ_PARSER"] ?? ""
private let folder = "/dev/shm/curricle-fuzz-\(getpid())"

/// Every parser of ours that reads what others wrote. Errors are what they are for; anything else ends the process.
nonisolated(unsafe) private let parsers: [String: (UnsafeBufferPointer<UInt8>) -> Void] = [
    "idx": { readDataset(at: file("train-images-idx3-ubyte", $0)) },
    "cifar": { readDataset(at: file("data_batch_1.bin", $0)) },
    "stl": { readDataset(at: file("unlabeled_X.bin", $0)) },
    "tar": { readDataset(at: file("shard.tar", $0)) },
    "npy": { readDataset(at: file("images.npy", $0)) },
    "list": { readDataset(at: file("images.txt", $0)) },
    "csv": { readDataset(at: file("images.csv", $0)) },
    "pth": { input in
        guard let checkpoint = try? Checkpoint(path: file("x.pth", input)) else { return }
        _ = try? WeightsDescription(checkpoint, heads: nil, imageHeight: nil, imageWidth: nil)
    },
    "safetensors": { input in
        guard let file = try? TensorFile(path: file("x.safetensors", input), verifyChecksum: true) else { return }
        for name in file.tensors.keys { _ = try? file.floats(name) }
    },
    "config": { input in
        let command = Command(
            name: "fuzz", summary: "",
            options: [
                .value("batch-size", "N", .whole(1...100), ""), .flag("strict", ""),
                .value("mean", "M", .numbers(-1...1, counts: 1...3), "")
            ], example: "")
        guard var arguments = try? Arguments([], for: command), (try? arguments.merge(configurationAt: file("config.json", input))) != nil
        else { return }
        _ = try? arguments.intIfGiven("batch-size")
        _ = try? arguments.flag("strict")
        _ = try? arguments.doublesIfGiven("mean")
    },
    "state": { input in
        _ = file("state-000000001.safetensors", input)
        _ = try? RunFiles(folder: folder).recordedChoice
    },
    "log": { input in
        let path = file("log.jsonl", input)
        try? StepLog.truncate(path: path, toStep: 3)
    },
    "image": { _ = try? decodeImage(bytes: Array($0), name: "input") }
]

/// The input as a file; its folder is made once.
private func file(_ name: String, _ input: UnsafeBufferPointer<UInt8>) -> String {
    _ = madeFolder
    let path = "\(folder)/\(name)"
    let handle = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    defer { close(handle) }
    _ = input.baseAddress.map { write(handle, $0, input.count) }
    return path
}
private let madeFolder: Bool = mkdir(folder, 0o700) == 0

private func readDataset(at path: String) {
    guard let source = try? openDataset(at: path, role: .train) else { return }
    for index in 0..<min(source.count, 4) {
        _ = try? source.image(at: index)
        _ = source.label(at: index)
        _ = source.name(at: index)
    }
}

guard parsers[chosen] != nil else {
    FileHandle.standardError.write(Data("fuzz: FUZZ_PARSER must be one of \(parsers.keys.sorted().joined(separator: ", "))\n".utf8))
    exit(2)
}
var count = CommandLine.argc, arguments = CommandLine.unsafeArgv
exit(
    runFuzzer(&count, &arguments) { start, count in
        parsers[chosen]?(UnsafeBufferPointer(start: start, count: count))
        return 0
    })
