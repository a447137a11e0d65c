import CurricleGraph
import CurricleProgram
import CurricleTensors

/// Products of one image's rows that follow each other, as an MLP's two: rows pass through all of them a block at a time, so that what
/// stands between them, the widest there is, takes the room of a block. The bits are those of all rows at once.
struct RowChain {
    /// Its nodes, by their places among those that become instructions.
    let steps: ClosedRange<Int>
    /// Of its R rows.
    let blocks: [Range<Int>]
    let rows: Int
    /// What stands between its nodes.
    let middle: Set<ValueID>

    /// How many instructions it becomes.
    var count: Int { steps.count * blocks.count }

    /// What a value takes: a block's share of all rows where it stands in the middle of a chain.
    static func bytes(_ value: ValueID, _ type: TensorType, _ chains: [RowChain]) -> Int {
        guard let chain = chains.first(where: { $0.middle.contains(value) }) else { return type.bytes }
        return type.bytes / chain.rows * (chain.blocks.map(\.count).max() ?? chain.rows)
    }

    /// Bytes of weights that every block reads again: more than a second cache holds would cost time.
    static let mostWeightBytes = 2 << 20
    /// Blocks begin at whole tiles of every instruction set.
    private static let tile = 12

    /// An attention's query, key and value are 3·D wide beside its input and output: a middle that is no wider needs no cutting.
    static func blocks(rows: Int, ratio: Int) -> [Range<Int>] {
        let count = max(1, (ratio + 2) / 3), size = (rows + count - 1) / count, step = (size + tile - 1) / tile * tile
        return stride(from: 0, to: rows, by: step).map { $0..<min(rows, $0 + step) }
    }
}

extension Graph {
    /// Where rows of a single image go through a product, perhaps to bytes, and through a second product.
    func rowChains() -> [RowChain] {
        let uses = useCounts(), steps = computed
        var chains: [RowChain] = [], next = 0
        for first in steps.indices where first >= next {
            guard let last = chainEnd(steps, from: first, uses: uses) else { continue }
            let input = type(steps[first].inputs[0]), output = type(steps[first].outputs[0])
            let blocks = RowChain.blocks(rows: output.rows, ratio: output.width / max(1, input.width))
            let weights = [first, last].reduce(0) { $0 + type(steps[$1].inputs[1]).bytes }
            guard blocks.count > 1, weights <= RowChain.mostWeightBytes else { continue }
            chains.append(
                RowChain(
                    steps: first...last, blocks: blocks, rows: output.rows, middle: Set(steps[first..<last].map { $0.outputs[0] })))
            next = last + 1
        }
        return chains
    }

    /// - Returns: the step of the second product; nil where the first begins no chain.
    private func chainEnd(_ steps: [Node], from first: Int, uses: [Int]) -> Int? {
        guard case .linear(let form) = steps[first].operation, type(steps[first].outputs[0]).shape.first == 1, form.residualIndex == nil,
            form.multiplierIndex == nil, steps[first].outputs.dropFirst().allSatisfy({ uses[$0.index] == 0 })
        else { return nil }
        var at = first
        while at + 1 < steps.count {
            let made = steps[at].outputs[0], node = steps[at + 1]
            guard uses[made.index] == 1, node.inputs.first == made else { return nil }
            at += 1
            switch node.operation {
            case .quantizeRows: continue
            case .linear(let form):
                let rows = type(node.outputs[0]).rows
                let residual = form.residualIndex.map { type(node.inputs[$0]).rows == rows } ?? true
                return residual && form.multiplierIndex == nil && node.outputs.dropFirst().allSatisfy { uses[$0.index] == 0 } ? at : nil
            default: return nil
            }
        }
        return nil
    }

    /// The instructions of a chain, block after block.
    /// - Parameter instruction: what makes a node's instruction on all rows.
    func instructions(
        of chain: RowChain, _ instruction: (Node) throws(GraphError) -> Instruction
    ) throws(GraphError) -> [Instruction] {
        let symbolic = Lowering(symbolic: self)
        var wholes: [(instruction: Instruction, rowBytes: [(slot: Int, bytes: Int)])] = []
        for node in computed[chain.steps] {
            let whole = try instruction(node), values = try symbolic.instruction(node).operands
            // What stands in the middle of the chain begins anew with each block.
            let byRows = Set(
                (node.outputs + node.inputs).filter { type($0).rows == chain.rows && !isParameter($0) && !chain.middle.contains($0) })
            wholes.append(
                (
                    whole,
                    values.enumerated().compactMap { slot, place in
                        guard let value = place.map({ ValueID(index: $0.offset) }), byRows.contains(value), whole.operands[slot] != nil
                        else { return nil }
                        return (slot, type(value).bytes / chain.rows)
                    }
                ))
        }
        return chain.blocks.flatMap { block in
            wholes.map { part(of: $0.instruction, on: block, rowBytes: $0.rowBytes) }
        }
    }

    /// An instruction on some of its rows.
    /// - Parameter rowBytes: of the operands that go with the rows, what a row takes.
    private func part(of whole: Instruction, on rows: Range<Int>, rowBytes: [(slot: Int, bytes: Int)]) -> Instruction {
        var part = whole
        for (slot, bytes) in rowBytes { part.advance(operand: slot, by: rows.lowerBound * bytes) }
        for (index, name) in (whole.kernel?.fields.sizes ?? []).enumerated() where name == "rows" || name == "period" {
            part.set(size: index, to: Int32(rows.count))
        }
        return part
    }

    private func isParameter(_ value: ValueID) -> Bool {
        if case .parameter? = producer(value)?.operation { true } else { false }
    }
}
