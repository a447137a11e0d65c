/// A value in a line of a ``StepLog``.
package enum LogValue: Sendable, Equatable {
    case string(String)
    case integer(Int)
    case double(Double)
    /// Printed with the fewest digits that give the same float back, not the same double.
    case float(Float)
    case boolean(Bool)
    case numbers([Double])
    case strings([String])

    /// JSON text. Numbers have the fewest digits that read back to the same bits; JSON knows no NaN and no infinity,
    /// so these become the strings "NaN", "Infinity" and "-Infinity".
    package var json: String {
        switch self {
        case .string(let text): jsonQuoted(text)
        case .integer(let number): String(number)
        case .double(let number): number.isFinite ? number.description : LogValue.name(number)
        case .float(let number): number.isFinite ? number.description : LogValue.name(Double(number))
        case .boolean(let truth): truth ? "true" : "false"
        case .strings(let values): "[" + values.map { LogValue.string($0).json }.joined(separator: ",") + "]"
        case .numbers(let list): "[" + list.map { LogValue.double($0).json }.joined(separator: ",") + "]"
        }
    }

    private static func name(_ number: Double) -> String {
        number.isNaN ? "\"NaN\"" : number < 0 ? "\"-Infinity\"" : "\"Infinity\""
    }
}

extension LogValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int) { self = .integer(value) }
    package init(floatLiteral value: Double) { self = .double(value) }
    package init(booleanLiteral value: Bool) { self = .boolean(value) }
}

/// A JSON object on one line, keys in the order they are given.
package func jsonLine(_ fields: [(key: String, value: LogValue)]) -> String {
    "{" + fields.map { "\(jsonQuoted($0.key)):\($0.value.json)" }.joined(separator: ",") + "}"
}
