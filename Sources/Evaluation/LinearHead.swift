/// What a linear probe learned, as a layer on features as they are: the standardisation is part of it.
package struct LinearHead: Sendable, Equatable {
    /// The classes, rising: labels of the training set.
    package let classes: [Int]
    /// [classes, width]
    package let weights: [Float]
    /// [classes]
    package let bias: [Float]

    /// From a layer on z = (x − mean)·factor: W·z + b = (W·factor)·x + (b − Σ W·factor·mean).
    /// - Parameter weights: [classes, width].
    init(classes: [Int], weights: [Double], bias: [Double], mean: [Double], factor: [Double]) {
        let width = mean.count
        let scaled = weights.indices.map { weights[$0] * factor[$0 % width] }
        self.classes = classes
        self.weights = scaled.map { Float($0) }
        self.bias = classes.indices.map { row in
            Float(bias[row] - (0..<width).reduce(0) { $0 + scaled[row * width + $1] * mean[$1] })
        }
    }
}
