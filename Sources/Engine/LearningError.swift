import CurricleSettings
import CurricleStorage

/// What can go wrong in training and evaluation beside files, images and memory.
package enum LearningError: NamesSettings, Sendable, Equatable {
    case configuration(Message)
    case file(path: String, reason: Message)
    case nonfinite(Message)
    /// A limit on memory that nothing fits.
    case memory(limit: Int, least: Int)

    /// The input was good, but what was asked for cannot be, or what was computed is not.
    package var isFailedCheck: Bool {
        switch self {
        case .nonfinite, .memory: true
        case .configuration, .file: false
        }
    }

    package var message: Message {
        switch self {
        case .configuration(let problem): problem
        case .file(let path, let reason): "\(path): \(reason)"
        case .nonfinite(let what): what
        case .memory(let limit, let least):
            "nothing fits in \(ByteCount.text(limit)): this training takes \(ByteCount.text(least)) at least; "
                + "raise \(.memoryLimit), or lower \(.batchSize)"
        }
    }
}
