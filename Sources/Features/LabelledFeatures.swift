/// Features of images with the images' classes: what the evaluations compare.
package struct LabelledFeatures: Sendable {
    /// Row-major [count, width].
    package let features: [Float]
    /// Numbers of a feature.
    package let width: Int
    /// The class of each row.
    package let labels: [Int]
    /// Of each row, its image's index in the source: broken images have no row.
    package let samples: [Int]

    package var count: Int { labels.count }

    /// - Throws: ``FeaturesError`` if the sizes contradict each other, there is no row, or a feature is not finite.
    package init(features: [Float], width: Int, labels: [Int], samples: [Int]? = nil) throws(FeaturesError) {
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
        self.samples = samples ?? Array(labels.indices)
    }

    /// The rows of some images.
    /// - Throws: `FeaturesError.empty` where there are none.
    package func rows(where isWanted: (_ sample: Int) -> Bool) throws(FeaturesError) -> LabelledFeatures {
        let rows = samples.indices.filter { isWanted(samples[$0]) }
        var chosen: [Float] = []
        chosen.reserveCapacity(rows.count * width)
        for row in rows { chosen += features[(row * width)..<((row + 1) * width)] }
        return try LabelledFeatures(features: chosen, width: width, labels: rows.map { labels[$0] }, samples: rows.map { samples[$0] })
    }

    /// Of each row here, the rows of other features that are of the same image.
    /// - Parameter places: of each image here, its places in the other source (`ImageSource.places`).
    package func rows(of other: LabelledFeatures, at places: [[Int]]) -> [[Int]] {
        guard places.contains(where: { !$0.isEmpty }) else { return [] }
        let rows = Dictionary(other.samples.enumerated().map { ($1, $0) }) { first, _ in first }
        return samples.map { places[$0].compactMap { rows[$0] } }
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
