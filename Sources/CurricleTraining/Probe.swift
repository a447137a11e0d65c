public import Curricle
internal import CurricleEvaluation
internal import CurricleFeatures

/// How much of the classes can be read off features by a plane each: a linear classifier in closed form, its penalty the one of the least
/// leave-one-out error (`curricle probe --method ridge`). Needs OpenBLAS, which is opened when the first probe is fitted.
public struct Probe: Sendable {
    private let fitted: RidgeProbe

    /// Fits the classifier.
    /// - Parameters:
    ///   - features: of the training images, [count, width].
    ///   - labels: of each image its class, count numbers.
    /// - Throws: `CurricleError` where the numbers do not fit together, there is one class, or OpenBLAS is not there.
    public init(_ features: ImageFeatures, labels: [Int]) throws(CurricleError) {
        fitted = try CurricleError.wrapping {
            guard Set(labels).count > 1 else { throw CurricleError("a probe needs labels of two classes or more") }
            return try RidgeProbe(training: features.labelled(labels))
        }
    }

    /// The class of each image.
    /// - Parameter features: [count, width], of the width that the probe was fitted with.
    /// - Throws: `CurricleError` for another width, or numbers that are not finite.
    public func predictions(for features: ImageFeatures) throws(CurricleError) -> [Int] {
        try CurricleError.wrapping { try fitted.predict(features.labelled([Int](repeating: 0, count: features.count))) }
    }

    /// Share of the images whose class is found, 0…1.
    /// - Parameters:
    ///   - features: [count, width], of the width that the probe was fitted with.
    ///   - labels: count numbers.
    /// - Throws: `CurricleError` for another width, or numbers that are not finite.
    public func accuracy(on features: ImageFeatures, labels: [Int]) throws(CurricleError) -> Double {
        try CurricleError.wrapping { try fitted.accuracy(on: features.labelled(labels)) }
    }
}
