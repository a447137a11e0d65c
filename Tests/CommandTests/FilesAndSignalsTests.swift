import Foundation
import Testing
import CurricleVision

/// What shells, disks and batch systems do to a command.
@Suite("Files, streams and signals of commands") struct FilesAndSignalsTests {
    private func pretrain(_ data: String, _ run: String, _ more: [String]) -> [String] {
        ["pretrain", "--data", data, "--output", run] + smallModel + more
    }

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
        return CommandResult(
            code: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
            errors: String(decoding: errorText, as: UTF8.self))
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
            #expect(
                try shell(
                    "curricle extract --weights '\(folder.file("run/model.safetensors"))' --data '\(data)' -o "
                        + "'\(folder.file(name)).npy' --threads 3 \(end)"
                ).code == 0)
        }
        let arrays = try ["open", "closed", "all"].map { try Data(contentsOf: URL(fileURLWithPath: folder.file("\($0).npy"))) }
        #expect(arrays[0] == arrays[1] && arrays[0] == arrays[2])
        let words = pretrain(data, folder.file("silent"), ["--epochs", "2", "--save-every-steps", "1"]).map { "'\($0)'" }.joined(
            separator: " ")
        #expect(try shell("curricle \(words) 2>&-").code == 0)
        let weights = try ["run", "silent"].map { try Data(contentsOf: URL(fileURLWithPath: folder.file("\($0)/model.safetensors"))) }
        #expect(weights[0] == weights[1])
    }

    @Test("outputs go through links and into devices and pipes; an empty name is refused")
    func outputs() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 20)
        #expect(try curricle(pretrain(data, folder.file("run"), ["--epochs", "2"])).code == 0)
        func export(_ output: String) throws -> CommandResult {
            try curricle("export", "--weights", folder.file("run/model.safetensors"), "--layout", "timm", "-o", output)
        }
        #expect(symlink("target", folder.file("link")) == 0 && symlink("/dev/null", folder.file("null")) == 0)
        #expect(try export(folder.file("plain")).code == 0)
        #expect(try export(folder.file("null")).code == 0)
        var status = stat()
        #expect(stat(folder.file("null"), &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
        let piped = try shell(
            "mkfifo '\(folder.file("pipe"))'; cat '\(folder.file("pipe"))' > '\(folder.file("read"))' & curricle export --weights "
                + "'\(folder.file("run/model.safetensors"))' --layout timm -o '\(folder.file("pipe"))'; code=$?; wait; exit $code"
        )
        #expect(piped.code == 0, "\(piped.errors)")
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: folder.file("read"))) == Data(contentsOf: URL(fileURLWithPath: folder.file("plain"))))
        #expect(try export(folder.file("link")).code == 0)
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: folder.file("target")))
                == Data(contentsOf: URL(fileURLWithPath: folder.file("plain"))))
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.file("link")) == "target")
        let empty = try export("")
        #expect(empty.code == 2 && empty.lastError.contains("-o: '' is not accepted; give a path"), "\(empty.errors)")
    }

    @Test("nothing is written over what is read, or among the pictures that are read")
    func outputsApart() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 20), run = folder.file("run"), weights = "\(run)/model.safetensors"
        #expect(try curricle(pretrain(data, run, ["--epochs", "2"])).code == 0)
        let before = try Data(contentsOf: URL(fileURLWithPath: weights))
        #expect(symlink(weights, folder.file("link")) == 0)
        _ = try folder.write("pictures/a.png", [UInt8](Data(contentsOf: URL(fileURLWithPath: fixture("checkpoints/square/waves.png")))))
        for (words, expected) in [
            (["extract", "--weights", weights, "--data", data, "-o", weights], "is what --weights reads"),
            (["extract", "--weights", folder.file("link"), "--data", data, "-o", weights], "is what --weights reads"),
            (["import", weights, "-o", weights], "reads: choose another name"),
            (["export", "--weights", run, "--layout", "hf", "-o", run], "holds the run or the weights that are exported"),
            (["export", "--weights", weights, "--layout", "hf", "-o", weights], "is what --weights reads"),
            (
                ["attend", "--weights", weights, "--data", folder.file("pictures"), "-o", folder.file("pictures/att.png")],
                "would be one of the images of --data"
            )
        ] {
            let result = try curricle(words)
            #expect(result.code == 2 && result.lastError.contains(expected), "\(words): \(result.errors)")
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: weights)) == before)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("pictures")) == ["a.png"])
        let nameless = try curricle("inspect", "")
        #expect(nameless.code == 2 && nameless.lastError.contains("'' is not accepted"), "\(nameless.errors)")
    }

    @Test("a program can be written into a device or a pipe")
    func programIntoPipe() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 20)
        #expect(try curricle(pretrain(data, folder.file("run"), ["--epochs", "2"])).code == 0)
        let compile = ["compile", "--weights", folder.file("run"), "-o"]
        #expect(try curricle(compile + ["/dev/null"]).code == 0 && curricle(compile + [folder.file("plain")]).code == 0)
        let words = compile.map { "'\($0)'" }.joined(separator: " "), pipe = "'\(folder.file("pipe"))'"
        let piped = try shell(
            "mkfifo \(pipe); cat \(pipe) > '\(folder.file("read"))' & '\(curricleExecutable().path)' \(words) \(pipe); code=$?; wait; exit $code"
        )
        #expect(piped.code == 0, "\(piped.errors)")
        #expect(FileManager.default.contentsEqual(atPath: folder.file("read"), andPath: folder.file("plain")))
    }

    @Test("a run goes on from the images that it began with, by number and by name")
    func otherPictures() throws {
        let folder = try Folder()
        let picture = [UInt8](try Data(contentsOf: URL(fileURLWithPath: fixture("checkpoints/square/waves.png"))))
        for index in 0..<16 { _ = try folder.write("data/\(index).png", picture) }
        let channels = smallModel.map { $0 == "0.5" ? "0.5,0.5,0.5" : $0 }
        let words =
            ["pretrain", "--data", folder.file("data"), "--output", folder.file("run")] + channels + ["--channels", "3", "--epochs", "9"]
        #expect(try curricle(words + ["--max-steps", "3"]).code == 0)
        #expect(try curricle(words + ["--resume", "--max-steps", "4"]).code == 0)
        try FileManager.default.moveItem(atPath: folder.file("data/3.png"), toPath: folder.file("data/other.png"))
        let renamed = try curricle(words + ["--resume"])
        #expect(renamed.code == 2 && renamed.lastError.contains("images of other names"), "\(renamed.errors)")
        try FileManager.default.moveItem(atPath: folder.file("data/other.png"), toPath: folder.file("data/3.png"))
        #expect(try curricle(words + ["--resume", "--max-steps", "5"]).code == 0)
    }

    @Test("a strict run stops at a broken image among those that it only looks at, too")
    func strictlyHeld() throws {
        let folder = try Folder()
        let picture = [UInt8](try Data(contentsOf: URL(fileURLWithPath: fixture("checkpoints/square/waves.png"))))
        for index in 0..<16 { _ = try folder.write("data/train/\(index).png", picture) }
        for index in 0..<4 { _ = try folder.write("data/test/\(index).png", index == 2 ? [1, 2, 3] : picture) }
        let channels = smallModel.map { $0 == "0.5" ? "0.5,0.5,0.5" : $0 }
        func run(_ name: String, _ more: String...) throws -> CommandResult {
            try curricle(
                ["pretrain", "--data", folder.file("data"), "--output", folder.file(name)] + channels
                    + ["--channels", "3", "--epochs", "2", "--max-steps", "2"] + more)
        }
        let strict = try run("strict", "--strict"), lenient = try run("lenient")
        #expect(strict.code == 2 && strict.lastError.contains("test/2.png"), "\(strict.errors)")
        #expect(lenient.code == 0 && lenient.errors.contains("test/2.png"), "\(lenient.errors)")
    }

    @Test("a run in the folder of its own data leaves its pictures out")
    func runAmongItsData() throws {
        let folder = try Folder()
        let picture = [UInt8](try Data(contentsOf: URL(fileURLWithPath: fixture("checkpoints/square/waves.png"))))
        for index in 0..<16 { _ = try folder.write("data/\(index % 2)/\(index).png", picture) }
        let channels = smallModel.map { $0 == "0.5" ? "0.5,0.5,0.5" : $0 }, data = folder.file("data")
        let words = ["pretrain", "--data", data, "--output", data] + channels + ["--channels", "3", "--epochs", "4"]
        #expect(try curricle(words + ["--max-steps", "2"]).code == 0)
        #expect(FileManager.default.fileExists(atPath: "\(data)/pictures"))
        let resumed = try curricle(words + ["--resume"])
        #expect(resumed.code == 0 && resumed.errors.contains("runs and features, no pictures, left out"), "\(resumed.errors)")
    }

    @Test(
        "what a batch system or a terminal sends saves the state as SIGTERM does", arguments: [SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGTERM])
    func signals(number: Int32) throws {
        signal(number, SIG_DFL)  // whoever runs the tests may ignore it, and what is started inherits that
        let folder = try Folder(), data = try writeDigits(folder, count: 40)
        let process = try startCurricle(pretrain(data, folder.file("run"), ["--epochs", "100000"]))
        waitForWeights(of: folder.file("run"))
        kill(process.processIdentifier, number)
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 130)
        #expect(try curricle(pretrain(data, folder.file("run"), ["--epochs", "100000", "--resume", "--max-steps", "1"])).code == 0)
    }

    @Test("a signal that is ignored from outside stays so, as under nohup")
    func ignored() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 40)
        let words = pretrain(data, folder.file("run"), ["--epochs", "100000"]).map { "'\($0)'" }.joined(separator: " ")
        let result = try shell(
            """
            trap '' HUP
            '\(curricleExecutable().path)' \(words) 2>/dev/null & run=$!
            for i in $(seq 400); do [ -e '\(folder.file("run/model.safetensors"))' ] && break; sleep 0.05; done
            kill -HUP $run; sleep 0.3; kill -0 $run && echo alive
            kill -TERM $run; wait $run; echo $?
            """)
        #expect(result.output.hasPrefix("alive\n") && result.output.hasSuffix("130\n"), "\(result.output)\(result.errors)")
    }

    @Test("of two that begin or go on in one folder at once, one does and the other says so")
    func twoAtOnce() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 40), run = folder.file("run")
        let first = try startCurricle(pretrain(data, run, ["--epochs", "100000"]))
        waitForWeights(of: run)
        let second = try curricle(pretrain(data, run, ["--epochs", "100000", "--resume"]))
        #expect(second.code == 2 && second.lastError.contains("another process is training in it"), "\(second.errors)")
        kill(first.processIdentifier, SIGKILL)
        first.waitUntilExit()
        #expect(try curricle(pretrain(data, run, ["--epochs", "100000", "--resume", "--max-steps", "1"])).code == 0)  // death frees it
    }

    @Test("fine-tuning that ended before its first step goes on, with the options that its run recorded")
    func finetuneResumes() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 40)
        #expect(try curricle(pretrain(data, folder.file("run"), ["--epochs", "2", "--max-steps", "1"])).code == 0)
        let base = [
            "finetune", "--weights", folder.file("run/model.safetensors"), "--train", data, "--test", data + "/t10k-images-idx3-ubyte"
        ]
        let options = [
            "--epochs", "3", "--batch-size", "10", "--drop-path", "0.2", "--mixup", "0", "--augment", "none", "--layer-decay", "0.9"
        ]
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
        for command in [
            ["compile", "-o", folder.file("c")], ["export", "--layout", "timm", "-o", folder.file("e")],
            ["extract", "--data", data, "-o", folder.file("f.npy")]
        ] {
            let result = try curricle(command + ["--weights", weights])
            #expect(result.code == 2 && result.lastError.contains("checksum"), "\(result.errors)")
        }
    }

    @Test("the version is told, and stands in weights and logs")
    func version() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 20), told = try curricle("--version")
        #expect(told.code == 0 && told.output == "curricle 1.1\n")
        #expect(try curricle(pretrain(data, folder.file("run"), ["--epochs", "2"])).code == 0)
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: folder.file("run/model.safetensors"))).range(
                of: Data("\"curricle.version\":\"1.1\"".utf8)) != nil)
        #expect(try String(contentsOfFile: folder.file("run/log.jsonl"), encoding: .utf8).contains("\"version\":\"1.1\""))
    }

    @Test("a number of threads above the processors is kept, with a word that names them")
    func manyThreads() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 20)
        let threads = ProcessInfo.processInfo.processorCount + 1
        let result = try curricle(pretrain(data, folder.file("run"), ["--epochs", "2", "--threads", "\(threads)"]))
        #expect(
            result.code == 0 && result.errors.contains("\(threads) threads on ") && result.errors.contains("on \(threads) threads"),
            "\(result.errors)")
    }

    /// Twelve pictures in two class folders.
    private func photos(_ folder: Folder) throws -> String {
        for i in 0..<12 {
            let pixels = (0..<(8 * 8 * 3)).map { UInt8(truncatingIfNeeded: $0 * (i + 3)) }
            _ = try folder.write(
                "photos/\(i % 2 == 0 ? "a" : "b")/\(i).png", encodePNG(PixelImage(width: 8, height: 8, channels: 3, pixels: pixels)))
        }
        return folder.file("photos")
    }

    @Test("what this program wrote into its data is no data, and is named once")
    func ownFilesInData() throws {
        let folder = try Folder(), data = try photos(folder), run = data + "/run", colour = ["--channels", "3", "--epochs", "2"]
        #expect(try curricle(pretrain(data, run, colour + ["--max-steps", "1"])).code == 0)
        #expect(FileManager.default.fileExists(atPath: run + "/config.json"))
        let resumed = try curricle(pretrain(data, run, colour + ["--resume"]))
        #expect(
            resumed.code == 0 && resumed.errors.contains("12 images")
                && resumed.errors.contains("run/: runs and features, no pictures, left out"), "\(resumed.errors)")
        let extract = ["extract", "--weights", run + "/model.safetensors", "--data", data, "-o", data + "/features.npy", "--json"]
        for _ in 0..<2 {
            let result = try curricle(extract)
            #expect(result.code == 0 && result.output.contains("\"images\":12"), "\(result.errors)")
        }
    }

    @Test("several --data are one dataset, in their order")
    func severalData() throws {
        let folder = try Folder(), data = try photos(folder)
        let result = try curricle(
            "plan", "--data", data + "/a", "--data", data + "/b", "--skip-timing", "--image-size", "8", "--patch-size", "2", "--embed-dim",
            "16", "--depth", "1", "--num-heads", "2", "--decoder-embed-dim", "16", "--decoder-depth", "1", "--decoder-num-heads", "2")
        #expect(result.code == 0 && result.output.contains("batch 8, f32:"), "\(result.output)\(result.errors)")  // 12 images
    }

    @Test("extract names all broken files in one line, or leaves them out and says whose rows there are")
    func brokenFiles() throws {
        let folder = try Folder(), data = try photos(folder)
        #expect(try curricle(pretrain(data, folder.file("run"), ["--channels", "3", "--epochs", "2"])).code == 0)
        for name in ["a/torn.png", "b/empty.jpg"] {
            _ = try folder.write(
                "photos/" + name, name == "b/empty.jpg" ? [] : [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13])
        }
        let extract = ["extract", "--weights", folder.file("run/model.safetensors"), "--data", data]
        let refused = try curricle(extract + ["-o", folder.file("f.npy")])
        #expect(
            refused.code == 2 && refused.lastError.contains("torn.png") && refused.lastError.contains("empty.jpg")
                && refused.lastError.contains("--skip-broken"), "\(refused.errors)")
        #expect(try curricle(extract + ["-o", folder.file("f.npy"), "--skip-broken"]).code == 0)
        let names = try String(contentsOfFile: folder.file("f.npy.names"), encoding: .utf8).split(separator: "\n")
        #expect(
            names.count == 12 && names.first?.hasSuffix("a/0.png") == true
                && !names.contains { $0.contains("torn") || $0.contains("empty") })
        let array = try Data(contentsOf: URL(fileURLWithPath: folder.file("f.npy")))
        #expect(array.count == 128 + 12 * 16 * 4)
        // The table alone has the array's numbers.
        #expect(try curricle(extract + ["-o", folder.file("f.csv"), "--skip-broken"]).code == 0)
        let lines = try String(contentsOfFile: folder.file("f.csv"), encoding: .utf8).split(separator: "\n")
        let first = (0..<16).map { i in
            array.subdata(in: (128 + 4 * i)..<(132 + 4 * i)).withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
        }
        #expect(lines.count == 13 && lines[1].split(separator: ",").dropFirst().map { Float($0)?.bitPattern } == first.map { Optional($0) })
        #expect(!FileManager.default.fileExists(atPath: folder.file("f.csv.names")))
    }
}
