import Foundation
import Testing

private let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

/// A program of this machine: its path, or nil where it is not installed.
private func installed(_ name: String) -> String? {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" }.first(
        where: FileManager.default.isExecutableFile)
}

@Suite("Help, man pages and completions") struct HelpTests {
    private func commands() throws -> [String] {
        let lines = try curricle("help").output.components(separatedBy: "Commands:\n")[1].components(separatedBy: "\n\n")[0]
        return lines.split(separator: "\n").filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }.map {
            String($0.split(separator: " ")[0])
        }
    }

    @Test("docs/OPTIONS.md is what `curricle help --markdown` prints: write it anew where this fails")
    func tables() throws {
        let printed = try curricle("help", "--markdown")
        #expect(printed.code == 0)
        #expect(try String(contentsOf: repository.appendingPathComponent("docs/OPTIONS.md"), encoding: .utf8) == printed.output)
    }

    @Test("every command's help has an example and fits 80 columns")
    func everyCommand() throws {
        let names = try commands()
        #expect(names.count == 23 && names.contains("pretrain") && names.contains("help"))
        for name in names {
            let help = try curricle(name, "--help")
            #expect(help.code == 0 && help.output.contains("\nExample:\n  curricle \(name)"), "\(name)")
            let text = help.output.components(separatedBy: "\nExample:")[0]
            for line in text.split(separator: "\n").dropFirst() { #expect(line.count <= 80, "\(name): \(line)") }
            #expect(try curricle("help", name).output == help.output)
        }
        #expect(try curricle("help", "pretrian").lastError.contains("did you mean pretrain?"))
    }

    @Test("every setting that an error may name is an option of some command")
    func namedSettings() throws {
        let tables = try curricle("help", "--markdown").output
        let source = try String(contentsOf: repository.appendingPathComponent("Sources/Settings/SettingNames.swift"), encoding: .utf8)
        let names = source.matches(of: /: SettingName = "([a-z-]+)"/).map(\.1)
        #expect(names.count > 20 && Set(names).count == names.count)
        for name in names { #expect(tables.contains("--\(name) ") || tables.contains("--\(name)`"), "\(name)") }
    }

    @Test(
        "man renders every page without a warning",
        .enabled(if: installed("man") != nil && installed("groff") != nil, "man or groff is not installed"))
    func manPages() throws {
        let folder = try Folder()
        for name in try [nil] + commands() {
            let page = try curricle(["help", "--man"] + (name.map { [$0] } ?? []))
            #expect(page.code == 0)
            let path = try folder.write("\(name ?? "curricle").1", Array(page.output.utf8))
            let process = Process(), errors = Pipe()
            process.executableURL = URL(fileURLWithPath: try #require(installed("man")))
            process.arguments = ["--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path]
            process.standardOutput = FileHandle.nullDevice
            process.standardError = errors
            try process.run()
            let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            #expect(process.terminationStatus == 0 && text.isEmpty, "\(name ?? ""): \(text)")
        }
    }

    @Test("bash, zsh and fish take the completions", arguments: ["bash", "zsh", "fish"].filter { installed($0) != nil })
    func completions(shell: String) throws {
        let folder = try Folder(), printed = try curricle("help", "--completions", shell)
        #expect(printed.code == 0)
        let process = Process(), errors = Pipe()
        process.executableURL = URL(fileURLWithPath: try #require(installed(shell)))
        process.arguments = ["-n", try folder.write("completions", Array(printed.output.utf8))]
        process.standardError = errors
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0 && text.isEmpty, "\(text)")
        for word in ["mask-ratio", "learned random", "tiny-p16", "bench"] { #expect(printed.output.contains(word), "\(word)") }
    }

    @Test("what is below the command line names settings, and a user reads options")
    func errorsNameOptions() throws {
        let folder = try Folder(), data = try writeDigits(folder, count: 20)
        let pretrain = ["pretrain", "--data", data, "--output", folder.file("run")] + smallModel
        #expect(
            try curricle(pretrain + ["--batch-size", "64", "--drop-last"]).lastError.contains("lower --batch-size or leave out --drop-last")
        )
        #expect(try curricle(pretrain + ["--memory-limit", "1M"]).lastError.contains("raise --memory-limit, or lower --batch-size"))
        #expect(
            try curricle(pretrain + ["--warmup-epochs", "3", "--epochs", "2"]).lastError
                == "curricle: --warmup-epochs 3.0 must be less than --epochs 2")
        #expect(try curricle(pretrain + ["--mean", "1,2"]).lastError.contains("--mean has 2 values for 1 channels"))
        #expect(try curricle(pretrain + ["--epochs", "2", "--max-steps", "1"]).code == 0)
        #expect(try curricle(pretrain).lastError.contains("go on with --resume, or choose another folder"))
        let weights = folder.file("run/model.safetensors"), knn = ["knn", "--weights", weights, "--train", data, "--test", data]
        #expect(try curricle(knn + ["-k", "99"]).lastError.contains("--neighbours 99 is not possible; give 1 to 20"))
        #expect(try curricle(knn + ["-k", "2.5"]).lastError.contains("-k: '2.5' is not accepted; give 1 to 20 whole numbers"))
        #expect(try curricle(knn + ["--num-heads", "4"]).lastError.contains("says --num-heads 2, not 4"))
        #expect(try curricle(knn + ["--layer", "7"]).lastError.contains("--layer 7: the encoder has layers 1 to 1"))
    }

    @Test("plan and bench read pretraining's settings: ranges, names and defaults are the same")
    func subsets() throws {
        let help = try ["pretrain", "plan", "bench"].map { try curricle($0, "--help").output }
        for text in help { #expect(text.contains("share of patches removed [0.75]") && text.contains("[tiny-p16]")) }
        for command in [["pretrain", "--data", "x", "--output", "y"], ["plan"], ["bench", "step"]] {
            #expect(
                try curricle(command + ["--mask-ratio", "2"]).lastError.hasSuffix(
                    "--mask-ratio: '2' is not accepted; give a number from 0 to 1"))
        }
        let plan = try curricle(
            ["plan", "--clip-grad", "1", "--json", "--skip-timing"] + [
                "--image-size", "16", "--patch-size", "8", "--embed-dim", "16", "--depth", "1", "--num-heads", "2", "--decoder-embed-dim",
                "16", "--decoder-depth", "1", "--decoder-num-heads", "2", "--batch-size", "2"
            ])
        let row = try #require(JSONSerialization.jsonObject(with: Data(plan.output.utf8)) as? [String: Any])
        #expect((row["gradient_bytes"] as? Int ?? 0) > 0 && row["batch"] as? Int == 2)
    }
}
