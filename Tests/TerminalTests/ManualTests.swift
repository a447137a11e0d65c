import Foundation
import CurricleSettings
import Testing

@testable import CurricleTerminal

private let program = Program(name: "tool", summary: "does things", exitCodes: [(0, "done"), (2, "bad input")])

private let paint = Command(
    name: "paint", summary: "paint a picture",
    options: [
        .value("colour", "NAME", .word(of: ["red", "grün"]), "what to paint with", fallback: "red", short: "c"),
        .value("depth", "N", .whole(1...9), "how deep, don't ask"),
        .value("canvas", "FILE", .path(.file), "where to: .png or a\\b"),
        .value("album", "DIR", .path(.folder), "where it is kept", section: "Place"),
        .flag("wet", "[still] wet: careful", section: "Place")
    ],
    arguments: "FILE…", example: "tool paint -c red a.png")
private let mix = Command(
    name: "mix", summary: "mix colours", options: [], arguments: "loud|quiet", argumentForm: .word(of: ["loud", "quiet"]),
    argumentCount: 1...1,
    example: "tool mix loud")
private let commands = [paint, mix]

/// A program of this machine: its path, or nil where it is not installed.
private func installed(_ name: String) -> String? {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" }.first(
        where: FileManager.default.isExecutableFile)
}

/// What a program says of its input file; standard output and errors, and its exit code.
private func run(
    _ path: String, _ arguments: [String], on text: String, environment: [String: String] = [:]
) throws -> (text: String, code: Int32) {
    let file = NSTemporaryDirectory() + "/manual-\(UUID().uuidString)"
    try Data(text.utf8).write(to: URL(fileURLWithPath: file))
    defer { try? FileManager.default.removeItem(atPath: file) }
    let process = Process(), output = Pipe()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments + [file]
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (String(decoding: bytes, as: UTF8.self), process.terminationStatus)
}

@Suite("Manual pages") struct ManPageTests {
    @Test("an option has its names, its words, its default and no text that roff would take for a request")
    func options() {
        let page = ManPage.text(for: paint, program)
        #expect(page.hasPrefix(".TH TOOL\\-PAINT 1\n.SH NAME\ntool\\-paint \\- paint a picture\n.SH SYNOPSIS\n.B tool paint\n"))
        #expect(
            page.contains(
                ".SS Options\n.TP\n\\fB\\-c\\fR, \\fB\\-\\-colour\\fR \\fINAME\\fR\nwhat to paint with: red, gr\\[u00FC]n [red].\n"))
        #expect(page.contains("how deep, don\\(aqt ask.\n"))
        #expect(page.contains(".SS Place\n.TP\n\\fB\\-\\-album\\fR \\fIDIR\\fR\n"))
        #expect(page.contains(".png or a\\eb") && page.contains(".TP\n.B 2\nbad input\n") && page.contains("\ntool paint \\-c red a.png\n"))
        #expect(page.split(separator: "\n").allSatisfy { $0.unicodeScalars.allSatisfy(\.isASCII) })
    }

    @Test(
        "groff renders the pages of commands and of the program without a warning",
        .enabled(if: installed("groff") != nil, "groff is not installed"))
    func rendered() throws {
        let groff = try #require(installed("groff"))
        for page in [ManPage.text(for: paint, program), ManPage.text(for: mix, program), ManPage.text(program, commands)] {
            let (warnings, code) = try run(groff, ["-man", "-Tutf8", "-ww", "-z"], on: page)
            #expect(code == 0 && warnings.isEmpty, "\(warnings)")
        }
        let text = try run(groff, ["-man", "-Tutf8", "-P-cbou"], on: ManPage.text(for: paint, program)).text
        #expect(text.contains("-c, --colour NAME") && text.contains("grün [red]") && text.contains("where to: .png or a\\b."))
    }

    @Test("tables have a row an option, and a bar does not end a cell")
    func tables() {
        let text = OptionTables.text(program, [paint, mix])
        #expect(
            text.contains(
                "## paint\n\npaint a picture.\n\n    tool paint [options] FILE…\n    tool paint -c red a.png\n\n| Options | | Default "
                    + "|\n|---|---|---|\n"
            ))
        #expect(text.contains("| `-c, --colour NAME` | what to paint with | `red` |\n"))
        #expect(text.contains("## mix\n\nmix colours.\n\n    tool mix [options] loud|quiet\n"))
    }
}

@Suite("Completions") struct CompletionTests {
    /// What bash would offer for a line whose last word is being written.
    private func replies(_ words: [String], in folder: String = "/") throws -> Set<String> {
        let bash = try #require(installed("bash"))
        let list = words.map { "'\($0)'" }.joined(separator: " ")
        let script =
            Completions.text(for: .bash, program, commands)
            + "cd '\(folder)'\nCOMP_WORDS=(\(list))\nCOMP_CWORD=\(words.count - 1)\n_tool\n[ ${#COMPREPLY[@]} = 0 ] || printf '%s\\n' "
            + "\"${COMPREPLY[@]}\"\n"
        let (text, code) = try run(bash, [], on: script)
        #expect(code == 0, "\(text)")
        return Set(text.split(separator: "\n").map(String.init))
    }

    @Test(
        "bash offers commands, options, words and paths where each belongs", .enabled(if: installed("bash") != nil, "bash is not installed")
    )
    func bash() throws {
        let folder = NSTemporaryDirectory() + "/completions-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder + "/album one", withIntermediateDirectories: true)
        try Data().write(to: URL(fileURLWithPath: folder + "/all.png"))
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(try replies(["tool", ""]) == ["paint", "mix", "--help"])
        #expect(try replies(["tool", "p"]) == ["paint"])
        #expect(try replies(["tool", "paint", "--"]) == ["--colour", "--depth", "--canvas", "--album", "--wet", "--help"])
        #expect(try replies(["tool", "paint", "--c"]) == ["--colour", "--canvas"])
        #expect(try replies(["tool", "paint", "--colour", ""]) == ["red", "grün"])
        #expect(try replies(["tool", "paint", "-c", "r"]) == ["red"])
        #expect(try replies(["tool", "paint", "--depth", ""]) == [])
        #expect(try replies(["tool", "paint", "--canvas", "al"], in: folder) == ["album one", "all.png"])
        #expect(try replies(["tool", "paint", "--album", "al"], in: folder) == ["album one"])
        #expect(try replies(["tool", "paint", "--wet", "all"], in: folder) == ["all.png"])
        #expect(try replies(["tool", "mix", ""]) == ["loud", "quiet"])
        #expect(try replies(["tool", "mix", "--"]) == ["--help"])
        #expect(try replies(["tool", "nothing", ""]) == [])
    }

    @Test("zsh takes the script", .enabled(if: installed("zsh") != nil, "zsh is not installed"))
    func zsh() throws {
        let text = Completions.text(for: .zsh, program, commands)
        let (message, code) = try run(try #require(installed("zsh")), ["-n"], on: text)
        #expect(code == 0 && message.isEmpty, "\(message)")
        #expect(text.hasPrefix("#compdef tool\n") && text.contains("'--colour[what to paint with]:NAME:(red grün)'"))
        #expect(text.contains("'--wet[\\[still\\] wet\\: careful]'") && text.contains("'--album[where it is kept]:DIR:_files -/'"))
    }

    @Test("fish takes the script, and offers from it what belongs", .enabled(if: installed("fish") != nil, "fish is not installed"))
    func fish() throws {
        let fish = try #require(installed("fish")), text = Completions.text(for: .fish, program, commands)
        let (message, code) = try run(fish, ["-n"], on: text)
        #expect(code == 0 && message.isEmpty, "\(message)")
        func offered(_ line: String) throws -> [String] {
            try run(fish, ["--no-config"], on: text + "complete -C '\(line)'\n").text.split(separator: "\n").map {
                String($0.prefix { $0 != "\t" })
            }
        }
        #expect(try offered("tool ") == ["mix", "paint"] || Set(offered("tool ")) == ["mix", "paint"])
        #expect(try Set(offered("tool paint --colour ")) == ["red", "grün"])
        #expect(try offered("tool paint --de") == ["--depth"])
        #expect(try Set(offered("tool mix ")) == ["loud", "quiet"])
    }
}

@Suite("Messages") struct MessageTests {
    @Test("a message names settings, and the command line writes them as options")
    func settings() {
        let remedy: Message = "lower \("lr" as SettingName)"
        let message: Message = "step \(3) failed: \(remedy), or give \("on-nonfinite" as SettingName, "skip")"
        #expect(message.description == "step 3 failed: lower lr, or give on-nonfinite skip")
        #expect(message.withOptions == "step 3 failed: lower --lr, or give --on-nonfinite skip")
        #expect(message.settings == ["lr", "on-nonfinite"])
        #expect("a\("b")c" as Message == "abc" && Message("a") + Message("b") == "ab")
    }
}
