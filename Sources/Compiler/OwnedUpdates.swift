import CurricleProgram
import CurricleTensors

extension Program {
    /// The same with updates and sums of squares of some bytes of the parameters alone; all else is as it was.
    /// - Parameter owned: in ascending order, apart from one another, of whole panels and of whole chunks of ``KernelConstants/squareChunk``.
    func restricted(to owned: [Range<Int>]) -> Program {
        var restricted = self
        restricted.instructions = []
        var starts: [Int] = []
        for instruction in instructions {
            starts.append(restricted.instructions.count)
            restricted.instructions += instruction.parts(in: owned) ?? [instruction]
        }
        starts.append(restricted.instructions.count)
        restricted.buffers = buffers.map { buffer in
            let first = starts[buffer.lifetime.lowerBound], end = starts[buffer.lifetime.upperBound + 1]
            return PlannedBuffer(name: buffer.name, offset: buffer.offset, bytes: buffer.bytes, lifetime: first...max(first, end - 1))
        }
        return restricted
    }
}

extension Instruction {
    /// An update's or a sum's parts for those of its floats that are owned; nil for any other instruction.
    fileprivate func parts(in owned: [Range<Int>]) -> [Instruction]? {
        let each = ElementType.float32.bytes, half = ElementType.bfloat16.bytes
        /// How many floats come before each part, and how many it has.
        func cut(_ operand: UInt64, _ count: Int32) -> [(before: Int, count: Int32)] {
            guard let start = Operand(encoded: operand)?.offset else { return [] }
            let whole = start..<(start + Int(count) * each)
            return owned.map { $0.clamped(to: whole) }.filter { !$0.isEmpty }.map {
                (($0.lowerBound - start) / each, Int32($0.count / each))
            }
        }
        switch kernel {
        case .adamw:
            let whole = adamw_places
            return cut(whole.parameter, whole.count).map { before, count in
                var part = whole
                part.count = count
                part.parameter += UInt64(before * each)
                part.first_moment += UInt64(before * each)
                part.second_moment += UInt64(before * each)
                part.gradient += UInt64(before * each)
                return .adamw(part)
            }
        case .adamw_bf16:
            let whole = adamw_bf16_places
            return cut(whole.parameter, whole.count).map { before, count in
                var part = whole
                part.count = count
                part.first_panel += Int32(before / TensorType.panelWidth)
                part.parameter += UInt64(before * each)
                part.first_moment += UInt64(before * half)
                part.second_moment += UInt64(before * half)
                part.gradient += UInt64(before * each)
                return .adamw_bf16(part)
            }
        case .sum_squares:
            let whole = sum_squares_places
            return cut(whole.x, whole.count).map { before, count in
                var part = whole
                part.count = count
                part.x += UInt64(before * each)
                part.y += UInt64(before / KernelConstants.squareChunk * each)
                return .sum_squares(part)
            }
        default: return nil
        }
    }
}
