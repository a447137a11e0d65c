/// Why features cannot be probed, beside what is wrong with the features themselves (`FeaturesError`).
package enum EvaluationError: Error, Sendable, Equatable, CustomStringConvertible {
    case penalty(Double)
    case unsolvable
    /// Features of so many numbers, whose Gram matrix no memory holds.
    case tooWide(Int)
    case fewClasses(ways: Int, shots: Int, found: Int)
    /// OpenBLAS cannot be opened, for this reason.
    case noAlgebra(String)

    package var description: String {
        switch self {
        case .penalty(let penalty):
            "a ridge penalty of \(penalty) is not possible; give a number above 0"
        case .tooWide(let width):
            "features of \(width) numbers are too wide for ridge; give smaller images or another pool"
        case .unsolvable:
            "the equations have no stable solution; check the features, or for ridge raise the penalty"
        case .fewClasses(let ways, let shots, let found):
            "\(ways) ways of \(shots) shots need at least 2 and at most the \(found) classes that have \(shots) training images and "
                + "a test image"
        case .noAlgebra(let reason):
            "this needs OpenBLAS, which cannot be used: \(reason); install it (Debian: libopenblas0), or name its file in CURRICLE_OPENBLAS"
        }
    }
}
