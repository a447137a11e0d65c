import CurricleCInstructions
import CurricleTensors

/// A buffer of the arena: its place, and the instructions between which it lives (both included).
package struct PlannedBuffer: Sendable, Hashable {
    package let name: String
    package let offset: Int
    package let bytes: Int
    package let lifetime: ClosedRange<Int>
    package init(name: String, offset: Int, bytes: Int, lifetime: ClosedRange<Int>) {
        self.name = name
        self.offset = offset
        self.bytes = bytes
        self.lifetime = lifetime
    }
}

/// What the caller gives at each run, in a segment of its own.
package struct GivenPlace: Sendable, Hashable {
    package let name: InputName
    package let type: TensorType
    package init(name: InputName, type: TensorType) {
        self.name = name
        self.type = type
    }
}

/// Where a result is found after a run: byte `offset` of the results.
package struct ResultPlace: Sendable, Hashable {
    package let name: String
    package let type: TensorType
    package let offset: Int
    package init(name: String, type: TensorType, offset: Int) {
        self.name = name
        self.type = type
        self.offset = offset
    }
}

/// The compiler's output as plain data.
package struct Program: Sendable {
    package var instructions: [Instruction]
    package var buffers: [PlannedBuffer]
    /// What a run is given; the first lies in segment `.given(0)`.
    package var inputs: [GivenPlace]
    package var results: [ResultPlace]
    package var arenaBytes: Int
    package var resultBytes: Int
    /// The most bytes alive at once: no plan can take less.
    package var lowerBoundBytes: Int
    /// What the arena would be if every value had its own place.
    package var naiveBytes: Int
    /// FLOPs done a second time so that less has to be kept; part of `flops`.
    package var recomputedFlops: Double
    /// Bytes left free behind each buffer of the arena.
    package var guardBytes: Int

    package init(
        instructions: [Instruction], buffers: [PlannedBuffer] = [], inputs: [GivenPlace] = [], results: [ResultPlace] = [],
        arenaBytes: Int, resultBytes: Int = 0, lowerBoundBytes: Int, naiveBytes: Int, recomputedFlops: Double = 0, guardBytes: Int = 0
    ) {
        self.instructions = instructions
        self.buffers = buffers
        self.inputs = inputs
        self.results = results
        self.arenaBytes = arenaBytes
        self.resultBytes = resultBytes
        self.lowerBoundBytes = lowerBoundBytes
        self.naiveBytes = naiveBytes
        self.recomputedFlops = recomputedFlops
        self.guardBytes = guardBytes
    }

    package var flops: Double { instructions.reduce(0) { $0 + $1.flops } }

    package func input(_ name: InputName) -> GivenPlace? { inputs.first { $0.name == name } }

    /// - Throws: `MissingResult` where the program has none of that name.
    package func result(_ name: String) throws(MissingResult) -> ResultPlace {
        guard let place = results.first(where: { $0.name == name }) else { throw MissingResult(name: name, results: results.map(\.name)) }
        return place
    }

    package func hasResult(_ name: String) -> Bool { results.contains { $0.name == name } }
}

/// A result was asked for that a program does not have.
package struct MissingResult: Error, Sendable, Equatable, CustomStringConvertible {
    package let name: String
    package let results: [String]
    package var description: String { "the program has no result '\(name)': it has \(results.joined(separator: ", "))" }
}
