/// The name of a setting, as it is declared: "mask-ratio".
package struct SettingName: Sendable, Hashable, ExpressibleByStringLiteral, CustomStringConvertible {
    package let description: String
    package init(stringLiteral name: String) { description = name }
}

/// A text for people that names settings where they are to be changed, and leaves it to the reader's side how a user writes them.
///
///     let message: Message = "the loss is not finite: lower \(.learningRate), or go on with \(.onNonfinite, "skip")"
///     message.description                     // "…: lower lr, or go on with on-nonfinite skip"
///     message.text { "--\($0)" }              // "…: lower --lr, or go on with --on-nonfinite skip"
package struct Message: Sendable, Hashable, CustomStringConvertible {
    enum Part: Sendable, Hashable {
        case text(String)
        case setting(SettingName)
    }

    private(set) var parts: [Part] = []

    package init(_ text: String) { append(.text(text)) }

    /// The settings that are named, in order.
    package var settings: [SettingName] {
        parts.compactMap { part in
            if case .setting(let name) = part { name } else { nil }
        }
    }

    /// - Parameter write: how a setting is written.
    package func text(_ write: (SettingName) -> String) -> String {
        parts.map { part in
            switch part {
            case .text(let text): text
            case .setting(let name): write(name)
            }
        }.joined()
    }

    package var description: String { text(\.description) }

    package static func + (left: Message, right: Message) -> Message {
        var whole = left
        for part in right.parts { whole.append(part) }
        return whole
    }

    /// Texts that meet become one, so that equal messages have equal parts.
    private mutating func append(_ part: Part) {
        if case .text(let more) = part {
            if more.isEmpty { return }
            if case .text(let text)? = parts.last {
                parts[parts.count - 1] = .text(text + more)
                return
            }
        }
        parts.append(part)
    }
}

extension Message: ExpressibleByStringInterpolation {
    package init(stringLiteral text: String) { self.init(text) }
    package init(stringInterpolation: StringInterpolation) { self = stringInterpolation.message }

    package struct StringInterpolation: StringInterpolationProtocol {
        var message = Message("")

        package init(literalCapacity: Int, interpolationCount: Int) {}
        package mutating func appendLiteral(_ text: String) { message.append(.text(text)) }
        package mutating func appendInterpolation(_ value: some Any) { message.append(.text("\(value)")) }
        package mutating func appendInterpolation(_ text: Message) { message = message + text }
        package mutating func appendInterpolation(_ name: SettingName) { message.append(.setting(name)) }
        /// A setting and the value to give it.
        package mutating func appendInterpolation(_ name: SettingName, _ value: String) {
            message.append(.setting(name))
            message.append(.text(" \(value)"))
        }
    }
}

/// An error whose text may name settings.
package protocol NamesSettings: Error, CustomStringConvertible {
    var message: Message { get }
}

extension NamesSettings {
    package var description: String { message.description }
}
