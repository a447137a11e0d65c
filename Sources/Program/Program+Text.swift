extension Operand: CustomStringConvertible {
    public var description: String { "\(segment)+\(offset)" }
}

extension Instruction: CustomStringConvertible {
    public var description: String {
        let places = operands.map { $0.map(\.description) ?? "-" }.joined(separator: " ")
        return "\(opcode.kernelName)\(marks) \(places) \(sizes)\(reals.isEmpty ? "" : " \(reals)")"
    }

    /// What decides its time: the kernel, its flags, which operands there are (`#`) or not (`-`), and its sizes.
    public var shapeDescription: String {
        "\(opcode.kernelName)\(marks) \(operands.map { $0 == nil ? "-" : "#" }.joined()) \(sizes.map(String.init).joined(separator: " "))"
    }

    private var marks: String {
        [(flags.contains(.gelu), "gelu"), (flags.contains(.accumulate), "accumulate"), (flags.contains(.normalizeTarget), "normalized")]
            .filter(\.0).map { " " + $0.1 }.joined()
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
