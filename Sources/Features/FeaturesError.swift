import CurricleSettings

/// Why features cannot be compared.
package enum FeaturesError: NamesSettings, Sendable, Equatable {
    case empty
    case sizes(features: Int, width: Int, labels: Int)
    case notFinite(row: Int)
    case differentWidths(training: Int, test: Int)
    case neighbourCount(Int, training: Int)

    package var message: Message {
        switch self {
        case .empty:
            "there are no features to evaluate; check that the folders hold images"
        case .sizes(let features, let width, let labels):
            "\(features) numbers are no \(labels) features of \(width) each; give one feature for each label"
        case .notFinite(let row):
            "the features of image \(row) are not finite; check the weights"
        case .differentWidths(let training, let test):
            "training features have \(training) numbers, test features \(test); take both from the same weights"
        case .neighbourCount(let count, let training):
            "\(.neighbours) \(count) is not possible; give 1 to \(training), the number of training images"
        }
    }
}
