import CurricleCInstructions

package struct InstructionFlags: OptionSet, Sendable, Hashable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    package static let gelu = InstructionFlags(rawValue: UInt32(CURRICLE_GELU))
    package static let accumulate = InstructionFlags(rawValue: UInt32(CURRICLE_ACCUMULATE))
    package static let normalizeTarget = InstructionFlags(rawValue: UInt32(CURRICLE_NORMALIZE_TARGET))
    package static let xBfloat16 = InstructionFlags(rawValue: UInt32(CURRICLE_X_BF16))
    package static let weightBfloat16 = InstructionFlags(rawValue: UInt32(CURRICLE_WEIGHT_BF16))
    package static let yBfloat16 = InstructionFlags(rawValue: UInt32(CURRICLE_Y_BF16))
    package static let slopeBfloat16 = InstructionFlags(rawValue: UInt32(CURRICLE_SLOPE_BF16))
}

/// One kernel call, as the C library runs it: `Instruction.linear(linear_places(y: …))`, and back `instruction.linear_places.columns`.
package typealias Instruction = curricle_instruction

extension curricle_instruction {
    /// The kernel; nil where this build has none of that number.
    package var kernel: Opcode? { Opcode(rawValue: opcode) }

    package var marks: InstructionFlags {
        get { InstructionFlags(rawValue: flags) }
        set { flags = newValue.rawValue }
    }

    /// What it reads, writes and may be put upon, from the registry.
    package var demand: curricle_demand { withUnsafePointer(to: self) { curricle_demand_of($0) } }

    /// FLOPs of its matrix products; a multiply-add is two.
    package var flops: Double { demand.flops }

    /// Its operands that are there, with what of them it touches.
    package var touches: [(operand: Operand, extent: curricle_extent)] {
        zip(operands, demand.extents).compactMap { operand, extent in operand.map { ($0, extent) } }
    }

    /// What it takes, in FLOPs of a core that does them at its peak: those of its products, or its bytes, each as long as four.
    package var work: Double { max(flops, 4 * touches.reduce(0) { $0 + $1.extent.bytes }) }

    /// Operands, sizes and reals in the registry's order; an absent operand is nil.
    package var operands: [Operand?] { list(operand, of: UInt64.self, kernel?.fields.operands.count ?? 0).map(Operand.init(encoded:)) }
    package var sizes: [Int] { list(size, of: Int32.self, kernel?.fields.sizes.count ?? 0).map(Int.init) }
    package var reals: [Float] { list(real, of: Float.self, kernel?.fields.reals.count ?? 0) }

    /// The same with each operand somewhere else: segments by number, offsets in bytes.
    package func moved(_ move: (_ segment: Int, _ offset: Int) -> (segment: Int, offset: Int)) -> Instruction {
        var moved = self
        withUnsafeMutableBytes(of: &moved.operand) { bytes in
            let operands = bytes.bindMemory(to: curricle_operand.self), bits = UInt64(CURRICLE_OFFSET_BITS)
            for i in operands.indices where operands[i] != .max {
                let place = move(Int(operands[i] >> bits), Int(operands[i] & (1 << bits - 1)))
                operands[i] = UInt64(place.segment) << bits | UInt64(place.offset)
            }
        }
        return moved
    }

    /// Moves an operand on by some bytes.
    package mutating func advance(operand slot: Int, by bytes: Int) {
        withUnsafeMutableBytes(of: &operand) { $0.bindMemory(to: curricle_operand.self)[slot] += UInt64(bytes) }
    }

    /// Replaces a size, by its place in the registry's order.
    package mutating func set(size slot: Int, to value: Int32) {
        withUnsafeMutableBytes(of: &size) { $0.bindMemory(to: Int32.self)[slot] = value }
    }

    private func list<Tuple, Element>(_ tuple: Tuple, of: Element.Type, _ count: Int) -> [Element] {
        withUnsafeBytes(of: tuple) { Array($0.bindMemory(to: Element.self).prefix(count)) }
    }
}

extension curricle_demand {
    /// Of each operand, in the registry's order.
    package var extents: [curricle_extent] {
        withUnsafeBytes(of: operand) { Array($0.bindMemory(to: curricle_extent.self).prefix(Int(operands))) }
    }

    /// Pairs of operands, by their places, that may share memory, the better pair first.
    package var pairs: [(output: Int, input: Int)] {
        let all = withUnsafeBytes(of: replaces) { Array($0.bindMemory(to: curricle_replacement.self)) }
        return all.prefix(Int(replacements)).map { (Int($0.output), Int($0.input)) }
    }
}
