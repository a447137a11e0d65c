import CurricleFeatures
import Foundation

/// A linear classifier in closed form: how much of the classes can be read off the features by a plane each.
///
/// Features are standardised by the training set's mean and deviation, a column of ones is added, targets are one-hot:
/// W = (ZᵀZ + λN·I)⁻¹ ZᵀY, with λ on every column, that of ones too. The prediction is the largest score. All in Double.
///
/// λ is multiplied by the number of training images N, so that it means the same for any number of them: scikit-learn's `Ridge(alpha)` is
/// λ = alpha / N. Where none is given, the one of ``penalties`` counts that has the least leave-one-out error, as scikit-learn's `RidgeCV`
/// finds it: with ZᵀZ = VΛVᵀ and u = zV, an image is predicted without itself by e / (1 − h) with e = y − Σ u·(Vᵀ ZᵀY)/(Λ + λN) and
/// h = Σ u²/(Λ + λN), so that one eigendecomposition does for all of them.
package struct RidgeProbe: Sendable {
    /// The classes of the training set, rising.
    package let classes: [Int]

    /// What λ was fitted with.
    package let penalty: Double
    /// Leave-one-out errors of ``penalties``: squared, summed over images and classes; empty where a penalty was given.
    package let errors: [Double]
    /// Penalties that are tried where none is given: half decades.
    package static let penalties = (-12...4).map { pow(10, Double($0) / 2) }

    private static let block = 1024
    /// A column whose deviation is below this share of its size is a constant seen through rounding.
    private static let smallestDeviation = 1e-7

    private let algebra: Algebra
    private let scaling: Scaling
    /// [classes, width + 1]; the last column belongs to the ones.
    private let weights: [Double]

    /// Fits the classifier.
    /// - Parameter given: λ; N times it is added to the diagonal; nil for the one of ``penalties`` with the least leave-one-out error.
    /// - Throws: `.penalty`, `.tooWide`, `.unsolvable`, `.noAlgebra`.
    package init(training: LabelledFeatures, penalty given: Double? = nil) throws(EvaluationError) {
        if let given, !(given > 0 && given.isFinite) { throw .penalty(given) }
        guard training.width < 1 << 15 else { throw .tooWide(training.width) }
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
        self.classes = classes
        self.scaling = scaling
        self.algebra = algebra
        if let given {
            (penalty, errors) = (given, [])
        } else {
            errors = try RidgeProbe.leaveOneOutErrors(training, scaling, algebra, gram, sums, places)
            penalty = zip(RidgeProbe.penalties, errors).min { $0.1 < $1.1 }?.0 ?? 0.01
        }
        for column in 0..<columns { gram[column * columns + column] += penalty * Double(training.count) }
        weights = try algebra.solve(gram, sums, count: classes.count, width: columns)
    }

    /// Of each of ``penalties`` the sum over images and classes of the squared error of an image that was not learned from.
    private static func leaveOneOutErrors(
        _ training: LabelledFeatures, _ scaling: Scaling, _ algebra: Algebra, _ gram: [Double], _ sums: [Double], _ places: [Int: Int]
    ) throws(EvaluationError) -> [Double] {
        let columns = training.width + 1, classes = places.count
        let found = try algebra.largestEigenvectors(gram, count: columns, width: columns), vectors = found.vectors.flatMap { $0 }
        // [classes, columns]: what each class's sums are along the eigenvectors.
        let along = algebra.dotProducts(sums, vectors, rows: classes, columns: columns, depth: columns)
        let inverses = penalties.map { penalty in found.values.map { 1 / (max(0, $0) + penalty * Double(training.count)) } }
        let weights = inverses.map { inverse in along.indices.map { along[$0] * inverse[$0 % columns] } }
        var errors = [Double](repeating: 0, count: penalties.count)
        for rows in blocks(of: training.count, size: block) {
            let u = algebra.dotProducts(
                scaling.apply(to: training, rows: rows), vectors, rows: rows.count, columns: columns, depth: columns)
            let squares = u.map { $0 * $0 }
            let leverages = algebra.dotProducts(
                squares, inverses.flatMap { $0 }, rows: rows.count, columns: penalties.count, depth: columns)
            for (index, weight) in weights.enumerated() {
                let scores = algebra.dotProducts(u, weight, rows: rows.count, columns: classes, depth: columns)
                for (place, row) in rows.enumerated() {
                    let own = places[training.labels[row]], left = 1 - leverages[place * penalties.count + index]
                    for c in 0..<classes {
                        let error = ((c == own ? 1 : 0) - scores[place * classes + c]) / left
                        errors[index] += error * error
                    }
                }
            }
        }
        // An image that nothing but itself predicts leaves 0 / 0.
        return errors.map { $0.isFinite ? $0 : .infinity }
    }

    /// The scores as a layer on features as they are.
    package var head: LinearHead {
        let width = scaling.means.count, columns = width + 1
        return LinearHead(
            classes: classes, weights: classes.indices.flatMap { weights[($0 * columns)..<($0 * columns + width)] },
            bias: classes.indices.map { weights[$0 * columns + width] }, mean: scaling.means, factor: scaling.inverseDeviations)
    }

    /// The predicted class of each row; of equal scores the smallest label.
    /// - Throws: `.differentWidths`.
    package func predict(_ test: LabelledFeatures) throws(FeaturesError) -> [Int] {
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
    package func scores(_ test: LabelledFeatures) throws(FeaturesError) -> [Double] {
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
    package func accuracy(on test: LabelledFeatures) throws(FeaturesError) -> Double {
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
