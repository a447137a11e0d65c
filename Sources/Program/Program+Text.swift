import CurricleCInstructions
import CurricleTensors

extension Segment {
    /// As a text shows it: an input's by its name.
    func text(_ inputs: [GivenPlace]) -> String {
        guard case .given(let index) = self else { return "\(self)" }
        return inputs.indices.contains(index) ? inputs[index].name.rawValue : "given \(index)"
    }
}

extension curricle_instruction {
    /// Kernel, marks, places, sizes and reals in the registry's order.
    /// - Parameter inputs: of its program, to name them by.
    package func text(_ inputs: [GivenPlace]) -> String {
        let places = operands.map { $0.map { "\($0.segment.text(inputs))+\($0.offset)" } ?? "-" }.joined(separator: " ")
        return "\(name)\(markText) \(places) \(sizes)\(reals.isEmpty ? "" : " \(reals)")"
    }

    /// What decides its time: the kernel, its flags, which operands there are (`#`) or not (`-`), and its sizes.
    package var shapeDescription: String {
        "\(name)\(markText) \(operands.map { $0 == nil ? "-" : "#" }.joined()) \(sizes.map(String.init).joined(separator: " "))"
    }

    package var name: String { kernel?.description ?? "kernel \(opcode)" }

    private var markText: String {
        [(marks.contains(.gelu), "gelu"), (marks.contains(.accumulate), "accumulate"), (marks.contains(.normalizeTarget), "normalized")]
            .filter(\.0).map { " " + $0.1 }.joined()
    }
}

extension Program: CustomStringConvertible {
    /// One line an instruction, then the arena in a line.
    package var description: String {
        var lines = instructions.enumerated().map { "\($0.offset): \($0.element.text(inputs))" }
        lines += results.map { "result \($0.name) \($0.type.shape) at \($0.offset)" }
        lines.append("arena \(arenaBytes) bytes, lower bound \(lowerBoundBytes), without reuse \(naiveBytes)")
        return lines.joined(separator: "\n")
    }
}
