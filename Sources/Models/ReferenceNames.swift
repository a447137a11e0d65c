/// The reference's names of all tensors that a model of this kind may have, whatever its sizes: what the smallest of each form declares.
package enum ReferenceNames {
    /// By pattern (`ModelParameter.pattern`), in the order of declaration.
    private static let declared: [(pattern: String, part: ModelPart)] = {
        var c = ModelConfiguration(
            imageHeight: 2, imageWidth: 2, patchSize: 1, channels: 1, embedWidth: 4, depth: 1, heads: 1, decoderWidth: 4, decoderDepth: 1,
            decoderHeads: 1, maskerDepth: 1, maskerHeads: 1, mlpRatio: 1)
        var names: [(pattern: String, part: ModelPart)] = []
        for normalizesPooled in [false, true] {
            c.normalizesPooled = normalizesPooled
            for parts in [ModelParameters.Parts.all, .classifier(ClassifierShape(classes: 2)), .encoder] {
                c.registers = parts.isEncoder ? 1 : nil
                let model = ModelParameters(c, parts: parts)
                let all = model.all.map { ($0.pattern, $0.part) } + model.fixed.map { ($0.name, $0.part) }
                names += all.filter { name in !names.contains { $0.pattern == name.0 } }
            }
        }
        return names
    }()
    private static let parts = Dictionary(uniqueKeysWithValues: declared.map { ($0.pattern, $0.part) })
    /// What blocks are numbered under: `blocks`, `decoder_blocks`, `masking_net.blocks`.
    private static let stacks = Set(
        parts.keys.compactMap { pattern in
            pattern.firstRange(of: ".*.").map { String(pattern[..<$0.lowerBound]) }
        })

    /// The part that a tensor of this name belongs to; nil where no model has one.
    package static func part(of name: String) -> ModelPart? {
        guard let found = inBlocks(name) else { return name.contains("*") ? nil : parts[name] }
        return parts["\(found.stack).*.\(found.rest)"]
    }

    package static func contains(_ name: String) -> Bool { part(of: name) != nil }

    /// Names, or patterns of names in blocks, of a part.
    package static func patterns(of part: ModelPart) -> [String] { declared.filter { $0.part == part }.map(\.pattern) }

    /// Splits `blocks.3.mlp.fc1.bias` into `blocks`, `3` and `mlp.fc1.bias`; nil for what is not in a block.
    package static func inBlocks(_ name: String) -> (stack: String, index: String, rest: String)? {
        for stack in stacks where name.hasPrefix("\(stack).") {
            let rest = name.dropFirst(stack.count + 1)
            guard let dot = rest.firstIndex(of: "."), rest[..<dot].allSatisfy(\.isWholeNumber), dot > rest.startIndex else { return nil }
            return (stack, String(rest[..<dot]), String(rest[rest.index(after: dot)...]))
        }
        return nil
    }
}
