/// Features of images with the images' classes: what the evaluations compare.
public struct LabelledFeatures: Sendable {
    /// Row-major [count, width].
    public let features: [Float]
    /// Numbers of a feature.
    public let width: Int
    /// The class of each row.
    public let labels: [Int]

    public var count: Int { labels.count }

    /// - Throws: ``FeaturesError`` if the sizes contradict each other, there is no row, or a feature is not finite.
    public init(features: [Float], width: Int, labels: [Int]) throws(FeaturesError) {
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

/// Rows `rows` of features, widened.
package func widened(_ set: LabelledFeatures, rows: Range<Int>) -> [Double] {
    set.features[(rows.lowerBound * set.width)..<(rows.upperBound * set.width)].map(Double.init)
}

/// Consecutive ranges of at most `size` that cover 0..<count.
package func blocks(of count: Int, size: Int) -> [Range<Int>] {
    stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
}
