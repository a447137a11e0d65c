import Features

/// A linear classifier in closed form: how much of the classes can be read off the features by a plane each.
///
/// Features are standardised by the training set's mean and deviation, a column of ones is added, targets are one-hot:
/// W = (ZᵀZ + λN·I)⁻¹ ZᵀY, with λ on every column, that of ones too. The prediction is the largest score. All in Double.
public struct RidgeProbe: Sendable {
    /// The classes of the training set, rising.
    public let classes: [Int]

    private static let block = 1024
    /// A column whose deviation is below this share of its size is a constant seen through rounding.
    private static let smallestDeviation = 1e-7

    private let algebra: Algebra
    private let scaling: Scaling
    /// [classes, width + 1]; the last column belongs to the ones.
    private let weights: [Double]

    /// Fits the classifier.
    /// - Parameter penalty: λ; N times it is added to the diagonal.
    /// - Throws: `.penalty`, `.unsolvable`, `.noAlgebra`.
    public init(training: LabelledFeatures, penalty: Double = 0.01) throws(EvaluationError) {
        guard penalty > 0, penalty.isFinite else { throw .penalty(penalty) }
        let algebra = try Algebra()
        let classes = Set(training.labels).sorted()
        let places = Dictionary(uniqueKeysWithValues: classes.enumerated().map { ($1, $0) })
        let scaling = Scaling(of: training)
        let columns = training.width + 1
        var gram = [Double](repeating: 0, count: columns * columns)
        var sums = [Double](repeating: 0, count: classes.count * columns)
        for rows in blocks(of: training.count, size: RidgeProbe.block) {
            let z = scaling.apply(to: training, rows: rows)
            algebra.addGram(of: z, count: rows.count, width: columns, to: &gram)
            for (row, label) in training.labels[rows].enumerated() {
                guard let place = places[label] else { continue }
                for column in 0..<columns { sums[place * columns + column] += z[row * columns + column] }
            }
        }
        for column in 0..<columns { gram[column * columns + column] += penalty * Double(training.count) }
        self.classes = classes
        self.scaling = scaling
        self.algebra = algebra
        weights = try algebra.solve(gram, sums, count: classes.count, width: columns)
    }

    /// The predicted class of each row; of equal scores the smallest label.
    /// - Throws: `.differentWidths`.
    public func predict(_ test: LabelledFeatures) throws(FeaturesError) -> [Int] {
        let scores = try scores(test)
        return (0..<test.count).map { row in
            let start = row * classes.count
            var best = 0
            for place in 1..<max(1, classes.count) where scores[start + place] > scores[start + best] { best = place }
            return classes[best]
        }
    }

    /// Scores, row-major [test rows, classes].
    /// - Throws: `.differentWidths`.
    public func scores(_ test: LabelledFeatures) throws(FeaturesError) -> [Double] {
        guard test.width == scaling.means.count else {
            throw .differentWidths(training: scaling.means.count, test: test.width)
        }
        var all: [Double] = []
        all.reserveCapacity(test.count * classes.count)
        for rows in blocks(of: test.count, size: RidgeProbe.block) {
            let z = scaling.apply(to: test, rows: rows)
            all += algebra.dotProducts(z, weights, rows: rows.count, columns: classes.count, depth: test.width + 1)
        }
        return all
    }

    /// Share of rows whose predicted class is right.
    /// - Throws: `.differentWidths`.
    public func accuracy(on test: LabelledFeatures) throws(FeaturesError) -> Double {
        let right = zip(try predict(test), test.labels).count { $0 == $1 }
        return Double(right) / Double(test.count)
    }

    /// Mean and inverse deviation of each column of the training set.
    private struct Scaling: Sendable {
        let means: [Double]
        let inverseDeviations: [Double]

        init(of set: LabelledFeatures) {
            let width = set.width
            let count = Double(set.count)
            var means = [Double](repeating: 0, count: width)
            for row in 0..<set.count {
                for column in 0..<width { means[column] += Double(set.features[row * width + column]) }
            }
            for column in 0..<width { means[column] /= count }
            var variances = [Double](repeating: 0, count: width)
            for row in 0..<set.count {
                for column in 0..<width {
                    let difference = Double(set.features[row * width + column]) - means[column]
                    variances[column] += difference * difference
                }
            }
            self.means = means
            // A constant column says nothing of the classes: 0 keeps it out, whatever it is in the test set.
            inverseDeviations = (0..<width).map { column in
                let deviation = (variances[column] / count).squareRoot()
                return deviation > RidgeProbe.smallestDeviation * abs(means[column]) ? 1 / deviation : 0
            }
        }

        /// Standardised rows with a one at each end: [rows, width + 1].
        func apply(to set: LabelledFeatures, rows: Range<Int>) -> [Double] {
            let width = set.width
            var result = [Double](repeating: 1, count: rows.count * (width + 1))
            for (place, row) in rows.enumerated() {
                for column in 0..<width {
                    let value = Double(set.features[row * width + column])
                    result[place * (width + 1) + column] = (value - means[column]) * inverseDeviations[column]
                }
            }
            return result
        }
    }
}
