internal import CurricleFeatures
internal import CurricleRuntime

/// Features of images: a row an image, of ``width`` numbers each.
public struct ImageFeatures: Sendable, Equatable, RandomAccessCollection {
    /// [count, width], row after row.
    public let values: [Float]
    /// Numbers of a row.
    public let width: Int

    init(_ values: [Float], width: Int) { (self.values, self.width) = (values, width) }

    public var startIndex: Int { 0 }
    public var endIndex: Int { values.count / width }
    /// The row of an image, 0..<count.
    public subscript(row: Int) -> ArraySlice<Float> { values[(row * width)..<((row + 1) * width)] }

    /// The rows whose numbers are nearest to a row's, by Euclidean distance; the row itself is none of them.
    /// - Parameters:
    ///   - row: 0..<count
    ///   - count: at most so many, nearest first.
    /// - Throws: ``CurricleError`` where a number is not finite.
    public func nearest(to row: Int, count: Int) throws(CurricleError) -> [Int] {
        guard self.count > 1, count > 0 else { return [] }
        return try CurricleError.wrapping {
            let all = try LabelledFeatures(features: values, width: width, labels: Array(repeating: 0, count: self.count))
            let one = try LabelledFeatures(features: Array(self[row]), width: width, labels: [0])
            let found = try NearestNeighbours(training: all, k: Swift.min(count + 1, self.count), threads: 1, isa: .best).neighbours(
                of: one)
            return Array(found[0].filter { $0 != row }.prefix(count))
        }
    }
}
