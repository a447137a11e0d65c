import Graph
import Program

extension Graph {
    /// Every node becomes one instruction over places in memory.
    /// - Throws: `GraphError` where a gradient is to be added to by an operation that cannot.
    func lowered(_ placement: Placement, layout: ParameterLayout, accumulating: Bool) throws(GraphError) -> [Instruction] {
        let held = Set(gradients.map(\.value))
        var instructions: [Instruction] = []
        for node in nodes where !node.isLeaf {
            var instruction = lower(node, placement, layout)
            if accumulating, node.outputs.contains(where: held.contains) {
                guard instruction.opcode == .linearWeightGradient || instruction.opcode == .columnSum else {
                    throw GraphError(operation: node.operation.text, problem: "makes a gradient that cannot be accumulated: its parameter is used twice")
                }
                instruction.flags.insert(.accumulate)
            }
            instructions.append(instruction)
        }
        return instructions
    }

    private func lower(_ node: Node, _ placement: Placement, _ layout: ParameterLayout) -> Instruction {
        let x = node.inputs
        func place(_ value: ValueID) -> Operand? { placement.operand(value) }
        func input(_ index: Int?) -> Operand? { index.flatMap { place(x[$0]) } }
        func type(_ index: Int) -> TensorType { self.type(x[index]) }
        let outputs = node.outputs.map(place)
        let y = node.outputs.first.map { self.type($0) } ?? TensorType([])

        switch node.operation {
        case .linear(let form):
            let rows = type(0).rows, weight = type(1)
            let sections: Int = if case .panels(let count) = weight.layout { count } else { 1 }
            let residualRows = form.residualIndex.map { type($0).rows } ?? rows
            return Instruction(
                .linear, flags: form.gelu ? .gelu : [],
                operands: [outputs[0], form.gelu ? outputs[1] : nil, input(0), input(1), input(form.biasIndex), input(form.residualIndex), input(form.multiplierIndex)],
                sizes: [rows, weight.shape[0], weight.shape[1], weight.shape[0] / sections, residualRows],
                flops: 2 * Double(rows) * Double(weight.count))
        case .transposePanels:
            let weight = type(0)
            let sections: Int = if case .panels(let count) = weight.layout { count } else { 1 }
            return Instruction(.transposePanels, operands: [outputs[0], input(0)], sizes: [weight.shape[0], weight.shape[1], weight.shape[0] / sections])
        case .linearWeightGradient(let sections):
            return Instruction(
                .linearWeightGradient, operands: [outputs[0], outputs[1], input(0), input(1)],
                sizes: [type(0).rows, type(0).width, type(1).width, type(0).width / sections], flops: 2 * Double(type(0).count) * Double(type(1).width))
        case .attention(let heads):
            let form = AttentionPlaces(x.map { self.type($0) }, heads: heads)
            let from = form.split(x.map(place))
            return Instruction(
                .attention, operands: [outputs[0], outputs[1]] + from, sizes: form.sizes, reals: [form.scale], flops: form.flops)
        case .attentionGradient(let heads):
            let form = AttentionPlaces(x.dropFirst(2).map { self.type($0) }, heads: heads)
            return Instruction(
                .attentionGradient, operands: form.split(outputs) + [input(0), input(1)] + form.split(x.dropFirst(2).map(place)),
                sizes: form.sizes, reals: [form.scale], flops: 2 * form.flops)
        case .layerNorm(let epsilon):
            return Instruction(.layerNorm, operands: [outputs[0], outputs[1], input(0), input(1), input(2)], sizes: [y.rows, y.width], reals: [epsilon])
        case .layerNormGradient(let hasAddend):
            return Instruction(
                .layerNormGradient, operands: outputs + [input(0), input(1), input(2), input(3), input(hasAddend ? 4 : nil)],
                sizes: [y.rows, y.width, Operation.normChunks(rows: y.rows)])
        case .gelu:
            return Instruction(.gelu, operands: [outputs[0], outputs[1], input(0)], sizes: [y.count])
        case .add:
            // Gradients of a parameter used twice are added as they lie, padding included.
            let panel = TensorType.panelWidth
            let sizes = y.layout == .rows ? [y.rows, y.width, type(1).count / y.width] : [y.storedCount / panel, panel, type(1).storedCount / panel]
            return Instruction(.add, operands: [outputs[0], input(0), input(1)], sizes: sizes)
        case .concatenate:
            return Instruction(.concatenate, operands: [outputs[0], input(0), input(1)], sizes: [y.rows, type(0).width, type(1).width])
        case .multiply:
            return Instruction(.multiply, operands: [outputs[0], input(0), input(1)], sizes: [y.count])
        case .sigmoid:
            return Instruction(.sigmoid, operands: [outputs[0], input(0)], sizes: [y.count])
        case .sigmoidGradient:
            return Instruction(.sigmoidGradient, operands: [outputs[0], input(0), input(1)], sizes: [y.count])
        case .selectRows(let selection):
            return Instruction(
                .selectRows, operands: [outputs[0], input(0), input(selection.indexed ? 1 : nil)],
                sizes: [y.shape[0], y.shape[1], y.width, type(0).shape[1]] + selection.sizes(order: selection.indexed ? type(1) : nil))
        case .placeRows(let selection, let rows):
            return Instruction(
                .placeRows, operands: [outputs[0], input(0), input(selection.indexed ? 1 : nil)],
                sizes: [y.shape[0], selection.total, y.width, rows] + selection.sizes(order: selection.indexed ? type(1) : nil))
        case .prependRow:
            return Instruction(.prependRow, operands: [outputs[0], input(0), input(1)], sizes: [y.shape[0], y.shape[1] - 1, y.width])
        case .restoreTokens:
            return Instruction(
                .restoreTokens, operands: [outputs[0], input(0), input(1), input(2), input(3)],
                sizes: [y.shape[0], type(0).shape[1] - 1, y.shape[1] - 1, y.width])
        case .columnSum(let rows):
            let width = rows * type(0).width
            return Instruction(.columnSum, operands: [outputs[0], input(0)], sizes: [type(0).rows / rows, width, width])
        case .meanRows(let first, let count):
            return Instruction(.meanRows, operands: [outputs[0], input(0)], sizes: [y.shape[0], count, y.width, type(0).shape[1], first])
        case .meanRowsGradient(let first, let count, let rows):
            return Instruction(.meanRowsGradient, operands: [outputs[0], input(0)], sizes: [y.shape[0], count, y.width, rows, first])
        case .scaleRows:
            let scales = type(1).count
            return Instruction(.scaleRows, operands: [outputs[0], input(0), input(1)], sizes: [scales, y.count / scales])
        case .rowDot:
            return Instruction(.rowDot, operands: [outputs[0], input(0), input(1)], sizes: [type(0).rows, type(0).width])
        case .orderDescending:
            return Instruction(.orderDescending, operands: [outputs[0], input(0)], sizes: y.shape)
        case .patchError(let form):
            return Instruction(
                .patchError, flags: form.flags, operands: [outputs[0], input(0), input(1), input(form.indexed ? 2 : nil)],
                sizes: form.sizes(type(0), type(1)), reals: [PatchErrorForm.epsilon])
        case .patchErrorGradient(let form, let weight):
            let first = weight == nil ? 1 : 0
            return Instruction(
                .patchErrorGradient, flags: form.flags,
                operands: [outputs[0], input(weight == nil ? 0 : nil), input(first), input(first + 1), input(form.indexed ? first + 2 : nil)],
                sizes: form.sizes(type(first), type(first + 1)), reals: [PatchErrorForm.epsilon, weight ?? 0])
        case .crossEntropy:
            return Instruction(.crossEntropy, operands: [outputs[0], input(0), input(1)], sizes: [type(0).rows, type(0).width])
        case .crossEntropyGradient(let weight):
            return Instruction(.crossEntropyGradient, operands: [outputs[0], input(0), input(1)], sizes: [type(0).rows, type(0).width], reals: [weight])
        case .mean:
            return Instruction(.mean, operands: [outputs[0], input(0)], sizes: [type(0).count])
        case .maskerTerms:
            return Instruction(.maskerTerms, operands: [outputs[0], input(0), input(1)], sizes: [type(0).rows, type(0).width])
        case .maskerLoss(let weights):
            return Instruction(.maskerLoss, operands: [outputs[0], input(0), input(3)], sizes: [type(1).rows, type(1).width], reals: weights.reals)
        case .maskerLossGradient(let weights):
            return Instruction(
                .maskerLossGradient, operands: [outputs[0], outputs[1], input(0), input(1), input(2), input(3)], sizes: [type(1).rows, type(1).width], reals: weights.reals)
        case .guardFinite:
            return Instruction(.guardFinite, operands: [input(0)?.advanced(by: (type(0).count - 1) * 4)], sizes: []) // the total comes last
        case .adamw(let slice, let form, let clipped):
            let parameter = input(0), offset = parameter?.offset ?? 0
            return Instruction(
                .adamw,
                operands: [
                    parameter, Operand(.firstMoments, offset), Operand(.secondMoments, offset), input(1), input(2), input(clipped ? 3 : nil),
                    input(slice.parameter.rateScale == 1 ? nil : clipped ? 4 : 3),
                ],
                sizes: [slice.type.storedCount], reals: [1 - form.beta1, form.beta2, 1 - form.beta2, form.epsilon, slice.parameter.decays ? form.weightDecay : 0].map { Float($0) })
        case .gradientSquares(let group, let count):
            return Instruction(.sumSquares, operands: [outputs[0], Operand(.gradients, layout.groups[group]?.lowerBound ?? 0)], sizes: [count])
        case .clipScale(let limit):
            return Instruction(.clipScale, operands: [outputs[0], outputs[1], input(0), input(1)], sizes: [type(0).count], reals: [limit])
        case .patchify(let patch):
            let s = type(0).shape
            return Instruction(.patchify, operands: [outputs[0], input(0), input(1)], sizes: [s[0], s[1] / patch, s[2] / patch, patch, s[3]])
        case .input, .parameter, .gradient, .constant, .uniform:
            preconditionFailure("leaves are not lowered")
        }
    }
}

/// Sizes and places of attention, whose query, key and value are columns of one tensor or of two.
struct AttentionPlaces {
    let packed: Bool
    let width: Int
    let sizes: [Int]
    let scale: Float
    let flops: Double

    init(_ inputs: [TensorType], heads: Int) {
        packed = inputs.count == 1
        let first = inputs[0].shape, images = first[0], queries = first[1]
        let tokens = packed ? queries : inputs[1].shape[1]
        width = packed ? first[2] / 3 : first[2]
        let keyStride = packed ? first[2] : inputs[1].shape[2]
        sizes = [images, queries, tokens, heads, width / heads, first[2], keyStride, keyStride, width]
        scale = Float(1 / Double(width / heads).squareRoot())
        flops = 4 * Double(images * queries) * Double(tokens * width)
    }

    /// Places of query, key and value from those of the packed tensor or the pair.
    func split(_ places: [Operand?]) -> [Operand?] {
        let bytes = width * 4
        if packed { return [places[0], places[0]?.advanced(by: bytes), places[0]?.advanced(by: 2 * bytes)] }
        return [places[0], places[1], places[1]?.advanced(by: bytes)]
    }
}

extension RowSelection {
    func sizes(order: TensorType?) -> [Int] { [first, offset, order?.width ?? 0, lead ? 1 : 0] }
}

extension PatchErrorForm {
    var flags: InstructionFlags { normalized ? .normalizeTarget : [] }
    func sizes(_ prediction: TensorType, _ patches: TensorType) -> [Int] {
        [prediction.shape[0], prediction.shape[1], prediction.width, patches.shape[1], first]
    }
}

extension MaskerWeights {
    var reals: [Float] { [gauss, kl, diversity] }
}
