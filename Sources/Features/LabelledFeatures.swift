/// Features of images with the images' classes: what the evaluations compare.
public struct LabelledFeatures: Sendable {
    /// Row-major [count, width].
    public let features: [Float]
    /// Numbers of a feature.
    public let width: Int
    /// The class of each row.
    public let labels: [Int]

    public var count: Int { labels.count }

    /// - Throws: ``EvaluationError`` if the sizes contradict each other, there is no row, or a feature is not finite.
    public init(features: [Float], width: Int, labels: [Int]) throws(EvaluationError) {
        guard width > 0, !labels.isEmpty else { throw .empty }
        let (needed, overflow) = width.multipliedReportingOverflow(by: labels.count)
        guard !overflow, needed == features.count else {
            throw .sizes(features: features.count, width: width, labels: labels.count)
        }
        guard width < Int(Int32.max), labels.count < Int(Int32.max) else {
            throw .sizes(features: features.count, width: width, labels: labels.count)
        }
        if let index = features.firstIndex(where: { !$0.isFinite }) { throw .notFinite(row: index / width) }
        self.features = features
        self.width = width
        self.labels = labels
    }
}

/// Why an evaluation cannot be made.
public enum EvaluationError: Error, Sendable, Equatable, CustomStringConvertible {
    case empty
    case sizes(features: Int, width: Int, labels: Int)
    case notFinite(row: Int)
    case differentWidths(training: Int, test: Int)
    case neighbourCount(Int, training: Int)
    case penalty(Double)
    case unsolvable
    case fewClasses(ways: Int, shots: Int, found: Int)

    public var description: String {
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
            "-k \(count) is not possible; give 1 to \(training), the number of training images"
        case .penalty(let penalty):
            "a ridge penalty of \(penalty) is not possible; give a number above 0"
        case .unsolvable:
            "the ridge equations have no stable solution; check the features or raise the penalty"
        case .fewClasses(let ways, let shots, let found):
            "\(ways) ways of \(shots) shots need at least 2 and at most the \(found) classes that have \(shots) training images and a test image"
        }
    }
}

/// Rows `rows` of features, widened.
package func widened(_ set: LabelledFeatures, rows: Range<Int>) -> [Double] {
    set.features[(rows.lowerBound * set.width)..<(rows.upperBound * set.width)].map(Double.init)
}

/// Consecutive ranges of at most `size` that cover 0..<count.
package func blocks(of count: Int, size: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
}
