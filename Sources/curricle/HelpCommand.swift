import CurricleSettings
import CurricleTerminal

/// What is said of the commands, all of it printed from their declarations.
enum HelpCommand {
    static let program = Program(
        name: "curricle", summary: "CL-MAE pretraining and feature extraction on CPUs",
        exitCodes: [(0, "done"), (1, "a check failed"), (2, "bad input or usage"), (130, "interrupted")])

    /// - Parameter others: the commands beside this one.
    static func command(of others: [Command]) -> Command {
        Command(
            name: "help", summary: "explain a command; print man pages, completions for shells, or tables of all options",
            options: [
                .flag("man", "print the man page, of the command or of the program"),
                .value(
                    "completions", "SHELL", .word(of: Completions.Shell.self), "print what completes command lines in bash, zsh or fish"),
                .flag("markdown", "print tables of all commands' options, as they stand in docs/OPTIONS.md")
            ],
            arguments: "[COMMAND]", argumentForm: .word(of: others.map(\.name)), argumentCount: 0...1,
            example: "curricle help --man pretrain | man -l -")
    }

    static func run(_ a: Arguments) throws -> Int32 {
        let all = Commands.all.map(\.command)
        let command = try a.positional.first.map { name throws(UsageError) in try Command.find(name, in: all) }
        if let shell: Completions.Shell = try a.choiceIfGiven("completions") {
            print(Completions.text(for: shell, program, all), terminator: "")
        } else if try a.flag("markdown") {
            print(OptionTables.text(program, command.map { [$0] } ?? all), terminator: "")
        } else if try a.flag("man") {
            print(command.map { ManPage.text(for: $0, program) } ?? ManPage.text(program, all), terminator: "")
        } else {
            print(command.map { Help.text(for: $0, program: program.name) } ?? overview)
        }
        return 0
    }

    static var overview: String { Help.overview(program: program.name, summary: program.summary, commands: Commands.all.map(\.command)) }
}
