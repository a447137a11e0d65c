import CurricleEngine
import CurricleSettings
import CurricleStorage

/// What a setting's place holds: how a value that was read becomes it, and how it is recorded.
package protocol SettingType: Sendable {
    /// Of the ends of the range of accepted values.
    associatedtype Bound: Comparable
    static func form(_ range: ClosedRange<Bound>) -> ValueForm
    /// Nil for a value of another form.
    init?(_ value: ValueForm.Value)
    /// Nil where there is nothing to record.
    var recorded: LogValue? { get }
}

extension Int: SettingType {
    package static func form(_ range: ClosedRange<Int>) -> ValueForm { .whole(range) }
    package init?(_ value: ValueForm.Value) {
        guard case .whole(let number) = value else { return nil }
        self = number
    }
    package var recorded: LogValue? { .integer(self) }
}

extension UInt64: SettingType {
    package static func form(_ range: ClosedRange<Int>) -> ValueForm { .whole(range) }
    package init?(_ value: ValueForm.Value) {
        guard case .whole(let number) = value, number >= 0 else { return nil }
        self.init(number)
    }
    package var recorded: LogValue? { .integer(Int(self)) }
}

extension Double: SettingType {
    package static func form(_ range: ClosedRange<Double>) -> ValueForm { .number(range) }
    package init?(_ value: ValueForm.Value) {
        guard case .number(let number) = value else { return nil }
        self = number
    }
    package var recorded: LogValue? { .double(self) }
}

extension Float: SettingType {
    package static func form(_ range: ClosedRange<Double>) -> ValueForm { .number(range) }
    package init?(_ value: ValueForm.Value) {
        guard case .number(let number) = value else { return nil }
        self.init(number)
    }
    package var recorded: LogValue? { .float(self) }
}

extension Swift.Optional: SettingType where Wrapped: SettingType {
    package static func form(_ range: ClosedRange<Wrapped.Bound>) -> ValueForm { Wrapped.form(range) }
    package init?(_ value: ValueForm.Value) {
        guard let wrapped = Wrapped(value) else { return nil }
        self = wrapped
    }
    package var recorded: LogValue? { flatMap(\.recorded) }
}
