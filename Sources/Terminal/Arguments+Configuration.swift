import Foundation
import CurricleSettings

extension Arguments {
    /// More than any configuration has; it keeps a wrong file (a checkpoint) from being read whole.
    private static let greatestConfigurationSize = 1 << 24

    /// Takes values from a configuration file: a JSON object whose keys are option names, with `-` or `_`. What the command
    /// line (or a file merged before) gives wins. `null` counts as not given.
    /// - Parameters:
    ///   - path: the file, which messages name.
    ///   - ignoring: keys that are no options but may be there, such as those a run writes about itself.
    /// - Throws: `.unreadableConfiguration`, `.unknownKey`, `.repeatedKey`, `.invalidValue`.
    package mutating func merge(configurationAt path: String, ignoring: Set<String> = []) throws(UsageError) {
        try merge(configuration: Arguments.configuration(at: path), from: path, ignoring: ignoring)
    }

    /// Takes values from a configuration file's content.
    /// - Parameter path: where it was read, which messages name.
    /// - Throws: as `merge(configurationAt:)`.
    package mutating func merge(configuration: Data, from path: String, ignoring: Set<String> = []) throws(UsageError) {
        let values = try Arguments.decode(configuration, from: path)
        var fromFile: [String: Given] = [:]
        for (key, value) in values.sorted(by: { $0.key < $1.key }) {
            let name = Option.canonical(key)
            guard let option = command.option(name) else {
                if ignoring.contains(key) || ignoring.contains(name) { continue }
                let suggestion = nearestName(to: name, among: command.options.map(\.name))
                throw .unknownKey(key, path: path, suggestion: suggestion)
            }
            guard let text = value.text else { continue }
            let origin = "\(path): \(key)"
            switch (option.kind, value) {
            case (.flag, .boolean): break
            case (.flag, _): throw .invalidValue(origin: origin, value: text, accepted: "true or false")
            case (.value, .boolean):
                throw .invalidValue(origin: origin, value: text, accepted: "a number, text or a list")
            case (.value, _): break
            }
            guard fromFile.updateValue(Given(value: text, origin: origin), forKey: name) == nil else {
                throw .repeatedKey(key, path: path)
            }
        }
        given.merge(fromFile) { commandLine, _ in commandLine }
    }

    /// Gives an option a value where it has none.
    package mutating func assume(_ name: SettingName, _ value: String, because origin: String) {
        if given["\(name)"] == nil { given["\(name)"] = Given(value: value, origin: "\(origin): \(name)") }
    }

    /// Gives an option a value, whatever it has.
    package mutating func replace(_ name: SettingName, _ value: String, because origin: String) {
        given["\(name)"] = Given(value: value, origin: "\(origin): \(name)")
    }

    /// The content of a configuration file.
    /// - Throws: `.unreadableConfiguration`.
    package static func configuration(at path: String) throws(UsageError) -> Data {
        var information = stat()
        guard stat(path, &information) == 0 else {
            throw .unreadableConfiguration(path: path, reason: String(cString: strerror(errno)))
        }
        guard information.st_mode & S_IFMT == S_IFREG, information.st_size <= off_t(greatestConfigurationSize) else {
            throw .unreadableConfiguration(path: path, reason: "it is no configuration file")
        }
        guard let file = FileHandle(forReadingAtPath: path), let data = try? file.readToEnd() ?? Data() else {
            throw .unreadableConfiguration(path: path, reason: "it cannot be read")
        }
        return data
    }

    private static func decode(_ data: Data, from path: String) throws(UsageError) -> [String: ConfigurationValue] {
        do {
            return try JSONDecoder().decode([String: ConfigurationValue].self, from: data)
        } catch DecodingError.typeMismatch(_, let context) where !context.codingPath.isEmpty {
            throw .unreadableConfiguration(path: path, reason: unsuitable(context.codingPath))
        } catch DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty {
            throw .unreadableConfiguration(path: path, reason: unsuitable(context.codingPath))
        } catch {
            throw .unreadableConfiguration(path: path, reason: "it is not valid JSON, or no object")
        }
    }

    private static func unsuitable(_ codingPath: [any CodingKey]) -> String {
        "'\(codingPath[0].stringValue)' is neither a number, a text, true, false, null nor a list of numbers or texts"
    }
}

/// A value in a configuration file.
private enum ConfigurationValue: Decodable {
    case null
    case boolean(Bool)
    /// A number or a string, as text.
    case scalar(String)
    case list([String])

    /// What the user would have written on the command line; nil for null.
    var text: String? {
        switch self {
        case .null: nil
        case .boolean(let truth): truth ? "true" : "false"
        case .scalar(let text): text
        case .list(let texts): texts.joined(separator: ",")
        }
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let truth = try? container.decode(Bool.self) {
            self = .boolean(truth)
        } else if let scalar = try? container.decode(ConfigurationScalar.self) {
            self = .scalar(scalar.text)
        } else {
            self = .list(try container.decode([ConfigurationScalar].self).map(\.text))
        }
    }
}

private struct ConfigurationScalar: Decodable {
    let text: String

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let number = try? container.decode(Int.self) {
            text = String(number)
        } else if let number = try? container.decode(Double.self) {
            text = number.description
        } else {
            text = try container.decode(String.self)
        }
    }
}
