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
        switch kernel {
        case .adamw:  // parameter, both moments, gradient
            return parts(of: adamw_places.parameter, adamw_places.count, in: owned) { part, before in
                for slot in 0..<4 { part.advance(operand: slot, by: before * each) }
            }
        case .adamw_bf16:
            let panel = adamw_bf16_places.first_panel
            return parts(of: adamw_bf16_places.parameter, adamw_bf16_places.count, in: owned) { part, before in
                for (slot, bytes) in [each, half, half, each].enumerated() { part.advance(operand: slot, by: before * bytes) }
                part.set(size: 1, to: panel + Int32(before / TensorType.panelWidth))
            }
        case .sum_squares:  // sums, floats
            return parts(of: sum_squares_places.x, sum_squares_places.count, in: owned) { part, before in
                part.advance(operand: 0, by: before / KernelConstants.squareChunk * each)
                part.advance(operand: 1, by: before * each)
            }
        default: return nil
        }
    }

    /// The same for each owned stretch of its floats, whose number is its first size.
    /// - Parameter move: moves a part's operands on by so many floats.
    private func parts(
        of operand: UInt64, _ count: Int32, in owned: [Range<Int>], _ move: (_ part: inout Instruction, _ before: Int) -> Void
    ) -> [Instruction] {
        guard let start = Operand(encoded: operand)?.offset else { return [] }
        let each = ElementType.float32.bytes, whole = start..<(start + Int(count) * each)
        return owned.map { $0.clamped(to: whole) }.filter { !$0.isEmpty }.map { range in
            var part = self
            part.set(size: 0, to: Int32(range.count / each))
            move(&part, (range.lowerBound - start) / each)
            return part
        }
    }
}
