/// The blocks of memory that instructions address.
public enum Segment: UInt8, Sendable, CaseIterable, Codable {
    /// Everything that lives within one run; all programs of a session share it.
    case arena
    case parameters
    case firstMoments
    case secondMoments
    /// Gradients that stay between programs.
    case gradients
    case constants
    /// What the caller provides: patches or pixels of a batch.
    case batch
    /// The caller's order of patches.
    case order
    /// What other programs made of the same images: scores, errors, and a gradient to begin with.
    case scores
    case errors
    case upstream
    /// The caller's scalars: learning rate, curriculum factor …
    case scalars
    /// What a run hands back.
    case results
    /// What a classifier is trained with besides images: its targets, and the scales of residual branches.
    case targets
    case branchScales
}

/// A place in memory: byte `offset` of a segment.
public struct Operand: Sendable, Hashable, Codable {
    public let segment: Segment
    public let offset: Int
    public init(_ segment: Segment, _ offset: Int) {
        self.segment = segment
        self.offset = offset
    }
    public func advanced(by bytes: Int) -> Operand { Operand(segment, offset + bytes) }
}

public struct InstructionFlags: OptionSet, Sendable, Hashable, Codable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let gelu = InstructionFlags(rawValue: 1)
    public static let accumulate = InstructionFlags(rawValue: 2)
    public static let normalizeTarget = InstructionFlags(rawValue: 4)
}

/// One kernel call. Operands, sizes and reals are in the registry's order; an absent operand is nil.
public struct Instruction: Sendable, Hashable {
    public var opcode: Opcode
    public var flags: InstructionFlags
    public var operands: [Operand?]
    public var sizes: [Int]
    public var reals: [Float]
    /// FLOPs of its matrix products; a multiply-add is two, what is computed again is not counted.
    public var flops: Double

    public init(_ opcode: Opcode, flags: InstructionFlags = [], operands: [Operand?], sizes: [Int], reals: [Float] = [], flops: Double = 0) {
        self.opcode = opcode
        self.flags = flags
        self.operands = operands
        self.sizes = sizes
        self.reals = reals
        self.flops = flops
    }
}

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

/// Where a result is found after a run.
public struct ResultPlace: Sendable, Hashable {
    public let name: String
    public let shape: [Int]
    public let offset: Int
    /// In panels of 16 rows by sections, as parameters are; nil for row-major.
    public let sections: Int?
    public let isInteger: Bool
    public init(name: String, shape: [Int], offset: Int, sections: Int?, isInteger: Bool) {
        self.name = name
        self.shape = shape
        self.offset = offset
        self.sections = sections
        self.isInteger = isInteger
    }
}

/// The compiler's output as plain data.
public struct Program: Sendable {
    public var instructions: [Instruction]
    public var buffers: [PlannedBuffer]
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
        instructions: [Instruction], buffers: [PlannedBuffer], results: [ResultPlace],
        arenaBytes: Int, resultBytes: Int, lowerBoundBytes: Int, naiveBytes: Int, recomputedFlops: Double = 0, guardBytes: Int = 0
    ) {
        self.recomputedFlops = recomputedFlops
        self.guardBytes = guardBytes
        self.instructions = instructions
        self.buffers = buffers
        self.results = results
        self.arenaBytes = arenaBytes
        self.resultBytes = resultBytes
        self.lowerBoundBytes = lowerBoundBytes
        self.naiveBytes = naiveBytes
    }

    public var flops: Double { instructions.reduce(0) { $0 + $1.flops } }
    public func result(_ name: String) -> ResultPlace? { results.first { $0.name == name } }
}
