import Foundation
import Testing

/// What shells, disks and batch systems do to a command.
@Suite("Files, streams and signals of commands") struct FilesAndSignalsTests {
    private func pretrain(_ data: String, _ run: String, _ more: [String]) -> [String] { ["pretrain", "--data", data, "--output", run] + smallModel + more }

    /// A command line for a shell, `curricle` standing for the built one.
    private func shell(_ line: String) throws -> CommandResult {
        let process = Process(), output = Pipe(), errors = Pipe()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "curricle() { '\(curricleExecutable().path)' \"$@\"; }; " + line]
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let errorText = errors.fileHandleForReading.readDataToEndOfFile(), text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return CommandResult(code: process.terminationStatus, output: String(decoding: text, as: UTF8.self), errors: String(decoding: errorText, as: UTF8.self))
    }

    @Test("standard output that is full or closed loses a result: exit 2 and one line; a reader that goes ends it quietly")
    func lostOutput() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 20)
        for (end, reason) in [("> /dev/full", "No space left on device"), (">&-", "Bad file descriptor")] {
            for command in ["stats '\(data)'", "help --markdown", "--version", "stats --help", "--help"] {
                let result = try shell("curricle \(command) \(end)")
                #expect(result.code == 2, "\(command) \(end)")
                #expect(result.errors == "curricle: cannot write standard output: \(reason)\n", "\(command) \(end)")
            }
        }
        let left = try shell("{ curricle help --markdown; echo $? >&2; } | true")
        #expect(left.code == 0 && left.errors == "0\n")
    }

    @Test("a closed standard error takes no file's number: what is written is what it is without that")
    func closedErrors() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 30)
        #expect(try curricle(pretrain(data, folder.file("run"), ["--epochs", "2"])).code == 0)
        for (name, end) in [("open", ""), ("closed", "2>&-"), ("all", "<&- 2>&-")] {
            #expect(try shell("curricle extract --weights '\(folder.file("run/model.safetensors"))' --data '\(data)' -o '\(folder.file(name)).npy' --threads 3 \(end)").code == 0)
        }
        let arrays = try ["open", "closed", "all"].map { try Data(contentsOf: URL(fileURLWithPath: folder.file("\($0).npy"))) }
        #expect(arrays[0] == arrays[1] && arrays[0] == arrays[2])
        let words = pretrain(data, folder.file("silent"), ["--epochs", "2", "--save-every-steps", "1"]).map { "'\($0)'" }.joined(separator: " ")
        #expect(try shell("curricle \(words) 2>&-").code == 0)
        let weights = try ["run", "silent"].map { try Data(contentsOf: URL(fileURLWithPath: folder.file("\($0)/model.safetensors"))) }
        #expect(weights[0] == weights[1])
    }

    @Test("outputs go through links and into devices and pipes; an empty name is refused")
    func outputs() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 20)
        #expect(try curricle(pretrain(data, folder.file("run"), ["--epochs", "1"])).code == 0)
        func export(_ output: String) throws -> CommandResult {
            try curricle("export", "--weights", folder.file("run/model.safetensors"), "--layout", "timm", "-o", output)
        }
        #expect(symlink("target", folder.file("link")) == 0 && symlink("/dev/null", folder.file("null")) == 0)
        #expect(try export(folder.file("plain")).code == 0)
        #expect(try export(folder.file("null")).code == 0)
        var status = stat()
        #expect(stat(folder.file("null"), &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
        let piped = try shell("mkfifo '\(folder.file("pipe"))'; cat '\(folder.file("pipe"))' > '\(folder.file("read"))' & curricle export --weights '\(folder.file("run/model.safetensors"))' --layout timm -o '\(folder.file("pipe"))'; code=$?; wait; exit $code")
        #expect(piped.code == 0, "\(piped.errors)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file("read"))) == Data(contentsOf: URL(fileURLWithPath: folder.file("plain"))))
        #expect(try export(folder.file("link")).code == 0)
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file("target"))) == Data(contentsOf: URL(fileURLWithPath: folder.file("plain"))))
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.file("link")) == "target")
        let empty = try export("")
        #expect(empty.code == 2 && empty.lastError.contains("--output: '' is not accepted; give a path"), "\(empty.errors)")
    }

    @Test("SIGHUP and SIGUSR1 save the state as SIGTERM does", arguments: [SIGHUP, SIGUSR1, SIGTERM])
    func signals(number: Int32) throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 40)
        let process = try startCurricle(pretrain(data, folder.file("run"), ["--epochs", "100000"]))
        for _ in 0..<500 where !FileManager.default.fileExists(atPath: folder.file("run/model.safetensors")) { usleep(20_000) }
        kill(process.processIdentifier, number)
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 130)
        #expect(try curricle(pretrain(data, folder.file("run"), ["--epochs", "100000", "--resume", "--max-steps", "1"])).code == 0)
    }

    @Test("a signal that is ignored from outside stays so, as under nohup")
    func ignored() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 40)
        let words = pretrain(data, folder.file("run"), ["--epochs", "100000"]).map { "'\($0)'" }.joined(separator: " ")
        let result = try shell("""
            trap '' HUP
            '\(curricleExecutable().path)' \(words) 2>/dev/null & run=$!
            while [ ! -e '\(folder.file("run/model.safetensors"))' ]; do sleep 0.05; done
            kill -HUP $run; sleep 0.3; kill -0 $run && echo alive
            kill -TERM $run; wait $run; echo $?
            """)
        #expect(result.output.hasPrefix("alive\n") && result.output.hasSuffix("130\n"), "\(result.output)\(result.errors)")
    }

    @Test("of two that begin or go on in one folder at once, one does and the other says so")
    func twoAtOnce() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 40), run = folder.file("run")
        let first = try startCurricle(pretrain(data, run, ["--epochs", "100000"]))
        for _ in 0..<500 where !FileManager.default.fileExists(atPath: "\(run)/model.safetensors") { usleep(20_000) }
        let second = try curricle(pretrain(data, run, ["--epochs", "100000", "--resume"]))
        #expect(second.code == 2 && second.lastError.contains("another process is training in it"), "\(second.errors)")
        kill(first.processIdentifier, SIGKILL)
        first.waitUntilExit()
        #expect(try curricle(pretrain(data, run, ["--epochs", "100000", "--resume", "--max-steps", "1"])).code == 0) // death frees it
    }

    @Test("fine-tuning that ended before its first step goes on, with the options that its run recorded")
    func finetuneResumes() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 40)
        #expect(try curricle(pretrain(data, folder.file("run"), ["--epochs", "2", "--max-steps", "1"])).code == 0)
        let base = ["finetune", "--weights", folder.file("run/model.safetensors"), "--train", data, "--test", data + "/t10k-images-idx3-ubyte"]
        let options = ["--epochs", "3", "--batch-size", "10", "--drop-path", "0.2", "--mixup", "0", "--augment", "none", "--layer-decay", "0.9"]
        #expect(try curricle(base + options + ["--output", folder.file("whole")]).code == 0)
        #expect(try curricle(base + options + ["--output", folder.file("cut"), "--max-steps", "0"]).code == 0)
        let resumed = try curricle(base + ["--output", folder.file("cut"), "--resume"])
        #expect(resumed.code == 0, "\(resumed.errors)")
        let weights = try ["whole", "cut"].map { try Data(contentsOf: URL(fileURLWithPath: folder.file("\($0)/model.safetensors"))) }
        #expect(weights[0] == weights[1])
    }

    @Test("weights that were damaged after they were written are refused by every reader")
    func damagedWeights() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 20), weights = folder.file("run/model.safetensors")
        #expect(try curricle(pretrain(data, folder.file("run"), ["--epochs", "2", "--max-steps", "1"])).code == 0)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: weights))
        bytes[bytes.count - 9] ^= 1
        try bytes.write(to: URL(fileURLWithPath: weights))
        for command in [["compile", "-o", folder.file("c")], ["export", "--layout", "timm", "-o", folder.file("e")], ["extract", "--data", data, "-o", folder.file("f.npy")]] {
            let result = try curricle(command + ["--weights", weights])
            #expect(result.code == 2 && result.lastError.contains("checksum"), "\(result.errors)")
        }
    }

    @Test("the version is told, and stands in weights and logs")
    func version() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 20), told = try curricle("--version")
        #expect(told.code == 0 && told.output == "curricle 1.0\n")
        #expect(try curricle(pretrain(data, folder.file("run"), ["--epochs", "1"])).code == 0)
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file("run/model.safetensors"))).range(of: Data("\"curricle.version\":\"1.0\"".utf8)) != nil)
        #expect(try String(contentsOfFile: folder.file("run/log.jsonl"), encoding: .utf8).contains("\"version\":\"1.0\""))
    }

    @Test("a number of threads above the processors is kept, with a word that names them")
    func manyThreads() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 20)
        let threads = ProcessInfo.processInfo.processorCount + 1
        let result = try curricle(pretrain(data, folder.file("run"), ["--epochs", "1", "--threads", "\(threads)"]))
        #expect(result.code == 0 && result.errors.contains("\(threads) threads on ") && result.errors.contains("on \(threads) threads"), "\(result.errors)")
    }
}
