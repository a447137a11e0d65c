extension Operand: CustomStringConvertible {
    public var description: String { "\(segment)+\(offset)" }
}

extension Instruction: CustomStringConvertible {
    public var description: String {
        let places = operands.map { $0.map(\.description) ?? "-" }.joined(separator: " ")
        let marks = [(flags.contains(.gelu), "gelu"), (flags.contains(.accumulate), "accumulate"), (flags.contains(.normalizeTarget), "normalized")]
            .filter(\.0).map { " " + $0.1 }.joined()
        return "\(opcode.kernelName)\(marks) \(places) \(sizes)\(reals.isEmpty ? "" : " \(reals)")"
    }
}

extension Program: CustomStringConvertible {
    /// One line an instruction, then the arena in a line.
    public var description: String {
        var lines = instructions.enumerated().map { "\($0.offset): \($0.element)" }
        lines += results.map { "result \($0.name) \($0.shape) at \($0.offset)" }
        lines.append("arena \(arenaBytes) bytes, lower bound \(lowerBoundBytes), without reuse \(naiveBytes)")
        return lines.joined(separator: "\n")
    }
}
