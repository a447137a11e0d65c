import CurricleTensors

extension Operation {
    /// The case's name, without what it carries.
    package var name: String {
        let text = String(describing: self)
        return String(text.prefix { $0 != "(" })
    }
}

extension Graph: CustomStringConvertible {
    /// One line a node, in order: `%3 = linear(bias) %1 %2 : f32[4, 16, 96]`.
    package var description: String {
        var lines: [String] = []
        for node in nodes {
            let outputs = node.outputs.map { "%\($0.index)" }.joined(separator: ", ")
            let inputs = node.inputs.map { " %\($0.index)" }.joined()
            let kinds = node.outputs.map { "\(type($0))" }.joined(separator: ", ")
            lines.append((outputs.isEmpty ? "" : "\(outputs) = ") + node.operation.text + inputs + (kinds.isEmpty ? "" : " : \(kinds)"))
        }
        lines += results.map { "result \($0.name) %\($0.value.index)" }
        lines += gradients.map { "gradient \($0.slice) %\($0.value.index)" }
        return lines.joined(separator: "\n")
    }
}

extension Operation {
    /// Name and attributes as the text form shows them.
    package var text: String {
        switch self {
        case .input(let input): "input(\(input.rawValue))"
        case .parameter(let slice): "parameter(\(slice))"
        case .gradient(let slice): "gradient(\(slice))"
        case .constant(let name): "constant(\(name))"
        case .uniform(let value): "uniform(\(value))"
        case .linear(let form):
            "linear(\([(form.bias, "bias"), (form.multiplier, "multiplier"), (form.residual, "residual"), (form.gelu, "gelu"), (form.operands == .bfloat16, "bf16")].filter(\.0).map(\.1).joined(separator: " ")))"
        case .attention(let heads, let result), .attentionGradient(let heads, let result): "\(name)(heads \(heads)\(result.mark))"
        case .layerNorm(let epsilon, let result, let keeps): "layerNorm(\(epsilon)\(result.mark)\(keeps ? " keeping" : ""))"
        case .layerNormGradient(let hasAddend): hasAddend ? "layerNormGradient(addend)" : name
        case .selectRows(let rows): "selectRows(\(rows.text))"
        case .placeRows(let rows, let count): "placeRows(\(rows.text) of \(count))"
        case .scaledSum(let a, let b): "scaledSum(\(a) \(b))"
        case .columnSum(let rows): rows == 1 ? name : "columnSum(rows \(rows))"
        case .meanRows(let first, let count): "meanRows(\(first)..<\(first + count))"
        case .meanRowsGradient(let first, let count, let rows): "meanRowsGradient(\(first)..<\(first + count) of \(rows))"
        case .crossEntropyGradient(let weight): "crossEntropyGradient(weight \(weight))"
        case .orderHardest(let removed): "orderHardest(of \(removed))"
        case .rankingLoss(let first): "rankingLoss(from \(first))"
        case .rankingLossGradient(let first, let weight): "rankingLossGradient(from \(first) weight \(weight))"
        case .uniformityGradient(let weight): "uniformityGradient(weight \(weight))"
        case .patchError(let form): "patchError(\(form.text))"
        case .patchErrorGradient(let form, let weight): "patchErrorGradient(\(form.text)\(weight.map { " weight \($0)" } ?? ""))"
        case .maskerLoss(let w), .maskerLossGradient(let w): "\(name)(gauss \(w.gauss) kl \(w.kl) diversity \(w.diversity))"
        case .adamw(let slice, let form, let clipped, let moments):
            "adamw(\(slice) decay \(form.weightDecay)\(clipped ? " clipped" : "")\(moments.mark))"
        case .gradientSquares(let group, _): "gradientSquares(\(group.rawValue))"
        case .clipScale(let limit): "clipScale(\(limit))"
        case .linearWeightGradient(let sections, let operands):
            sections == 1 && operands == .float32 ? name : "\(name)(sections \(sections)\(operands.mark))"
        case .transposePanels(let result): result == .float32 ? name : "\(name)(\(result.rawValue))"
        case .patchify(let patch): "patchify(\(patch))"
        case .keepRows(let count): "keepRows(\(count))"
        case .quantizeRows, .gelu, .add, .concatenate, .multiply, .sigmoid, .softmax, .sigmoidGradient, .prependRow,
            .restoreTokens,
            .scaleRows, .rowDot, .rowVariance, .orderDescending, .crossEntropy, .mean, .uniformity, .maskerTerms, .guardFinite:
            name
        }
    }
}

extension ElementType {
    /// What stands behind an operation's name where it is not float32.
    fileprivate var mark: String { self == .float32 ? "" : " \(rawValue)" }
}
extension RowSelection {
    var text: String {
        "\(lead ? "0 and " : "")\(first)..<\(first + count)\(offset == 0 ? "" : " + \(offset)")\(indexed ? " by order" : "")"
    }
}
extension PatchErrorForm {
    var text: String { "\(normalized ? "normalized " : "")from \(first)\(indexed ? " by order" : "")" }
}
