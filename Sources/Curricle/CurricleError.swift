internal import CurricleSettings

/// What went wrong, in one line that names the file or setting, the reason, and what to do.
public struct CurricleError: Error, Sendable, CustomStringConvertible {
    /// The line.
    public let description: String

    package init(_ error: any Error) {
        description = (error as? any NamesSettings)?.message.description ?? "\(error)"
    }

    package init(_ text: String) { description = text }

    /// Runs something whose errors become this one.
    package static func wrapping<Result>(_ body: () throws -> Result) throws(CurricleError) -> Result {
        do { return try body() } catch { throw (error as? CurricleError) ?? CurricleError(error) }
    }
}
