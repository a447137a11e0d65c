import CurricleEngine
import Foundation
import CurricleRuntime
import CurricleSettings
import CurricleTerminal
import CurricleVision

/// Exit codes: 0 done, 1 a check failed, 2 bad input or usage, 130 interrupted.
func runCommandLine(_ words: [String]) -> Int32 {
    let all = Commands.all.map(\.command)
    guard let name = words.first, name != "--help", name != "-h" else {
        print(HelpCommand.overview)
        return words.isEmpty ? 2 : 0
    }
    if name == "--version" {
        print("curricle \(Machine.version)")
        return 0
    }
    do {
        let command = try Command.find(name, in: all)
        let arguments = try Arguments(Array(words.dropFirst()), for: command)
        if arguments.asksForHelp {
            print(Help.text(for: command, program: HelpCommand.program.name))
            return 0
        }
        guard let entry = Commands.all.first(where: { $0.command.name == command.name }) else { return 2 }
        let ranked = [PretrainCommand.command, FinetuneCommand.command, ExtractCommand.command, BenchCommand.command].map(\.name)
        if !ranked.contains(command.name) { try RankedCommand.refuse(command.name) }
        try OutputGuard.check(arguments)
        try Machine.requireThreads(1)
        if ProcessInfo.processInfo.environment["CURRICLE_DOT"] == "none" { Machine.allowDot(false) }
        return try entry.run(arguments)
    } catch let error as LearningError where error.isFailedCheck {
        complain(error)
        return 1
    } catch {
        complain(error)
        return 2
    }
}

StandardStreams.open()
// A file size limit then gives an error that names the file, instead of ending the process.
signal(SIGXFSZ, SIG_IGN)
_ = processStart
// As text that loses no byte: a path need not be UTF-8.
let words = (1..<max(1, Int(CommandLine.argc))).compactMap { CommandLine.unsafeArgv[$0] }.map {
    ByteName(UnsafeBufferPointer(start: $0, count: strlen($0)).map(UInt8.init(bitPattern:))).stored
}
let code = runCommandLine(words)
if let loss = StandardStreams.lostOutput {
    complain(loss)
    exit(2)
}
exit(code)
