import CurricleEngine
import CurricleRuntime

/// How far apart two rows of features are.
enum RowDistance {
    /// |a − b|².
    case squaredEuclidean
    /// −a·b / (|a|·|b|): falling similarity; that of a row of zeros to any other is 0.
    case negatedCosine
}

/// For rows of features the nearest of a training set's, in memory that does not depend on how many rows there are.
///
/// Products in Float (`RowProducts`) say of each pair how near it can be at most, and so sort out nearly all; what is left is measured in
/// Double from the features as they are: the result is that of Double loops over all pairs.
struct NeighbourSearch {
    private static let trainingRows = 1024, testRows = 256
    /// Bytes of a block of rows, which are fewer where they are wide (whole images).
    private static let blockBytes = 16 << 20

    private let training: LabelledFeatures
    private let distance: RowDistance
    private let threads: Int
    private let isa: ISA
    /// What is taken away from rows before they are multiplied, so that products do not cancel: distances stay as they are.
    private let centre: [Double]

    init(_ training: LabelledFeatures, _ distance: RowDistance, threads: Int, isa: ISA) {
        self.training = training
        self.distance = distance
        self.threads = threads
        self.isa = isa
        centre = distance == .squaredEuclidean ? NeighbourSearch.mean(of: training) : Array(repeating: 0, count: training.width)
    }

    /// For each test row the k nearest training rows, nearest first; of equally near ones the first.
    /// - Parameter leftOut: of each test row, the training rows that are no neighbours of it, as they are the same image; empty for none at
    ///   all.
    /// - Throws: `FeaturesError.differentWidths`, `.neighbourCount` where fewer than k are left, `RuntimeError` where memory is lacking.
    func nearest(_ k: Int, to test: LabelledFeatures, leavingOut leftOut: [[Int]] = []) throws -> [NearestList] {
        let width = training.width
        guard test.width == width else { throw FeaturesError.differentWidths(training: width, test: test.width) }
        let left = training.count - (leftOut.map(\.count).max() ?? 0)
        guard k <= left else { throw FeaturesError.neighbourCount(k, training: left) }
        let size = NeighbourSearch.size(training: training.count, test: test.count, width: width)
        let products = try RowProducts(rows: size.rows, columns: size.columns, depth: width, threads: threads, isa: isa)
        var nearest = [NearestList](repeating: NearestList(capacity: k), count: test.count)
        for trainingRows in blocks(of: training.count, size: size.columns) {
            let known = Block(training, trainingRows, centre, distance)
            products.hold(known.values)
            for testRows in blocks(of: test.count, size: size.rows) {
                let asked = Block(test, testRows, centre, distance)
                compare(asked, known, try products(asked.values), pitch: size.columns, test, leftOut, &nearest)
            }
        }
        return nearest
    }

    private func compare(
        _ asked: Block, _ known: Block, _ products: UnsafeBufferPointer<Float>, pitch: Int, _ test: LabelledFeatures, _ leftOut: [[Int]],
        _ nearest: inout [NearestList]
    ) {
        for (i, row) in asked.rows.enumerated() {
            var list = nearest[row]
            let same = leftOut.isEmpty ? [] : leftOut[row]
            for (j, other) in known.rows.enumerated() {
                if !same.isEmpty, same.contains(other) { continue }
                let product = Double(products[i * pitch + j])
                if let worst = list.worst, product.isFinite, least(product, asked.squares[i], known.squares[j]) > worst { continue }
                list.offer(measured(test, row, asked.squares[i], other, known.squares[j]), index: other)
            }
            nearest[row] = list
        }
    }

    /// The least that a distance can be whose product is that, with the rows' squared lengths. Rounding the rows and adding up their
    /// `width` products takes a product by at most (width + 12)·2⁻²⁴ of |a|·|b|; twice that is allowed.
    private func least(_ product: Double, _ a: Double, _ b: Double) -> Double {
        let error = Double(training.width + 12) * Double(Float.ulpOfOne)
        return switch distance {
        case .squaredEuclidean: a + b - 2 * product - error * (a + b)
        case .negatedCosine: -product - error
        }
    }

    /// The distance of a test row and a training row, in Double.
    private func measured(_ test: LabelledFeatures, _ row: Int, _ a: Double, _ other: Int, _ b: Double) -> Double {
        let width = training.width
        return test.features.withUnsafeBufferPointer { x in
            training.features.withUnsafeBufferPointer { y in
                var sum = 0.0
                switch distance {
                case .squaredEuclidean:
                    for column in 0..<width {
                        let difference = Double(x[row * width + column]) - Double(y[other * width + column])
                        sum += difference * difference
                    }
                    return sum
                case .negatedCosine:
                    guard a > 0, b > 0 else { return 0 }
                    for column in 0..<width { sum += Double(x[row * width + column]) * Double(y[other * width + column]) }
                    return -sum / (a.squareRoot() * b.squareRoot())
                }
            }
        }
    }

    /// Rows of a block of either set.
    private static func size(training: Int, test: Int, width: Int) -> (rows: Int, columns: Int) {
        let most = max(16, blockBytes / (4 * width))
        return (min(testRows, test, most), min(trainingRows, training, most))
    }

    /// Bytes that a search takes beside the features and the results: blocks as they are multiplied, and as they are handed over.
    static func bytes(training: Int, test: Int, width: Int) -> Int {
        let size = size(training: training, test: test, width: width)
        return RowProducts.bytes(rows: size.rows, columns: size.columns, depth: width) + 8 * (size.rows + size.columns)
    }

    private static func mean(of set: LabelledFeatures) -> [Double] {
        var sums = [Double](repeating: 0, count: set.width)
        for row in 0..<set.count { for column in 0..<set.width { sums[column] += Double(set.features[row * set.width + column]) } }
        return sums.map { $0 / Double(set.count) }
    }

    /// Some rows as they are multiplied: less the centre, or of length 1.
    private struct Block {
        let rows: Range<Int>
        let values: [Float]
        /// Squared lengths: less the centre; for cosines those of the rows as they are.
        let squares: [Double]

        init(_ set: LabelledFeatures, _ rows: Range<Int>, _ centre: [Double], _ distance: RowDistance) {
            let width = set.width
            var squares: [Double] = []
            squares.reserveCapacity(rows.count)
            values = [Float](unsafeUninitializedCapacity: rows.count * width) { values, count in
                for (place, row) in rows.enumerated() {
                    var square = 0.0
                    for column in 0..<width {
                        let value = Double(set.features[row * width + column]) - centre[column]
                        square += value * value
                        values[place * width + column] = Float(value)
                    }
                    squares.append(square)
                    guard distance == .negatedCosine, square > 0 else { continue }
                    let inverse = 1 / square.squareRoot()
                    for column in 0..<width { values[place * width + column] = Float(Double(set.features[row * width + column]) * inverse) }
                }
                count = rows.count * width
            }
            self.rows = rows
            self.squares = squares
        }
    }
}
