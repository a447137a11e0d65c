import Foundation
import Testing
import CurricleVision

/// A log's lines without the times at their ends, which differ from run to run.
private func logWithoutTimes(_ path: String) throws -> [String] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map { line in
        line.range(of: ",\"time_s\"").map { String(line[..<$0.lowerBound]) } ?? String(line)
    }
}

struct PretrainTests {
    private func pretrain(_ data: String, _ run: String, _ more: [String]) -> [String] {
        ["pretrain", "--data", data, "--output", run] + smallModel + more
    }

    /// Power cuts at random moments: a run killed twenty times and resumed each time ends in the bits of one never killed.
    @Test("killed twenty times") func killedTwentyTimes() throws {
        let folder = try Folder()
        let data = try writeDigits(folder, count: 44)
        let options = ["--epochs", "30", "--save-every-steps", "2", "--threads", "2"]
        #expect(try curricle(pretrain(data, folder.file("whole"), options)).code == 0)
        let state = "state-000000180.safetensors"  // 6 steps an epoch
        let expected = try Data(contentsOf: URL(fileURLWithPath: folder.file("whole/\(state)")))

        var random = SystemRandomNumberGenerator()
        var kills = 0
        while kills < 20 {
            let process = try startCurricle(pretrain(data, folder.file("killed"), options + (kills > 0 ? ["--resume"] : [])))
            // Long enough to get somewhere now and then, short enough not to finish at once.
            usleep(UInt32.random(in: 20_000...160_000, using: &random))
            if process.isRunning { kill(process.processIdentifier, SIGKILL) }
            process.waitUntilExit()
            kills += 1
            if kills == 1, !FileManager.default.fileExists(atPath: folder.file("killed/config.json")) { kills = 0 }  // before it had begun
        }
        let last = try curricle(pretrain(data, folder.file("killed"), options + ["--resume", "--threads", "1"]))
        #expect(last.code == 0, "\(last.errors)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file("killed/\(state)"))) == expected)
        let logs = try ["whole", "killed"].map { try logWithoutTimes(folder.file("\($0)/log.jsonl")) }
        #expect(logs[0] == logs[1])
    }

    /// The numbers of a JSON object.
    private func numbers(_ text: String) throws -> [String: Double] {
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        return object.compactMapValues { $0 as? Double }
    }

    @Test("learns and is judged") func learnsAndIsJudged() throws {
        let folder = try Folder()
        let data = try writeDigits(folder, count: 60)
        let trained = try curricle(pretrain(data, folder.file("run"), ["--epochs", "3", "--norm_pix_loss"]))
        #expect(trained.code == 0, "\(trained.errors)")
        for name in ["config.json", "log.jsonl", "model.safetensors", "checkpoint-3.safetensors", "pictures/epoch-0003.png"] {
            #expect(FileManager.default.fileExists(atPath: folder.file("run/\(name)")), "\(name)")
        }
        let weights = folder.file("run/model.safetensors")
        // Ten patterns that differ in every pixel: features of any encoder tell them apart.
        let knn = try curricle("knn", "--weights", weights, "--train", data, "--test", data, "-k", "3", "--json")
        #expect(try numbers(knn.output)["acc1"] == 1 && numbers(knn.output)["acc_nn"] == 1)
        let judged = ["--weights", weights, "--train", data, "--test", data, "--pool", "mean", "--json"]
        for command in [
            ["probe", "--method", "ridge"], ["probe", "--method", "lars", "--probe-batch-size", "20"],
            ["knn", "--protocol", "dino", "-k", "3"],
            ["fewshot", "--ways", "4", "--shots", "2", "--episodes", "20"]
        ] {
            let result = try curricle(command + judged)
            #expect(try numbers(result.output)["acc1"] == 1, "\(command)")
        }
        // The run's own configuration makes the same run again.
        let again = try curricle(["pretrain", "--data", data, "--output", folder.file("again"), "--config", folder.file("run/config.json")])
        #expect(again.code == 0, "\(again.errors)")
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: folder.file("again/model.safetensors")))
                == Data(contentsOf: URL(fileURLWithPath: weights)))
    }

    @Test("interrupted run saves and exits 130") func interruptedRunSavesAndExits130() throws {
        let folder = try Folder()
        let data = try writeDigits(folder, count: 40)
        let process = try startCurricle(pretrain(data, folder.file("run"), ["--epochs", "100000"]))
        waitForWeights(of: folder.file("run"))
        process.interrupt()
        process.waitUntilExit()
        #expect(process.terminationStatus == 130)
        #expect(try curricle(pretrain(data, folder.file("run"), ["--epochs", "100000", "--resume", "--max-steps", "1"])).code == 0)
    }

    @Test("nonfinite loss stops with its numbers") func nonfiniteLossStopsWithItsNumbers() throws {
        let folder = try Folder()
        let data = try writeDigits(folder, count: 40)
        let options = ["--epochs", "5", "--lr", "1e6", "--warmup-epochs", "0"]
        let stopped = try curricle(pretrain(data, folder.file("run"), options))
        #expect(stopped.code == 1)
        #expect(stopped.lastError.contains("not finite") && stopped.lastError.contains("step "))
        let skipped = try curricle(pretrain(data, folder.file("other"), options + ["--on-nonfinite", "skip"]))
        #expect(skipped.code == 0, "\(skipped.errors)")
        #expect(skipped.errors.contains("left out"))
    }

    @Test(
        "bad options exit two with one line",
        arguments: [
            (["--mask-ratio", "0.99"], "mask ratio"), (["--image-size", "9"], "does not divide"), (["--embed-dim", "18"], "divide by 4"),
            (["--num-heads", "3"], "heads"),
            (["--batch-size", "0"], "--batch-size"), (["--epochs", "x"], "--epochs"), (["--masking", "none"], "--masking"),
            (["--no-such-option"], "--no-such-option"),
            (["--batch-size", "64", "--drop-last"], "batch"), (["--init-from", "/nowhere.safetensors"], "/nowhere.safetensors"),
            (["--config", "/nowhere.json"], "/nowhere.json"),
            (["--mean", "0.1,0.2"], "mean"), (["--channels", "3", "--mean", "0.1,0.2"], "mean"),
            (["--background", "mauve"], "--background: 'mauve' is not accepted; give #rrggbb")
        ])
    func badOptionsExitTwoWithOneLine(options: [String], word: String) throws {
        let folder = try Folder()
        let data = try writeDigits(folder, count: 40)
        let result = try curricle(pretrain(data, folder.file("run"), options))
        #expect(result.code == 2)
        #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
        #expect(result.lastError.contains(word), "\(result.lastError)")
    }

    @Test("bad data is named") func badDataIsNamed() throws {
        let folder = try Folder()
        try FileManager.default.createDirectory(atPath: folder.file("empty"), withIntermediateDirectories: true)
        let short = try folder.write("short/train-images-idx3-ubyte", [0, 0, 8, 3, 0, 0, 0, 9, 0, 0, 0, 8, 0, 0, 0, 8, 1, 2, 3])
        let noImage = try folder.write("broken/a.png", Array("not a picture".utf8))
        for (path, name) in [
            (folder.file("empty"), "empty"), ((short as NSString).deletingLastPathComponent, "train-images"), (folder.file("none"), "none"),
            ((noImage as NSString).deletingLastPathComponent, "a.png")
        ] {
            let result = try curricle(pretrain(path, folder.file("run"), ["--epochs", "2"]))
            #expect(result.code == 2)
            #expect(result.lastError.contains(name), "\(result.errors)")
        }
    }

    /// One broken picture among many is named and left out; `--strict` stops at it.
    @Test("a broken image among many") func aBrokenImageAmongMany() throws {
        let folder = try Folder()
        for i in 0..<12 {
            let pixels = (0..<(9 * 8 * 3)).map { UInt8(truncatingIfNeeded: $0 * (i + 3)) }
            _ = try folder.write(
                "photos/\(i % 2 == 0 ? "a" : "b")/\(i).png", encodePNG(PixelImage(width: 9, height: 8, channels: 3, pixels: pixels)))
        }
        _ = try folder.write("photos/a/torn.png", [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13])
        let colour = ["--channels", "3", "--epochs", "2"]
        let result = try curricle(pretrain(folder.file("photos"), folder.file("run"), colour))
        #expect(result.code == 0, "\(result.errors)")
        #expect(result.errors.contains("torn.png"))
        #expect(try String(contentsOfFile: folder.file("run/log.jsonl"), encoding: .utf8).contains("torn.png"))
        let strict = try curricle(pretrain(folder.file("photos"), folder.file("strict"), colour + ["--strict"]))
        #expect(strict.code == 2 && strict.lastError.contains("torn.png"), "\(strict.errors)")
    }

    /// How files are decoded decides the bits: it is recorded where it is not the default, and taken up again.
    @Test("decoding is recorded") func decodingIsRecorded() throws {
        let folder = try Folder(),
            fixtures =
                URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/VisionTests/Fixtures/"
        let translucent = try Data(contentsOf: URL(fileURLWithPath: fixtures + "lossless-alpha.webp"))
        for i in 0..<8 { _ = try folder.write("photos/\(i).webp", Array(translucent)) }
        let options = ["--channels", "3", "--epochs", "2"], decoding = ["--background", "#336699", "--apply-orientation", "--fast-decode"]
        for (run, more) in [("plain", []), ("laid", decoding)] {
            #expect(try curricle(pretrain(folder.file("photos"), folder.file(run), options + more)).code == 0)
        }
        let configurations = try ["plain", "laid"].map { try String(contentsOfFile: folder.file("\($0)/config.json"), encoding: .utf8) }
        for entry in ["\"background\": \"#336699\"", "\"apply-orientation\": true", "\"fast-decode\": true"] {
            #expect(configurations[1].contains(entry) && !configurations[0].contains(entry), "\(configurations)")
        }
        let weights = try ["plain", "laid"].map { try Data(contentsOf: URL(fileURLWithPath: folder.file("\($0)/model.safetensors"))) }
        #expect(weights[0] != weights[1])
        let again = try curricle([
            "pretrain", "--data", folder.file("photos"), "--output", folder.file("again"), "--config", folder.file("laid/config.json")
        ])
        #expect(again.code == 0, "\(again.errors)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file("again/model.safetensors"))) == weights[1])
        let resumed = try curricle(pretrain(folder.file("photos"), folder.file("laid"), options + ["--resume", "--background", "white"]))
        #expect(resumed.code == 2 && resumed.lastError.contains("background"), "\(resumed.errors)")
    }

    @Test("a run is not overwritten") func aRunIsNotOverwritten() throws {
        let folder = try Folder()
        let data = try writeDigits(folder, count: 20)
        #expect(try curricle(pretrain(data, folder.file("run"), ["--epochs", "2"])).code == 0)
        let second = try curricle(pretrain(data, folder.file("run"), ["--epochs", "2"]))
        #expect(second.code == 2 && second.lastError.contains("--resume"))
        let other = try curricle(pretrain(data, folder.file("run"), ["--epochs", "3", "--resume"]))
        #expect(other.code == 2 && other.lastError.contains("epochs"), "\(other.errors)")
    }

    /// A file size limit stands for a full disk: the system refuses to write more.
    @Test("a full disk leaves nothing half written") func aFullDiskLeavesNothingHalfWritten() throws {
        let folder = try Folder()
        let data = try writeDigits(folder, count: 20)
        let command = ([curricleExecutable().path] + pretrain(data, folder.file("run"), ["--epochs", "2"])).map { "'\($0)'" }.joined(
            separator: " ")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "ulimit -f 64; exec \(command)"]
        let errors = Pipe()
        process.standardError = errors
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 2)
        #expect(text.contains("state-"), "\(text)")
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.file("run")).filter {
            $0.contains("state") || $0.contains("tmp")
        }
        #expect(left.isEmpty, "\(left)")
    }

    @Test("help shows every option and an example") func helpShowsEveryOptionAndAnExample() throws {
        let help = try curricle("pretrain", "--help")
        #expect(help.code == 0)
        for word in ["--blr", "--mask-ratio", "--norm-pix-loss", "--accum-iter", "--resume", "--init-from", "curricle pretrain --data"] {
            #expect(help.output.contains(word))
        }
        #expect(try curricle("--help").output.contains("verify"))
        #expect(try curricle("pretrian").code == 2)
    }
}

struct VerifyCommandTests {
    @Test("passes on a trace and fails on another file") func passesOnATraceAndFailsOnAnotherFile() throws {
        let result = try curricle("verify", fixture("micro.safetensors"), "--threads", "1")
        #expect(result.code == 0, "\(result.output)\(result.errors)")
        #expect(result.output.contains("final parameters"))
        #expect(try curricle("verify", fixture("mnist5k/README.md")).code == 2)
        #expect(try curricle("verify", fixture("micro.safetensors"), "--isa", "sparc").lastError.contains("sparc"))
        #expect(try curricle("verify", fixture("micro.safetensors"), environment: ["CURRICLE_ISA": "baseline"]).output.contains("baseline"))
    }

    @Test("photographs are compared") func photographsAreCompared() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/Fixtures/"
        let result = try curricle("verify", folder + "photograph.safetensors", "--image", folder + "photograph.jpg")
        #expect(result.code == 0 && result.output.contains("100 % of bytes equal"), "\(result.output)\(result.errors)")
        let missing = try curricle("verify", folder + "photograph.safetensors")
        #expect(missing.code == 2 && missing.lastError.contains("--image PHOTO"))
    }
}
