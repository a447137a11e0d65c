import CurricleCInstructions

/// The blocks of memory that instructions address.
package enum Segment: Sendable, Hashable {
    /// Everything that lives within one run; all programs of a session share it.
    case arena
    case parameters
    case firstMoments
    case secondMoments
    /// Gradients that stay between programs.
    case gradients
    case constants
    /// What a run hands back.
    case results
    /// What the caller gives: the program's inputs, in their order.
    case given(Int)

    /// As instructions number it.
    package var number: Int {
        switch self {
        case .arena: Int(CURRICLE_ARENA)
        case .parameters: Int(CURRICLE_PARAMETERS)
        case .firstMoments: Int(CURRICLE_FIRST_MOMENTS)
        case .secondMoments: Int(CURRICLE_SECOND_MOMENTS)
        case .gradients: Int(CURRICLE_GRADIENTS)
        case .constants: Int(CURRICLE_CONSTANTS)
        case .results: Int(CURRICLE_RESULTS)
        case .given(let index): Int(CURRICLE_GIVEN) + index
        }
    }

    /// All that there can be.
    package static let all: [Segment] = {
        let own: [Segment] = [.arena, .parameters, .firstMoments, .secondMoments, .gradients, .constants, .results]
        return own + (0..<Int(CURRICLE_MOST_GIVEN)).map { Segment.given($0) }
    }()

    /// Nil for a number that no segment has.
    package init?(number: Int) {
        guard let segment = Segment.all.first(where: { $0.number == number }) else { return nil }
        self = segment
    }
}

/// A place in memory: byte `offset` of a segment.
package struct Operand: Sendable, Hashable {
    package let segment: Segment
    package let offset: Int
    package init(_ segment: Segment, _ offset: Int) {
        self.segment = segment
        self.offset = offset
    }
    package func advanced(by bytes: Int) -> Operand { Operand(segment, offset + bytes) }

    /// Nil where there is no value, or in a segment that no program has.
    package init?(encoded: curricle_operand) {
        guard encoded != .max, let segment = Segment(number: Int(encoded >> UInt64(CURRICLE_OFFSET_BITS))) else { return nil }
        self.init(segment, Int(encoded & (1 << UInt64(CURRICLE_OFFSET_BITS) - 1)))
    }

    package var encoded: curricle_operand { UInt64(segment.number) << UInt64(CURRICLE_OFFSET_BITS) | UInt64(offset) }
}

extension Operand? {
    /// As instructions have it: all ones for no value.
    package var encoded: curricle_operand { self?.encoded ?? .max }
}
