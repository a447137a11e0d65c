import Foundation

/// The largest error of one kind of values, and where it is.
package struct Comparison: Sendable, Equatable {
    /// What is compared: `scores`, `gradients` …
    package let kind: String
    /// What the error is measured by.
    package let measure: String
    package let tolerance: Double
    /// Largest error so far, in units of the measure; infinite where a value is not finite or missing.
    package private(set) var worst = 0.0
    /// The tensor it is in.
    package private(set) var worstTensor = ""
    /// Largest error over its own tolerance, which may differ from tensor to tensor.
    private var worstRatio = -1.0
    package private(set) var compared = 0

    init(_ kind: String, _ measure: String, tolerance: Double) {
        self.kind = kind
        self.measure = measure
        self.tolerance = tolerance
    }

    package var passes: Bool { compared > 0 && worstRatio <= 1 }

    /// Notes an error. NaN counts as infinite: a comparison must never pass because a value is not a number.
    package mutating func note(_ error: Double, _ tensor: String, tolerance own: Double? = nil) {
        let value = error.isNaN ? .infinity : error
        compared += 1
        let ratio = value / (own ?? tolerance)
        if ratio > worstRatio { (worstRatio, worst, worstTensor) = (ratio, value, tensor) }
    }

    /// Largest |a − b| over the largest |b|.
    package mutating func note(_ ours: [Float], _ expected: [Float], _ tensor: String) {
        guard ours.count == expected.count, !expected.isEmpty else { return note(.infinity, tensor) }
        var difference = 0.0, scale = 0.0
        for (a, b) in zip(ours, expected) {
            guard a.isFinite, b.isFinite else { return note(.infinity, tensor) }
            difference = max(difference, abs(Double(a) - Double(b)))
            scale = max(scale, abs(Double(b)))
        }
        note(scale == 0 ? (difference == 0 ? 0 : .infinity) : difference / scale, tensor)
    }

    /// |a − b| over |b|.
    mutating func noteRelative(_ ours: Double, _ expected: Double, _ tensor: String, absolute: Double = 0) {
        let difference = abs(ours - expected)
        if difference <= absolute { return note(0, tensor) }
        note(expected == 0 ? (difference == 0 ? 0 : .infinity) : difference / abs(expected), tensor)
    }
}

/// All comparisons of one file.
package struct VerificationReport: Sendable {
    package let path: String
    package var comparisons: [Comparison]
    package var passes: Bool { comparisons.allSatisfy(\.passes) }
}
