/// What is wrong with a command line or a configuration file: one line that names the option, the value and what is
/// accepted.
package enum UsageError: Error, Sendable, Equatable, CustomStringConvertible {
    case unknownCommand(String, suggestion: String?)
    case unknownOption(String, command: String, suggestion: String?)
    case missingValue(option: String, placeholder: String)
    /// `origin` says where the value comes from, "--batch-size" or "run.json: batch-size".
    case invalidValue(origin: String, value: String, accepted: String)
    case missingOption(String, placeholder: String)
    case missingArgument(String)
    case unexpectedArgument(String, command: String)
    case unreadableConfiguration(path: String, reason: String)
    case unknownKey(String, path: String, suggestion: String?)
    case repeatedKey(String, path: String)
    /// The program asks for an option that it did not declare.
    case undeclared(String)

    package var description: String {
        switch self {
        case .unknownCommand(let name, let suggestion):
            return "unknown command '\(name)'\(UsageError.question(suggestion)); --help lists the commands"
        case .unknownOption(let name, let command, let suggestion):
            return "unknown option \(name)\(UsageError.question(suggestion)); \(command) --help lists the options"
        case .missingValue(let option, let placeholder):
            return "\(option) needs a value: \(option) \(placeholder)"
        case .invalidValue(let origin, let value, let accepted):
            return "\(origin): '\(value)' is not accepted; give \(accepted)"
        case .missingOption(let name, let placeholder):
            return "--\(name) is missing; give --\(name) \(placeholder)"
        case .missingArgument(let placeholder):
            return "\(placeholder) is missing; --help shows the usage"
        case .unexpectedArgument(let word, let command):
            return "unexpected argument '\(word)'; \(command) --help shows the usage"
        case .unreadableConfiguration(let path, let reason):
            return "\(path): \(reason); give a JSON object whose keys are option names"
        case .unknownKey(let key, let path, let suggestion):
            return "\(path): unknown key '\(key)'\(UsageError.question(suggestion)); its keys must be option names"
        case .repeatedKey(let key, let path):
            return "\(path): '\(key)' is given twice; keep one"
        case .undeclared(let name):
            return "the option --\(name) is not declared; please report this"
        }
    }

    private static func question(_ suggestion: String?) -> String {
        suggestion.map { " (did you mean \($0)?)" } ?? ""
    }
}
