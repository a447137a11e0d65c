import Foundation

/// How near an encoder's features are to those of the same encoder computed otherwise.
public struct FeatureLikeness: Sendable {
    /// Of each image's features with the other's: their mean, and the least.
    public let meanCosine, worstCosine: Double
    /// The image of the least.
    public let worst: Int
    /// ‖a − b‖ / ‖b‖ over all images.
    public let relativeError: Double
    /// Share of the images whose nearest other image, by cosine, is the same one; nil for fewer than two.
    public let sameNeighbour: Double?

    /// - Parameters:
    ///   - features: [images, width], row-major, as `others`.
    /// - Precondition: as many numbers, of one image or more.
    public init(_ features: [Float], to others: [Float], width: Int) {
        precondition(features.count == others.count && features.count >= width, "the same images, one or more")
        let images = features.count / width
        let (a, b) = (Rows(features, width), Rows(others, width))
        let cosines = (0..<images).map { a.cosine($0, b, $0) }
        worst = cosines.indices.min { cosines[$0] < cosines[$1] } ?? 0
        worstCosine = cosines[worst]
        meanCosine = cosines.reduce(0, +) / Double(images)
        let difference = zip(features, others).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
        let size = others.reduce(0.0) { $0 + Double($1) * Double($1) }
        relativeError = size > 0 ? (difference / size).squareRoot() : 0
        sameNeighbour = images < 2 ? nil : Double((0..<images).count { a.nearest($0) == b.nearest($0) }) / Double(images)
    }

    /// A line for people.
    public var text: String {
        String(format: "against float32: cosine %.5f, worst %.5f; relative error %.4f", meanCosine, worstCosine, relativeError)
            + (sameNeighbour.map { String(format: "; the same nearest neighbour for %.1f %% of the images", 100 * $0) } ?? "")
    }

    private struct Rows {
        let values: [Float], width: Int, lengths: [Double]
        init(_ values: [Float], _ width: Int) {
            self.values = values
            self.width = width
            lengths = (0..<values.count / width).map { row in
                values[(row * width)..<((row + 1) * width)].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            }
        }
        /// Of row i with another's row j; 1 where both are zero.
        func cosine(_ i: Int, _ other: Rows, _ j: Int) -> Double {
            var sum = 0.0
            for k in 0..<width { sum += Double(values[i * width + k]) * Double(other.values[j * width + k]) }
            let lengths = lengths[i] * other.lengths[j]
            return lengths > 0 ? sum / lengths : lengths == 0 && self.lengths[i] == other.lengths[j] ? 1 : 0
        }
        func nearest(_ i: Int) -> Int? {
            lengths.indices.filter { $0 != i }.max { cosine(i, self, $0) < cosine(i, self, $1) }
        }
    }
}
