import CurricleSettings

/// What completes command lines in a shell: commands, options, words that an option takes, files and folders.
package enum Completions {
    package enum Shell: String, Sendable, CaseIterable { case bash, zsh, fish }

    package static func text(for shell: Shell, _ program: Program, _ commands: [Command]) -> String {
        switch shell {
        case .bash: bash(program, commands)
        case .zsh: zsh(program, commands)
        case .fish: fish(program, commands)
        }
    }

    // MARK: - bash

    private static func bash(_ program: Program, _ commands: [Command]) -> String {
        var lines = [
            "# bash completion of \(program.name), printed by `\(program.name) help --completions bash`.",
            "_\(program.name)() {",
            "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}",
            "    COMPREPLY=()",
            "    if [ \"$COMP_CWORD\" -eq 1 ]; then",
            "        COMPREPLY=($(compgen -W \(quoted((commands.map(\.name) + ["--help"]).joined(separator: " "))) -- \"$word\"))",
            "        return",
            "    fi",
            "    case $command in"
        ]
        for command in commands {
            let names = command.everyOption.map { "--\($0.name)" }.joined(separator: " ")
            lines += ["    \(command.name))", "        case $before in"]
            for option in command.everyOption {
                guard let form = option.form else { continue }
                lines.append("        \(option.spellings.joined(separator: "|"))) \(bashReply(form)) return ;;")
            }
            lines += [
                "        esac",
                "        case $word in",
                "        -*) COMPREPLY=($(compgen -W \(quoted(names)) -- \"$word\")) ;;",
                "        *) \(command.arguments == nil ? "" : bashReply(command.argumentForm)) ;;",
                "        esac ;;"
            ]
        }
        lines += ["    esac", "}", "complete -o filenames -F _\(program.name) \(program.name)", ""]
        return lines.joined(separator: "\n")
    }

    /// What fills the replies, a statement with its semicolon.
    private static func bashReply(_ form: ValueForm) -> String {
        switch form {
        case .word(let words): "COMPREPLY=($(compgen -W \(quoted(words.joined(separator: " "))) -- \"$word\"));"
        case .path(.folder): "mapfile -t COMPREPLY < <(compgen -d -- \"$word\");"
        case .path(.file), .path(.either): "mapfile -t COMPREPLY < <(compgen -f -- \"$word\");"
        case .text, .notation, .whole, .number, .wholes, .numbers, .bytes: ""
        }
    }

    // MARK: - zsh

    private static func zsh(_ program: Program, _ commands: [Command]) -> String {
        var lines = [
            "#compdef \(program.name)",
            "# zsh completion of \(program.name), printed by `\(program.name) help --completions zsh`.",
            "_\(program.name)() {",
            "    local -a commands=("
        ]
        lines += commands.map { "        \(quoted("\($0.name):\($0.summary)"))" }
        lines += [
            "    )",
            "    if (( CURRENT == 2 )); then",
            "        _describe -t commands command commands",
            "        return",
            "    fi",
            "    local command=$words[2]",
            "    shift words",
            "    (( CURRENT-- ))",
            "    case $command in"
        ]
        for command in commands {
            lines += ["    \(command.name))", "        _arguments -s \\"]
            for option in command.everyOption {
                let action = option.form.map { ":\(escapedForZsh(option.placeholder ?? "")):\(zshAction($0))" } ?? ""
                let help = "[\(escapedForZsh(option.help))]\(action)"
                for spelling in option.spellings { lines.append("            \(quoted(spelling + help)) \\") }
            }
            let many = command.argumentCount.upperBound > 1 ? "*" : "1"
            let arguments = command.arguments.map { quoted("\(many):\(escapedForZsh($0)):\(zshAction(command.argumentForm))") + " " }
            lines.append("            \(arguments ?? "");;")
        }
        lines += ["    esac", "}", "_\(program.name) \"$@\"", ""]
        return lines.joined(separator: "\n")
    }

    private static func zshAction(_ form: ValueForm) -> String {
        switch form {
        case .word(let words): "(\(words.joined(separator: " ")))"
        case .path(.folder): "_files -/"
        case .path(.file), .path(.either): "_files"
        case .text, .notation, .whole, .number, .wholes, .numbers, .bytes: " "
        }
    }

    /// A description ends with a bracket, its parts with a colon.
    private static func escapedForZsh(_ text: String) -> String {
        text.map { "[]:\\".contains($0) ? "\\\($0)" : String($0) }.joined()
    }

    // MARK: - fish

    private static func fish(_ program: Program, _ commands: [Command]) -> String {
        var lines = [
            "# fish completion of \(program.name), printed by `\(program.name) help --completions fish`.",
            "complete -c \(program.name) -f"
        ]
        for command in commands {
            lines.append("complete -c \(program.name) -n __fish_use_subcommand -a \(command.name) -d \(quotedForFish(command.summary))")
        }
        for command in commands {
            let prefix = "complete -c \(program.name) -n '__fish_seen_subcommand_from \(command.name)'"
            for option in command.everyOption {
                let short = option.short.map { " -s \($0)" } ?? ""
                lines.append("\(prefix)\(short) -l \(option.name)\(option.form.map(fishValue) ?? "") -d \(quotedForFish(option.help))")
            }
            guard command.arguments != nil else { continue }
            switch command.argumentForm {
            case .word(let words): lines.append("\(prefix) -a \(quotedForFish(words.joined(separator: " ")))")
            case .path: lines.append("\(prefix) -F")
            case .text, .notation, .whole, .number, .wholes, .numbers, .bytes: break
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func fishValue(_ form: ValueForm) -> String {
        switch form {
        case .word(let words): " -x -a \(quotedForFish(words.joined(separator: " ")))"
        case .path(.folder): " -x -a '(__fish_complete_directories)'"
        case .path(.file), .path(.either): " -r -F"
        case .text, .notation, .whole, .number, .wholes, .numbers, .bytes: " -x"
        }
    }

    // MARK: - Words

    /// One word of bash or zsh.
    private static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }

    private static func quotedForFish(_ text: String) -> String {
        "'" + text.map { "'\\".contains($0) ? "\\\($0)" : String($0) }.joined() + "'"
    }
}

extension Command {
    var everyOption: [Option] { sections.flatMap(\.options) }
}

extension Option {
    /// As users write it, short name first.
    fileprivate var spellings: [String] { (short.map { ["-\($0)"] } ?? []) + ["--\(name)"] }
}
