import CurricleEngine
import CurricleSettings
import CurricleStorage

/// Whether a run's `config.json` and states hold a setting.
package enum SettingRecord: Sendable {
    /// It decides what is computed.
    case always
    /// Likewise, but older runs do not know it: it is held where it differs from its default.
    case whereItDiffers
    /// It only says how the run is kept, or it stands in other settings.
    case never
}

/// Heading under which settings are shown together.
package enum SettingSection: String, Sendable { case model = "Model", training = "Training", images = "Images", run = "Run" }

/// A setting of a run, declared once: what a command line, its help, a configuration file, a run's `config.json` and its states'
/// check know of it.
///
///     Setting(\.step.maskRatio, "mask-ratio", "R", in: 0...1, "share of patches removed", section: .training)
///
/// What counts where it is not given is what stands in its place in settings as they are initialised.
package struct Setting<Root: Sendable>: Sendable {
    /// Name, accepted values and help; without a default, which ``option(_:)`` knows.
    package let declaration: Option
    package let record: SettingRecord
    /// Whether readers of the weights must know it, too.
    package let isInWeights: Bool
    /// Whether its default follows from other settings, so that none is shown.
    private let isDerived: Bool
    private let get: @Sendable (Root) -> LogValue?
    private let set: @Sendable (inout Root, ValueForm.Value) -> Bool

    package var name: String { declaration.name }

    package init(
        _ declaration: Option, _ record: SettingRecord, isInWeights: Bool, isDerived: Bool, get: @escaping @Sendable (Root) -> LogValue?,
        set: @escaping @Sendable (inout Root, ValueForm.Value) -> Bool
    ) {
        self.declaration = declaration
        self.record = record
        self.isInWeights = isInWeights
        self.isDerived = isDerived
        self.get = get
        self.set = set
    }

    /// A number in a range.
    package init<Value: SettingType>(
        _ path: WritableKeyPath<Root, Value> & Sendable, _ name: SettingName, _ placeholder: String, in range: ClosedRange<Value.Bound>,
        _ help: String, section: SettingSection, record: SettingRecord = .always, isInWeights: Bool = false, isDerived: Bool = false
    ) {
        self.init(
            name, placeholder, Value.form(range), help, section: section, record: record, isInWeights: isInWeights, isDerived: isDerived
        ) { root in
            root[keyPath: path].recorded
        } set: { root, value in
            guard let value = Value(value) else { return false }
            root[keyPath: path] = value
            return true
        }
    }

    /// A flag.
    package init(
        _ path: WritableKeyPath<Root, Bool> & Sendable, _ name: SettingName, _ help: String, section: SettingSection,
        record: SettingRecord = .always, isInWeights: Bool = false
    ) {
        self.init(name, help, section: section, record: record, isInWeights: isInWeights) {
            $0[keyPath: path]
        } set: {
            $0[keyPath: path] = $1
        }
    }

    /// A flag that is kept in another form.
    package init(
        _ name: SettingName, _ help: String, section: SettingSection, record: SettingRecord = .always, isInWeights: Bool = false,
        get: @escaping @Sendable (Root) -> Bool, set: @escaping @Sendable (inout Root, Bool) -> Void
    ) {
        let declaration = Option.flag("\(name)", help, section: section.rawValue)
        self.init(declaration, record, isInWeights: isInWeights, isDerived: false) {
            .boolean(get($0))
        } set: {
            guard case .flag(let truth) = $1 else { return false }
            set(&$0, truth)
            return true
        }
    }

    /// A case of an enumeration.
    package init<Word: RawRepresentable & CaseIterable & Sendable>(
        _ path: WritableKeyPath<Root, Word> & Sendable, _ name: SettingName, _ placeholder: String, _ help: String, section: SettingSection,
        record: SettingRecord = .always, isInWeights: Bool = false
    ) where Word.RawValue == String {
        self.init(name, placeholder, .word(of: Word.self), help, section: section, record: record, isInWeights: isInWeights) {
            .string($0[keyPath: path].rawValue)
        } set: { root, value in
            guard case .text(let text) = value, let word = Word(rawValue: text) else { return false }
            root[keyPath: path] = word
            return true
        }
    }

    /// A setting that is kept in another form.
    /// - Parameters:
    ///   - get: the value to record and to show; nil for none.
    ///   - set: false where a value of the right form is not accepted after all.
    package init(
        _ name: SettingName, _ placeholder: String, _ form: ValueForm, _ help: String, section: SettingSection,
        record: SettingRecord = .always, isInWeights: Bool = false, isDerived: Bool = false, get: @escaping @Sendable (Root) -> LogValue?,
        set: @escaping @Sendable (inout Root, ValueForm.Value) -> Bool
    ) {
        self.init(
            .value("\(name)", placeholder, form, help, section: section.rawValue), record, isInWeights: isInWeights, isDerived: isDerived,
            get: get, set: set)
    }

    /// The setting of settings that these are a part of.
    package func at<Whole>(_ path: WritableKeyPath<Whole, Root> & Sendable) -> Setting<Whole> {
        Setting<Whole>(
            declaration, record, isInWeights: isInWeights, isDerived: isDerived, get: { [get] in get($0[keyPath: path]) },
            set: { [set] in set(&$0[keyPath: path], $1) })
    }

    /// The same setting, of which something more is to be said: what counts if none is given, mostly.
    package func adding(_ remark: String) -> Setting {
        Setting(declaration.adding(remark), record, isInWeights: isInWeights, isDerived: isDerived, get: get, set: set)
    }

    /// As an option: its default is what the settings hold.
    package func option(_ defaults: Root) -> Option {
        isDerived ? declaration : declaration.defaulting(to: get(defaults)?.text)
    }

    /// Puts in a value that was read.
    /// - Returns: whether it is accepted; if not, nothing has changed.
    package func set(_ value: ValueForm.Value, in root: inout Root) -> Bool { set(&root, value) }

    /// What is recorded of it; nil for nothing.
    package func recorded(_ root: Root, defaults: @autoclosure () -> Root) -> LogValue? {
        switch record {
        case .always: get(root)
        case .whereItDiffers: get(root) == get(defaults()) ? nil : get(root)
        case .never: nil
        }
    }

    /// As text in a weights file's metadata: `curricle.mask_ratio`.
    package func metadata(_ root: Root) -> (key: String, value: String)? {
        guard isInWeights, let value = get(root) else { return nil }
        return (Setting.metadataKey(name), value.exactText)
    }

    /// Takes up what a weights file's metadata says of it.
    package func read(_ metadata: [String: String], into root: inout Root) {
        guard isInWeights, let text = metadata[Setting.metadataKey(name)] else { return }
        if let form = declaration.form { _ = form.read(text).map { set(&root, $0) } } else { _ = set(&root, .flag(text == "true")) }
    }

    package static func metadataKey(_ name: String) -> String { "curricle." + name.map { $0 == "-" ? "_" : String($0) }.joined() }
}

extension LogValue {
    /// With no quotes; numbers with the fewest digits that give the same number back.
    package var exactText: String {
        if case .string(let text) = self { text } else { json }
    }

    /// For people: a whole number has no point.
    package var text: String { exactText.hasSuffix(".0") ? String(exactText.dropLast(2)) : exactText }
}

extension Array {
    /// The settings of these names, in the list's order.
    package func named<Root>(_ names: [String]) -> [Setting<Root>] where Element == Setting<Root> {
        for name in names { precondition(contains { $0.name == name }, "no setting is called \(name)") }
        return filter { names.contains($0.name) }
    }

    package func named<Root>(_ names: String...) -> [Setting<Root>] where Element == Setting<Root> { named(names) }

    /// The others.
    package func without<Root>(_ names: String...) -> [Setting<Root>] where Element == Setting<Root> {
        for name in names { precondition(contains { $0.name == name }, "no setting is called \(name)") }
        return filter { !names.contains($0.name) }
    }
}
