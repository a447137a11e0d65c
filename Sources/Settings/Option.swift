/// An option of a command: its name, what it takes and what it does.
package struct Option: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// There or not there; also `--no-NAME`, `--NAME=true`, `--NAME=false`.
        case flag
        /// Takes a value, shown as `placeholder`; `fallback` counts where none is given.
        case value(placeholder: String, ValueForm, fallback: String?)
    }

    /// The name without dashes, with `-` between words; users may write `_`.
    package let name: String
    package private(set) var kind: Kind
    /// What it does.
    package private(set) var help: String
    /// A second, one-letter name (`-k`).
    package let short: Character?
    /// The heading under which it is shown.
    package let section: String
    /// What stands between its values where it is given several times; nil where the last one counts.
    package private(set) var joint: String?

    package init(_ name: String, _ kind: Kind, help: String, short: Character? = nil, section: String = Option.defaultSection) {
        self.name = name
        self.kind = kind
        self.help = help
        self.short = short
        self.section = section
    }

    package static let defaultSection = "Options"

    package static func flag(_ name: String, _ help: String, short: Character? = nil, section: String = defaultSection) -> Option {
        Option(name, .flag, help: help, short: short, section: section)
    }

    package static func value(
        _ name: String, _ placeholder: String, _ form: ValueForm, _ help: String, fallback: String? = nil, short: Character? = nil,
        section: String = defaultSection
    ) -> Option {
        Option(name, .value(placeholder: placeholder, form, fallback: fallback), help: help, short: short, section: section)
    }

    /// Any text.
    package static func value(
        _ name: String, _ placeholder: String, _ help: String, fallback: String? = nil, short: Character? = nil,
        section: String = defaultSection
    ) -> Option {
        value(name, placeholder, .text, help, fallback: fallback, short: short, section: section)
    }

    /// What stands for its value in a usage; nil for a flag.
    package var placeholder: String? {
        guard case .value(let placeholder, _, _) = kind else { return nil }
        return placeholder
    }

    /// What its values are; nil for a flag.
    package var form: ValueForm? {
        guard case .value(_, let form, _) = kind else { return nil }
        return form
    }

    /// What counts where nothing is given; nil for a flag, and where there is no such value.
    package var fallback: String? {
        guard case .value(_, _, let fallback) = kind else { return nil }
        return fallback
    }

    /// The same option where another value counts if none is given; nil for none. A flag stays as it is.
    package func defaulting(to fallback: String?) -> Option {
        guard case .value(let placeholder, let form, _) = kind else { return self }
        var option = self
        option.kind = .value(placeholder: placeholder, form, fallback: fallback)
        return option
    }

    /// The same option, of which something more is to be said: what counts if none is given, mostly.
    package func adding(_ remark: String) -> Option {
        var option = self
        option.help += " \(remark)"
        return option
    }

    /// The same option, which may be given several times.
    package func repeatable(joint: String) -> Option {
        var option = self
        option.joint = joint
        return option
    }

    /// A name as it is declared: `mask_ratio` becomes `mask-ratio`.
    package static func canonical(_ name: some StringProtocol) -> String {
        String(name.map { $0 == "_" ? "-" : $0 })
    }
}
