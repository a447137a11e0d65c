package import CurricleFeatures
internal import CurricleRuntime

/// Features of images: a row an image, of ``width`` numbers each.
public struct ImageFeatures: Sendable, Equatable, RandomAccessCollection {
    /// [count, width], row after row.
    public let values: [Float]
    /// Numbers of a row.
    public let width: Int

    init(_ values: [Float], width: Int) { (self.values, self.width) = (values, width) }

    /// The first row, 0.
    public var startIndex: Int { 0 }
    /// As many as there are images.
    public var endIndex: Int { values.count / width }
    /// The features of an image, [width].
    /// - Parameter row: 0..<count
    public subscript(row: Int) -> ArraySlice<Float> { values[(row * width)..<((row + 1) * width)] }

    /// The rows whose numbers are nearest to a row's, by Euclidean distance; the row itself is none of them.
    /// - Parameters:
    ///   - row: 0..<count
    ///   - count: at most so many, nearest first.
    /// - Throws: ``CurricleError`` where a number is not finite.
    public func nearest(to row: Int, count: Int) throws(CurricleError) -> [Int] {
        guard self.count > 1, count > 0 else { return [] }
        return try CurricleError.wrapping {
            let all = try labelled(Array(repeating: 0, count: self.count))
            let one = try LabelledFeatures(features: Array(self[row]), width: width, labels: [0])
            let k = count < self.count ? count + 1 : self.count
            let found = try NearestNeighbours(training: all, k: k, threads: 1, isa: .best).neighbours(of: one)
            return Array(found[0].filter { $0 != row }.prefix(count))
        }
    }

    /// Share of these images whose class is the most frequent one among their nearest of other images, 0…1 (`curricle knn`).
    /// - Parameters:
    ///   - labels: of each row its class, count numbers.
    ///   - training: the other images' features, of the same ``width``.
    ///   - trainingLabels: of each of their rows its class.
    ///   - neighbours: how many of the nearest are asked, from 1.
    /// - Throws: ``CurricleError`` where the numbers do not fit together, or one is not finite.
    public func accuracy(
        labels: [Int], among training: ImageFeatures, labels trainingLabels: [Int], neighbours: Int = 5
    ) throws(CurricleError) -> Double {
        try CurricleError.wrapping {
            try NearestNeighbours(training: training.labelled(trainingLabels), k: neighbours, threads: 1, isa: .best)
                .accuracy(on: labelled(labels)).top1
        }
    }

    package func labelled(_ labels: [Int]) throws -> LabelledFeatures {
        guard labels.count == count else {
            throw CurricleError("\(count) rows of features and \(labels.count) labels: there is one of each for an image")
        }
        return try LabelledFeatures(features: values, width: width, labels: labels)
    }
}
