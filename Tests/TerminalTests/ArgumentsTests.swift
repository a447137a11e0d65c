import Foundation
import CurricleSettings
import Testing

@testable import CurricleTerminal

private let pretrain = Command(
    name: "pretrain", summary: "Trains.",
    options: [
        .value("data", "PATH", "Images."),
        .value("output", "RUN", "Where results go.", short: "o"),
        .value("batch-size", "N", .whole(-5...4096), "Images a step.", fallback: "256"),
        .value("mask-ratio", "SHARE", .number(0...1), "Share of patches hidden.", fallback: "0.75"),
        .value("mean", "A[,B,C]", .numbers(ValueForm.anyNumber, counts: 1...3), "Mean of each channel."),
        .value("masking", "KIND", .word(of: ["learned", "random"]), "Who chooses the mask.", fallback: "learned"),
        .value("cache", "BYTES", .bytes(0...Int.max), "Memory for images."),
        .value("lambda-kl", "WEIGHT", .number(0...Double.greatestFiniteMagnitude), "Weight."),
        .value("lambda-gauss", "WEIGHT", .number(.leastNonzeroMagnitude ... .greatestFiniteMagnitude), "Weight."),
        .value("sides", "N[,N]", .wholes(1...65536, counts: 1...2), "Sides of images."),
        .flag("norm-pix-loss", "Normalise."), .flag("resume", "Go on.", short: "r")
    ],
    example: "curricle pretrain --data images --output run")

private let verify = Command(
    name: "verify", summary: "Checks.", options: [.value("k", "K", .whole(1...100), "Neighbours.", fallback: "5", short: "k")],
    arguments: "FILE…", example: "curricle verify a.safetensors")

private func parse(_ line: String) throws(UsageError) -> Arguments {
    try Arguments(line.split(separator: " ").map(String.init), for: pretrain)
}

@Suite struct ArgumentsTests {
    @Test("an option that takes several values keeps them all, in order; of any other the last counts")
    func severalValues() throws {
        let command = Command(
            name: "x", summary: "",
            options: [Option.value("data", "PATH", .path(.either), "").repeatable(joint: "::"), .value("k", "K", .whole(1...9), "")],
            example: "")
        let arguments = try Arguments(["--data", "a", "--k", "1", "--data=b c", "--data", "d", "--k", "2"], for: command)
        #expect(try arguments.string("data") == "a::b c::d" && arguments.int("k") == 2)
    }

    @Test("an empty path, as an unset variable gives it, is refused by the option's name")
    func emptyPath() throws {
        let command = Command(name: "x", summary: "", options: [.value("output", "FILE", .path(.file), "")], example: "")
        #expect(throws: UsageError.invalidValue(origin: "--output", value: "", accepted: "a path")) {
            try Arguments(["--output", ""], for: command).string("output")
        }
    }

    @Test(
        "spellings",
        arguments: [
            "--mask-ratio 0.5", "--mask_ratio 0.5", "--mask_ratio=0.5", "--mask-ratio=0.5", "--mask-ratio 0.9 --mask_ratio .5",
            "--mask-ratio 5e-1"
        ])
    func spellings(line: String) throws {
        #expect(try parse(line).double("mask_ratio") == 0.5)
        #expect(try parse(line).isGiven("mask-ratio"))
    }

    @Test("fallbacks and absent values") func fallbacksAndAbsentValues() throws {
        let arguments = try parse("")
        #expect(try arguments.int("batch-size") == 256)
        #expect(!arguments.isGiven("batch-size"))
        #expect(try arguments.stringIfGiven("data") == nil)
        #expect(throws: UsageError.missingOption("data", placeholder: "PATH")) { try arguments.string("data") }
        #expect(throws: UsageError.undeclared("dta")) { try arguments.string("dta") }
        #expect(throws: UsageError.undeclared("dta")) { try arguments.flag("dta") }
    }

    @Test(
        "flags",
        arguments: [
            ("--norm-pix-loss", true), ("--norm_pix_loss", true), ("--norm-pix-loss=true", true), ("", false),
            ("--norm-pix-loss=false", false), ("--no-norm-pix-loss", false), ("--norm_pix_loss --no_norm_pix_loss", false),
            ("--no-norm-pix-loss --norm-pix-loss", true), ("--no-norm-pix-loss=false", true)
        ])
    func flags(line: String, expected: Bool) throws {
        #expect(try parse(line).flag("norm-pix-loss") == expected)
    }

    @Test("short names and numbers below zero") func shortNamesAndNumbersBelowZero() throws {
        #expect(try parse("-o run -r").string("output") == "run")
        #expect(try parse("-o=run -r").flag("resume"))
        #expect(try parse("--mean -0.5,-.25,1").doublesIfGiven("mean") == [-0.5, -0.25, 1])
        #expect(try parse("--batch-size -3").int("batch-size") == -3)
        let arguments = try Arguments(["-k", "7", "a", "-", "-5", "--", "--b", "-c"], for: verify)
        #expect(try arguments.int("k") == 7)
        #expect(arguments.positional == ["a", "-", "-5", "--b", "-c"])
    }

    @Test("words that do not fit") func wordsThatDoNotFit() throws {
        #expect(throws: UsageError.unknownOption("--mask_ration", command: "pretrain", suggestion: "--mask-ratio")) {
            try parse("--mask_ration 0.5")
        }
        #expect(throws: UsageError.unknownOption("--bacth-size", command: "pretrain", suggestion: "--batch-size")) {
            try parse("--bacth-size=5")
        }
        #expect(throws: UsageError.unknownOption("--quantum", command: "pretrain", suggestion: nil)) { try parse("--quantum") }
        #expect(throws: UsageError.unknownOption("-x", command: "pretrain", suggestion: nil)) { try parse("-x") }
        #expect(throws: UsageError.unknownOption("--no-data", command: "pretrain", suggestion: "--data")) { try parse("--no-data") }
        #expect(throws: UsageError.missingValue(option: "--data", placeholder: "PATH")) { try parse("--data") }
        #expect(throws: UsageError.missingValue(option: "--data", placeholder: "PATH")) { try parse("--data --resume") }
        #expect(throws: UsageError.unexpectedArgument("images", command: "pretrain")) { try parse("images") }
        #expect(throws: UsageError.missingArgument("FILE…")) { try Arguments([], for: verify) }
        #expect(throws: UsageError.self) { try parse("--resume=maybe") }
        #expect(try Arguments(["--help"], for: verify).asksForHelp)
        #expect(try Arguments(["-h", "a"], for: verify).asksForHelp)
    }

    @Test(
        "whole numbers out of range",
        arguments: [
            ("--batch-size -6", "--batch-size: '-6' is not accepted; give a whole number from -5 to 4096"),
            ("--batch_size=4097", "--batch_size: '4097' is not accepted; give a whole number from -5 to 4096"),
            ("--batch-size 1.5", "--batch-size: '1.5' is not accepted; give a whole number from -5 to 4096"),
            (
                "--batch-size 99999999999999999999",
                "--batch-size: '99999999999999999999' is not accepted; give a whole number from -5 to 4096"
            )
        ])
    func wholeNumbersOutOfRange(line: String, message: String) throws {
        let error = #expect(throws: UsageError.self) { try parse(line).int("batch-size") }
        #expect(error?.description == message)
    }

    @Test("numbers out of range", arguments: ["1.1", "-0.1", "nan", "inf", "0x1p-1", "half", "", "0.5 ", "1e999"])
    func numbersOutOfRange(text: String) throws {
        let arguments = try Arguments(["--mask-ratio", text], for: pretrain)
        let error = #expect(throws: UsageError.self) {
            try arguments.double("mask-ratio")
        }
        #expect(
            error?.description
                == "--mask-ratio: '\(text)' is not accepted; give a number from 0 to 1")
    }

    @Test("messages say what is accepted") func messagesSayWhatIsAccepted() throws {
        let arguments = try parse("--mean 1,x --masking odd --cache 1Q --lambda-kl -1 --lambda-gauss 0 --sides 1,2.5")
        let messages: [(expected: String, read: () throws -> Void)] = [
            ("--mean: '1,x' is not accepted; give 1 to 3 numbers, with commas between them", { _ = try arguments.doublesIfGiven("mean") }),
            ("--masking: 'odd' is not accepted; give learned, random (one of them)", { _ = try arguments.choice("masking", Masking.self) }),
            ("--cache: '1Q' is not accepted; give a number of bytes, such as 65536, 512M or 1.5G", { _ = try arguments.int("cache") }),
            ("--lambda-kl: '-1' is not accepted; give a number of 0 or more", { _ = try arguments.double("lambda-kl") }),
            (
                "--lambda-gauss: '0' is not accepted; give a number above 0",
                { _ = try arguments.double("lambda-gauss") }
            ),
            (
                "--sides: '1,2.5' is not accepted; give 1 to 2 whole numbers from 1 to 65536, with commas between them",
                { _ = try arguments.intsIfGiven("sides") }
            )
        ]
        for (expected, read) in messages {
            let error = #expect(throws: UsageError.self) { try read() }
            #expect(error?.description == expected)
        }
    }

    enum Masking: String, CaseIterable { case learned, random }

    @Test("lists choices and sizes") func listsChoicesAndSizes() throws {
        let arguments = try Arguments(["--mean", "0.485, 0.456,0.406", "--masking", "random"], for: pretrain)
        #expect(try arguments.doublesIfGiven("mean") == [0.485, 0.456, 0.406])
        #expect(try arguments.choice("masking") == Masking.random)
        #expect(try parse("").choice("masking") == Masking.learned)
        for bad in ["1,2,3,4", "1,,2", ",", "1,2,"] {
            #expect(throws: UsageError.self) { try parse("--mean \(bad)").doublesIfGiven("mean") }
        }
        let sizes = [
            ("0", 0), ("65536", 65536), ("64K", 65536), ("64kb", 65536), ("512M", 536_870_912), ("1.5G", 1_610_612_736),
            ("2GiB", 2_147_483_648), ("1T", 1_099_511_627_776), ("10B", 10)
        ]
        for (text, size) in sizes { #expect(try parse("--cache \(text)").int("cache") == size, "\(text)") }
        for bad in ["M", "-1", "-1M", "1.5", "9999999T", "1e400G", "nanG", "B", "5 M"] {
            let arguments = try Arguments(["--cache", bad], for: pretrain)
            #expect(throws: UsageError.self, "\(bad)") { try arguments.int("cache") }
        }
        #expect(ValueForm.bytes(0...1000).read("1M") == nil && ValueForm.bytes(0...1000).read("1000B") == .whole(1000))
    }

    @Test("nearest names") func nearestNames() {
        #expect(editDistance("kitten", "sitting") == 3)
        #expect(editDistance("ab", "ba") == 1)
        #expect(editDistance("", "abc") == 3)
        #expect(nearestName(to: "pretrian", among: ["verify", "pretrain", "knn"]) == "pretrain")
        #expect(nearestName(to: "zzz", among: ["verify", "pretrain", "knn"]) == nil)
        let error = #expect(throws: UsageError.self) { try Command.find("verfy", in: [pretrain, verify]) }
        #expect(error?.description == "unknown command 'verfy' (did you mean verify?); --help lists the commands")
    }
}

@Suite struct ConfigurationTests {
    private func merged(_ json: String, _ line: String = "", ignoring: Set<String> = []) throws -> Arguments {
        var arguments = try parse(line)
        try withFile(json) { path throws(UsageError) in try arguments.merge(configurationAt: path, ignoring: ignoring) }
        return arguments
    }

    private func withFile(_ text: String, _ body: (String) throws(UsageError) -> Void) throws {
        let path = NSTemporaryDirectory() + "/config-\(UUID().uuidString).json"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        try body(path)
    }

    @Test("values of every kind") func valuesOfEveryKind() throws {
        let arguments = try merged(
            #"{"batch_size": 64, "mask-ratio": 0.1, "data": "a b", "mean": [0.5, -1, "2"], "resume": true, "lambda_kl": null, "#
                + #""cache": "1K"}"#
        )
        #expect(try arguments.int("batch-size") == 64)
        #expect(try arguments.double("mask-ratio") == 0.1)
        #expect(try arguments.string("data") == "a b")
        #expect(try arguments.doublesIfGiven("mean") == [0.5, -1, 2])
        #expect(try arguments.flag("resume"))
        #expect(try arguments.doubleIfGiven("lambda-kl") == nil)
        #expect(try arguments.int("cache") == 1024)
    }

    @Test("command line wins") func commandLineWins() throws {
        let arguments = try merged(#"{"batch_size": 64, "resume": true, "mask_ratio": 0.5}"#, "--batch-size 8 --no-resume")
        #expect(try arguments.int("batch-size") == 8)
        #expect(try arguments.flag("resume") == false)
        #expect(try arguments.double("mask-ratio") == 0.5)
    }

    private func message(_ json: String, ignoring: Set<String> = []) throws -> String {
        var message = ""
        var arguments = try parse("")
        try withFile(json) { path throws(UsageError) in
            do throws(UsageError) {
                try arguments.merge(configurationAt: path, ignoring: ignoring)
                _ = try arguments.int("batch-size")
            } catch {
                message = error.description.replacingOccurrences(of: path, with: "FILE")
            }
        }
        return message
    }

    @Test(
        "mistakes name file and key",
        arguments: [
            (#"{"bach_size": 64}"#, "FILE: unknown key 'bach_size' (did you mean batch-size?); its keys must be option names"),
            (#"{"batch_size": -6}"#, "FILE: batch_size: '-6' is not accepted; give a whole number from -5 to 4096"),
            (#"{"batch_size": true}"#, "FILE: batch_size: 'true' is not accepted; give a number, text or a list"),
            (#"{"resume": 1}"#, "FILE: resume: '1' is not accepted; give true or false"),
            (#"{"mask_ratio": 0.5, "mask-ratio": 0.5}"#, "FILE: 'mask_ratio' is given twice; keep one"),
            (
                #"{"mean": {"a": 1}}"#,
                "FILE: 'mean' is neither a number, a text, true, false, null nor a list of numbers or texts; give a JSON object whose "
                    + "keys are option names"
            ),
            (#"[1]"#, "FILE: it is not valid JSON, or no object; give a JSON object whose keys are option names"),
            (#"{"batch_size": }"#, "FILE: it is not valid JSON, or no object; give a JSON object whose keys are option names"),
            ("", "FILE: it is not valid JSON, or no object; give a JSON object whose keys are option names")
        ])
    func mistakesNameFileAndKey(json: String, expected: String) throws {
        #expect(try message(json) == expected)
    }

    @Test("keys that may be there") func keysThatMayBeThere() throws {
        #expect(try message(#"{"version": {"a": 1}}"#, ignoring: ["version"]).contains("neither"))
        #expect(try message(#"{"version": 3, "train_images": [1]}"#, ignoring: ["version", "train_images"]) == "")
    }

    @Test("files that cannot be read") func filesThatCannotBeRead() throws {
        for path in ["/absent/config.json", "/dev/zero", NSTemporaryDirectory()] {
            let error = #expect(throws: UsageError.self) {
                var arguments = try parse("")
                try arguments.merge(configurationAt: path)
            }
            #expect(error?.description.hasPrefix("\(path): ") == true)
        }
    }
}

@Suite struct HelpTests {
    private let command = Command(
        name: "knn", summary: "Judges features by their neighbours.",
        options: [
            .value("weights", "FILE", "The model."),
            .value(
                "k", "N", .whole(1...100), "How many neighbours decide, which is a number that matters little.", fallback: "5", short: "k"),
            .flag("json", "Print JSON.", section: "Output"),
            .value("an-option-with-a-very-long-name", "PLACEHOLDER", "Last.", section: "Output")
        ],
        example: "curricle knn --weights model.safetensors")

    @Test("columns are aligned and wrapped") func columnsAreAlignedAndWrapped() {
        #expect(
            Help.text(for: command, program: "curricle", width: 56) == """
                Judges features by their neighbours.

                Usage: curricle knn [options]

                Options:
                  --weights FILE  The model.
                  -k, --k N       How many neighbours decide, which is a
                                  number that matters little. [5]

                Output:
                  --json          Print JSON.
                  --an-option-with-a-very-long-name PLACEHOLDER
                                  Last.
                  -h, --help      Show this text.

                Example:
                  curricle knn --weights model.safetensors

                """)
    }

    @Test("overview") func overview() {
        let other = Command(name: "verify", summary: "Checks.", options: [], arguments: "FILE…", example: "curricle verify x")
        #expect(
            Help.overview(program: "curricle", summary: "pretraining.", commands: [command, other]) == """
                curricle: pretraining.

                Usage: curricle COMMAND [options]

                Commands:
                  knn     Judges features by their neighbours.
                  verify  Checks.

                curricle COMMAND --help explains a command.

                """)
        #expect(Help.text(for: other, program: "curricle").contains("Usage: curricle verify FILE…\n"))
        #expect(Help.text(for: other, program: "curricle").contains("-h, --help"))
    }
}
