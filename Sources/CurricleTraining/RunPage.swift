public import Curricle
internal import CurricleReports
internal import CurricleStorage

/// A run as one HTML page that needs no network: curves, what the masker does, pictures (`curricle report`).
public struct RunPage: Sendable {
    /// The page's text.
    public let html: String

    /// Reads the folder of a run, one that goes on or is over.
    /// - Parameter folder: of ``Pretraining`` or ``Finetuning``.
    /// - Throws: `CurricleError` where its log or a picture cannot be read.
    public init(of folder: String) throws(CurricleError) {
        html = try CurricleError.wrapping { try RunReport(run: folder).html() }
    }

    /// Writes the page.
    /// - Parameter path: replaced whole, or not at all.
    /// - Throws: `CurricleError` where it cannot be written.
    public func write(to path: String) throws(CurricleError) {
        try CurricleError.wrapping { try DurableFile.write(Array(html.utf8), to: path) }
    }
}
