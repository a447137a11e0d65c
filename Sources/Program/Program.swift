import CInstructions
import Tensors

/// A buffer of the arena: its place, and the instructions between which it lives (both included).
public struct PlannedBuffer: Sendable, Hashable {
    public let name: String
    public let offset: Int
    public let bytes: Int
    public let lifetime: ClosedRange<Int>
    public init(name: String, offset: Int, bytes: Int, lifetime: ClosedRange<Int>) {
        self.name = name
        self.offset = offset
        self.bytes = bytes
        self.lifetime = lifetime
    }
}

/// What the caller gives at each run, in a segment of its own.
public struct GivenPlace: Sendable, Hashable {
    public let name: InputName
    public let type: TensorType
    public init(name: InputName, type: TensorType) {
        self.name = name
        self.type = type
    }
}

/// Where a result is found after a run: byte `offset` of the results.
public struct ResultPlace: Sendable, Hashable {
    public let name: String
    public let type: TensorType
    public let offset: Int
    public init(name: String, type: TensorType, offset: Int) {
        self.name = name
        self.type = type
        self.offset = offset
    }
}

/// The compiler's output as plain data.
public struct Program: Sendable {
    public var instructions: [Instruction]
    public var buffers: [PlannedBuffer]
    /// What a run is given; the first lies in segment `.given(0)`.
    public var inputs: [GivenPlace]
    public var results: [ResultPlace]
    public var arenaBytes: Int
    public var resultBytes: Int
    /// The most bytes alive at once: no plan can take less.
    public var lowerBoundBytes: Int
    /// What the arena would be if every value had its own place.
    public var naiveBytes: Int
    /// FLOPs done a second time so that less has to be kept; part of `flops`.
    public var recomputedFlops: Double
    /// Bytes left free behind each buffer of the arena.
    public var guardBytes: Int

    public init(
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

    public var flops: Double { instructions.reduce(0) { $0 + $1.flops } }

    public func input(_ name: InputName) -> GivenPlace? { inputs.first { $0.name == name } }

    /// - Throws: `MissingResult` where the program has none of that name.
    public func result(_ name: String) throws(MissingResult) -> ResultPlace {
        guard let place = results.first(where: { $0.name == name }) else { throw MissingResult(name: name, results: results.map(\.name)) }
        return place
    }

    public func hasResult(_ name: String) -> Bool { results.contains { $0.name == name } }
}

/// A result was asked for that a program does not have.
public struct MissingResult: Error, Sendable, Equatable, CustomStringConvertible {
    public let name: String
    public let results: [String]
    public var description: String { "the program has no result '\(name)': it has \(results.joined(separator: ", "))" }
}
