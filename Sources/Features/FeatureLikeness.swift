import Foundation
import CurricleRuntime

/// How near an encoder's features are to those of the same encoder computed otherwise.
package struct FeatureLikeness: Sendable {
    /// Of each image's features with the other's: their mean, and the least.
    package let meanCosine, worstCosine: Double
    /// The image of the least.
    package let worst: Int
    /// ‖a − b‖ / ‖b‖ over all images.
    package let relativeError: Double
    /// Share of the images whose nearest other image, by cosine, is the same one; nil for fewer than two.
    package let sameNeighbour: Double?

    /// - Parameters:
    ///   - features: [images, width], row-major, as `others`.
    ///   - threads: of the search for neighbours; they change nothing.
    /// - Throws: `FeaturesError` where sizes contradict each other or a feature is not finite; `RuntimeError` where memory is lacking.
    package init(_ features: [Float], to others: [Float], width: Int, threads: Int = 1, isa: ISA = .best) throws {
        let labels = Array(repeating: 0, count: features.count / max(1, width)), images = labels.count
        let (a, b) = (
            try LabelledFeatures(features: features, width: width, labels: labels),
            try LabelledFeatures(features: others, width: width, labels: labels)
        )
        let cosines = (0..<images).map { image in
            let row = (image * width)..<((image + 1) * width)
            return FeatureLikeness.cosine(features[row], others[row])
        }
        worst = cosines.indices.min { cosines[$0] < cosines[$1] } ?? 0
        worstCosine = cosines[worst]
        meanCosine = cosines.reduce(0, +) / Double(images)
        let difference = zip(features, others).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
        let size = others.reduce(0.0) { $0 + Double($1) * Double($1) }
        relativeError = size > 0 ? (difference / size).squareRoot() : 0
        /// Each image's nearest other one.
        func nearest(_ features: LabelledFeatures) throws -> [Int?] {
            let search = NeighbourSearch(features, .negatedCosine, threads: threads, isa: isa)
            return try search.nearest(1, to: features, leavingOut: (0..<images).map { [$0] }).map { $0.entries.first?.index }
        }
        sameNeighbour =
            images < 2 ? nil : Double(zip(try nearest(a), try nearest(b)).count { $0 == $1 }) / Double(images)
    }

    /// A line for people.
    package var text: String {
        String(format: "against float32: cosine %.5f, worst %.5f; relative error %.4f", meanCosine, worstCosine, relativeError)
            + (sameNeighbour.map { String(format: "; the same nearest neighbour for %.1f %% of the images", 100 * $0) } ?? "")
    }

    /// 1 where both are zero.
    private static func cosine(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
        func product(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
            zip(a, b).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        }
        let lengths = (product(a, a).squareRoot(), product(b, b).squareRoot())
        if lengths.0 == 0 || lengths.1 == 0 { return lengths.0 == lengths.1 ? 1 : 0 }
        return product(a, b) / (lengths.0 * lengths.1)
    }
}
