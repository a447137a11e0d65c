import Foundation

/// What an accuracy is to be read beside: how many images it is of, and what guessing would give.
package struct JudgedImages: Sendable, Equatable {
    package let images: Int
    /// Classes that an answer is one of.
    package let classes: Int
    /// Share of the images that are of their most frequent class: the accuracy of always naming that one.
    package let largest: Double

    /// - Parameters:
    ///   - labels: of the judged images.
    ///   - classes: how many there are to choose among.
    package init(labels: some Sequence<Int>, classes: Int) {
        let counts = Dictionary(labels.map { ($0, 1) }, uniquingKeysWith: +)
        images = counts.values.reduce(0, +)
        self.classes = classes
        largest = images == 0 ? 0 : Double(counts.values.max() ?? 0) / Double(images)
    }

    /// One standard error of a share of right answers p, √(p(1 − p)/n).
    package func standardError(of share: Double) -> Double { (share * (1 - share) / Double(max(1, images))).squareRoot() }

    /// `0.626 ± 0.029`.
    package func brief(_ share: Double) -> String { String(format: "%.3f ± %.3f", share, standardError(of: share)) }

    /// `0.626 ± 0.029 (286 images, 8 classes, largest 0.231)`.
    package func text(_ share: Double) -> String {
        "\(brief(share)) (\(images) image\(images == 1 ? "" : "s"), \(classes) classes, " + String(format: "largest %.3f)", largest)
    }
}
