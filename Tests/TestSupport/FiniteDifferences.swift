import Foundation
import CurricleGraph
import CurricleRandomness
import CurricleReference

/// Central differences of a graph's scalar loss in Double, the interpreter doing the sums.
package struct FiniteDifferences {
    let graph: Graph
    let loss: ValueID
    let interpreter: Interpreter
    static let step = 1e-5

    package init(_ graph: Graph, loss: ValueID, interpreter: Interpreter) {
        self.graph = graph
        self.loss = loss
        self.interpreter = interpreter
    }

    /// The slope of the loss along a direction in one parameter; of several losses the last is the total.
    package func slope(of parameter: String, along direction: [Double]) throws -> Double {
        func loss(at distance: Double) throws -> Double {
            var moved = interpreter
            moved.parameters[parameter] = zip(interpreter.parameters[parameter]!, direction).map { $0 + distance * $1 }
            return try moved.evaluate(graph).values[self.loss]!.last!
        }
        return try (loss(at: Self.step) - loss(at: -Self.step)) / (2 * Self.step)
    }

    /// Directions to try for a parameter of `count` numbers: two random ones, and its first, a middle and its last number alone.
    package static func directions(_ count: Int) -> [[Double]] {
        var random = Philox(seed: 7)
        let dense = (0..<2).map { _ in (0..<count).map { _ in random.uniform(-1, 1) } }
        return dense + Set([0, count / 2, count - 1]).sorted().map { i in (0..<count).map { $0 == i ? 1 : 0 } }
    }
}
