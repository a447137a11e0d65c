import CurricleCInstructions
import CurricleGraph
import CurricleProgram
import CurricleTensors

/// Turns nodes into instructions over places in memory.
struct Lowering {
    private let graph: Graph
    /// Where a value lies; nil for one that nobody reads and that is not made.
    private let place: (ValueID) -> Operand?
    /// Where a group's gradients begin.
    private let gradients: (ParameterGroup) throws(GraphError) -> Operand

    /// Places as planned.
    init(_ graph: Graph, _ placement: Placement, layout: ParameterLayout) {
        self.graph = graph
        place = placement.operand
        gradients = { group throws(GraphError) in
            guard let range = layout.groups[group] else {
                throw GraphError(operation: "gradients of the \(group)", problem: "are not in the layout")
            }
            return Operand(.gradients, range.lowerBound)
        }
    }

    /// Places that name values: the instruction says what it does with each before any has a place.
    init(symbolic graph: Graph) {
        self.graph = graph
        place = { Operand(.arena, $0.index) }
        gradients = { _ in Operand(.gradients, 0) }
    }

    /// A size as instructions have it.
    /// - Throws: `GraphError` where it is too large for one.
    private func size(_ count: Int, _ node: Node) throws(GraphError) -> Int32 {
        guard let size = Int32(exactly: count) else {
            throw GraphError(operation: node.operation.text, problem: "has a size of \(count): too large for a kernel")
        }
        return size
    }

    /// - Precondition: the node is no leaf.
    func instruction(_ node: Node) throws(GraphError) -> Instruction {
        let x = node.inputs
        func input(_ index: Int?) -> curricle_operand { index.flatMap { place(x[$0]) }.encoded }
        func output(_ index: Int) -> curricle_operand { place(node.outputs[index]).encoded }
        func type(_ index: Int) -> TensorType { graph.type(x[index]) }
        func size(_ count: Int) throws(GraphError) -> Int32 { try self.size(count, node) }
        let y = node.outputs.first.map { graph.type($0) } ?? TensorType([])
        /// Which operands are bf16, and GELU.
        func flags(
            x: ElementType = .float32, weight: ElementType = .float32, y: ElementType = .float32, slope: ElementType = .float32,
            gelu: Bool = false
        ) -> UInt32 {
            var marks: InstructionFlags = gelu ? .gelu : []
            for (element, mark) in [(x, InstructionFlags.xBfloat16), (weight, .weightBfloat16), (y, .yBfloat16), (slope, .slopeBfloat16)]
            where element == .bfloat16 { marks.insert(mark) }
            return marks.rawValue
        }

        switch node.operation {
        case .linear(let form) where type(1).element == .int8:
            let rows = type(0).rows, weight = type(1)
            guard type(0).layout == .quantizedRows else {
                throw GraphError(operation: node.operation.text, problem: "an int8 weight takes quantised rows")
            }
            return try .linear_int8(
                linear_int8_places(
                    flags: form.gelu ? InstructionFlags.gelu.rawValue : 0, rows: size(rows), columns: size(weight.shape[0]),
                    depth: size(weight.shape[1]),
                    section: size(weight.shape[0] / weight.layout.sections), period: size(form.residualIndex.map { type($0).rows } ?? rows),
                    y: output(0), x: input(0), weight: input(1), bias: input(form.biasIndex), residual: input(form.residualIndex)))
        case .quantizeRows:
            return try .quantize_rows(quantize_rows_places(rows: size(type(0).rows), width: size(type(0).width), q: output(0), x: input(0)))
        case .linear(let form) where form.operands == .bfloat16:
            let rows = type(0).rows, weight = type(1), slope = form.multiplierIndex.map { type($0).element } ?? form.slope
            return try .linear_bf16(
                linear_bf16_places(
                    flags: flags(x: type(0).element, weight: weight.element, y: form.result, slope: slope, gelu: form.gelu),
                    rows: size(rows), columns: size(weight.shape[0]), depth: size(weight.shape[1]),
                    section: size(weight.shape[0] / weight.layout.sections), period: size(form.residualIndex.map { type($0).rows } ?? rows),
                    y: output(0), derivative: form.gelu ? output(1) : .max, x: input(0), weight: input(1),
                    bias: input(form.biasIndex), residual: input(form.residualIndex), multiplier: input(form.multiplierIndex)))
        case .linear(let form):
            let rows = type(0).rows, weight = type(1)
            return try .linear(
                linear_places(
                    flags: form.gelu ? InstructionFlags.gelu.rawValue : 0, rows: size(rows), columns: size(weight.shape[0]),
                    depth: size(weight.shape[1]),
                    section: size(weight.shape[0] / weight.layout.sections), period: size(form.residualIndex.map { type($0).rows } ?? rows),
                    y: output(0), derivative: form.gelu ? output(1) : .max, x: input(0), weight: input(1),
                    bias: input(form.biasIndex), residual: input(form.residualIndex), multiplier: input(form.multiplierIndex)))
        case .transposePanels:
            let weight = type(0)
            return try .transpose_panels(
                transpose_panels_places(
                    flags: flags(y: y.element), columns: size(weight.shape[0]), depth: size(weight.shape[1]),
                    section: size(weight.shape[0] / weight.layout.sections),
                    y: output(0), weight: input(0)))
        case .linearWeightGradient(let sections, .bfloat16):
            return try .linear_weight_gradient_bf16(
                linear_weight_gradient_bf16_places(
                    flags: flags(x: type(1).element, y: type(0).element), rows: size(type(0).rows), columns: size(type(0).width),
                    depth: size(type(1).width), section: size(type(0).width / sections),
                    d_weight: output(0), d_bias: output(1), dy: input(0), x: input(1)))
        case .linearWeightGradient(let sections, _):
            return try .linear_weight_gradient(
                linear_weight_gradient_places(
                    flags: 0, rows: size(type(0).rows), columns: size(type(0).width), depth: size(type(1).width),
                    section: size(type(0).width / sections),
                    d_weight: output(0), d_bias: output(1), dy: input(0), x: input(1)))
        case .attention(let heads, let result) where type(0).element == .bfloat16:
            let form = AttentionForm(x.map { graph.type($0) }, heads: heads), from = form.split(x.map(place))
            return try .attention_bf16(
                attention_bf16_places(
                    flags: flags(y: result), images: size(form.images), queries: size(form.queries), tokens: size(form.tokens),
                    heads: size(heads), head_width: size(form.headWidth),
                    query_stride: size(form.queryStride), key_stride: size(form.keyStride), value_stride: size(form.keyStride),
                    y_stride: size(form.width),
                    y: output(0), logsumexp: output(1), query: from.query, key: from.key, value: from.value, scale: form.scale))
        case .attention(let heads, _):
            let form = AttentionForm(x.map { graph.type($0) }, heads: heads), from = form.split(x.map(place))
            return try .attention(
                attention_places(
                    images: size(form.images), queries: size(form.queries), tokens: size(form.tokens), heads: size(heads),
                    head_width: size(form.headWidth),
                    query_stride: size(form.queryStride), key_stride: size(form.keyStride), value_stride: size(form.keyStride),
                    y_stride: size(form.width),
                    y: output(0), logsumexp: output(1), query: from.query, key: from.key, value: from.value, scale: form.scale))
        case .attentionGradient(let heads, let result) where type(2).element == .bfloat16:
            let form = AttentionForm(x.dropFirst(2).map { graph.type($0) }, heads: heads)
            let to = form.split(node.outputs.map(place), of: result), from = form.split(x.dropFirst(2).map(place))
            return try .attention_gradient_bf16(
                attention_gradient_bf16_places(
                    flags: flags(x: type(0).element, y: result), images: size(form.images), queries: size(form.queries),
                    tokens: size(form.tokens), heads: size(heads), head_width: size(form.headWidth),
                    query_stride: size(form.queryStride), key_stride: size(form.keyStride), value_stride: size(form.keyStride),
                    y_stride: size(form.width),
                    d_query: to.query, d_key: to.key, d_value: to.value, dy: input(0), logsumexp: input(1),
                    query: from.query, key: from.key, value: from.value, scale: form.scale))
        case .attentionGradient(let heads, _):
            let form = AttentionForm(x.dropFirst(2).map { graph.type($0) }, heads: heads)
            let to = form.split(node.outputs.map(place)), from = form.split(x.dropFirst(2).map(place))
            return try .attention_gradient(
                attention_gradient_places(
                    images: size(form.images), queries: size(form.queries), tokens: size(form.tokens), heads: size(heads),
                    head_width: size(form.headWidth),
                    query_stride: size(form.queryStride), key_stride: size(form.keyStride), value_stride: size(form.keyStride),
                    y_stride: size(form.width),
                    d_query: to.query, d_key: to.key, d_value: to.value, dy: input(0), logsumexp: input(1),
                    query: from.query, key: from.key, value: from.value, scale: form.scale))
        case .layerNorm(let epsilon, let result, let keepsNormalized):
            return try .layer_norm(
                layer_norm_places(
                    flags: flags(y: result), rows: size(y.rows), width: size(y.width), y: output(0), statistics: output(1), x: input(0),
                    gamma: input(1),
                    beta: input(2), normalized: keepsNormalized ? output(2) : .max, epsilon: epsilon))
        case .layerNormGradient(let hasAddend):
            return try .layer_norm_gradient(
                layer_norm_gradient_places(
                    flags: flags(x: type(1).element), rows: size(y.rows), width: size(y.width),
                    chunks: size(Operation.normChunks(rows: y.rows)),
                    dx: output(0), d_gamma_partial: output(1), d_beta_partial: output(2),
                    dy: input(0), x: input(1), statistics: input(2), gamma: input(3), addend: input(hasAddend ? 4 : nil)))
        case .gelu:
            return try .gelu(gelu_places(count: size(y.count), y: output(0), derivative: output(1), x: input(0)))
        case .add:
            // Gradients of a parameter used twice are added as they lie, padding included.
            let panel = TensorType.panelWidth, isRows = y.layout == .rows
            return try .add(
                add_places(
                    rows: size(isRows ? y.rows : y.storedCount / panel), width: size(isRows ? y.width : panel),
                    period: size(isRows ? type(1).count / y.width : type(1).storedCount / panel), y: output(0), a: input(0), b: input(1)))
        case .concatenate:
            return try .concatenate(
                concatenate_places(
                    rows: size(y.rows), a_width: size(type(0).width), b_width: size(type(1).width), y: output(0), a: input(0), b: input(1)))
        case .multiply:
            return try .multiply(multiply_places(count: size(y.count), y: output(0), a: input(0), b: input(1)))
        case .scaledSum(let alpha, let beta):
            return try .scaled_sum(
                scaled_sum_places(count: size(y.count), y: output(0), a: input(0), b: input(1), alpha: alpha, beta: beta))
        case .sigmoid:
            return try .sigmoid(sigmoid_places(count: size(y.count), y: output(0), x: input(0)))
        case .sigmoidGradient:
            return try .sigmoid_gradient(sigmoid_gradient_places(count: size(y.count), dx: output(0), dy: input(0), y: input(1)))
        case .selectRows(let selection):
            return try .select_rows(
                select_rows_places(
                    images: size(y.shape[0]), rows: size(y.shape[1]), width: size(y.width), from_rows: size(type(0).shape[1]),
                    first: size(selection.first),
                    offset: size(selection.offset), order_stride: size(selection.indexed ? type(1).width : 0), lead: selection.lead ? 1 : 0,
                    y: output(0), x: input(0), order: input(selection.indexed ? 1 : nil)))
        case .placeRows(let selection, let rows):
            return try .place_rows(
                place_rows_places(
                    images: size(y.shape[0]), rows: size(selection.total), width: size(y.width), to_rows: size(rows),
                    first: size(selection.first),
                    offset: size(selection.offset), order_stride: size(selection.indexed ? type(1).width : 0), lead: selection.lead ? 1 : 0,
                    y: output(0), x: input(0), order: input(selection.indexed ? 1 : nil)))
        case .prependRow:
            return try .prepend_row(
                prepend_row_places(
                    images: size(y.shape[0]), rows: size(y.shape[1] - 1), width: size(y.width), y: output(0), x: input(0), token: input(1)))
        case .restoreTokens:
            return try .restore_tokens(
                restore_tokens_places(
                    images: size(y.shape[0]), kept: size(type(0).shape[1] - 1), patches: size(y.shape[1] - 1), width: size(y.width),
                    y: output(0), x: input(0), token: input(1), order: input(2), position: input(3)))
        case .columnSum(let rows):
            let width = rows * type(0).width
            return try .column_sum(
                column_sum_places(
                    flags: 0, rows: size(type(0).rows / rows), width: size(width), stride: size(width), y: output(0), x: input(0)))
        case .meanRows(let first, let count):
            return try .mean_rows(
                mean_rows_places(
                    images: size(y.shape[0]), rows: size(count), width: size(y.width), from_rows: size(type(0).shape[1]),
                    first: size(first),
                    y: output(0), x: input(0)))
        case .meanRowsGradient(let first, let count, let rows):
            return try .mean_rows_gradient(
                mean_rows_gradient_places(
                    images: size(y.shape[0]), rows: size(count), width: size(y.width), to_rows: size(rows), first: size(first),
                    dx: output(0), dy: input(0)))
        case .scaleRows:
            let scales = type(1).count
            return try .scale_rows(
                scale_rows_places(rows: size(scales), width: size(y.count / scales), y: output(0), x: input(0), scale: input(1)))
        case .rowDot:
            return try .row_dot(
                row_dot_places(rows: size(type(0).rows), width: size(type(0).width), y: output(0), a: input(0), b: input(1)))
        case .orderDescending:
            return try .order_descending(
                order_descending_places(images: size(y.rows), patches: size(y.width), order: output(0), scores: input(0)))
        case .rowVariance:
            return try .row_variance(row_variance_places(rows: size(type(0).rows), width: size(type(0).width), y: output(0), x: input(0)))
        case .keepRows(let count):
            let s = type(0).shape
            return try .keep_rows(
                keep_rows_places(
                    images: size(s[0]), rows: size(count), width: size(s[2]), from_rows: size(s[1]), y: output(0), x: input(0),
                    scores: input(1)))
        case .softmax:
            return try .softmax(softmax_places(rows: size(y.rows), width: size(y.width), y: output(0), x: input(0)))
        case .orderHardest(let removed):
            return try .order_hardest(
                order_hardest_places(
                    images: size(y.rows), patches: size(y.width), removed: size(removed), order: output(0), scores: input(0),
                    noise: input(1), share: input(2)))
        case .rankingLoss(let first):
            return try .ranking_loss(
                ranking_loss_places(
                    images: size(type(0).rows), patches: size(type(0).width), removed: size(type(1).width), first: size(first),
                    loss: output(0), logits: input(0), error: input(1), order: input(2)))
        case .rankingLossGradient(let first, let weight):
            return try .ranking_loss_gradient(
                ranking_loss_gradient_places(
                    images: size(type(0).rows), patches: size(type(0).width), removed: size(type(1).width), first: size(first),
                    d_logits: output(0), logits: input(0), error: input(1), order: input(2), weight: weight))
        case .uniformity:
            return try .uniformity(
                uniformity_places(images: size(type(0).rows), width: size(type(0).width), y: output(0), x: input(0)))
        case .uniformityGradient(let weight):
            return try .uniformity_gradient(
                uniformity_gradient_places(
                    images: size(type(0).rows), width: size(type(0).width), dx: output(0), x: input(0), weight: weight))
        case .patchError(let form):
            return try .patch_error(
                patch_error_places(
                    flags: form.flags, images: size(type(0).shape[0]), rows: size(type(0).shape[1]), width: size(type(0).width),
                    patches: size(type(1).shape[1]),
                    first: size(form.first), error: output(0), prediction: input(0), target: input(1), order: input(form.indexed ? 2 : nil),
                    epsilon: PatchErrorForm.epsilon))
        case .patchErrorGradient(let form, let weight):
            let first = weight == nil ? 1 : 0, prediction = type(first)
            return try .patch_error_gradient(
                patch_error_gradient_places(
                    flags: form.flags, images: size(prediction.shape[0]), rows: size(prediction.shape[1]), width: size(prediction.width),
                    patches: size(type(first + 1).shape[1]), first: size(form.first), d_prediction: output(0),
                    d_error: input(weight == nil ? 0 : nil),
                    prediction: input(first), target: input(first + 1), order: input(form.indexed ? first + 2 : nil),
                    epsilon: PatchErrorForm.epsilon, weight: weight ?? 0))
        case .crossEntropy:
            return try .cross_entropy(
                cross_entropy_places(
                    images: size(type(0).rows), classes: size(type(0).width), loss: output(0), logits: input(0), targets: input(1)))
        case .crossEntropyGradient(let weight):
            return try .cross_entropy_gradient(
                cross_entropy_gradient_places(
                    images: size(type(0).rows), classes: size(type(0).width), d_logits: output(0), logits: input(0), targets: input(1),
                    weight: weight))
        case .mean:
            return try .mean(mean_places(count: size(type(0).count), y: output(0), x: input(0)))
        case .maskerTerms:
            return try .masker_terms(
                masker_terms_places(
                    images: size(type(0).rows), patches: size(type(0).width), terms: output(0), error: input(0), scores: input(1)))
        case .maskerLoss(let weights):
            return try .masker_loss(
                masker_loss_places(
                    images: size(type(1).rows), patches: size(type(1).width), losses: output(0), terms: input(0), curriculum: input(3),
                    lambda_gauss: weights.gauss, lambda_kl: weights.kl, lambda_diversity: weights.diversity))
        case .maskerLossGradient(let weights):
            return try .masker_loss_gradient(
                masker_loss_gradient_places(
                    images: size(type(1).rows), patches: size(type(1).width), d_error: output(0), d_scores: output(1),
                    terms: input(0), error: input(1), scores: input(2), curriculum: input(3),
                    lambda_gauss: weights.gauss, lambda_kl: weights.kl, lambda_diversity: weights.diversity))
        case .guardFinite:  // of several losses the total, which comes last
            let last = (type(0).count - 1) * type(0).element.bytes
            return .guard_finite(guard_finite_places(loss: place(x[0])?.advanced(by: last).encoded ?? .max))
        case .adamw(let slice, let form, let clipped, let moments):
            guard let parameter = place(x[0]) else {
                throw GraphError(operation: node.operation.text, problem: "its parameter has no place")
            }
            if moments == .bfloat16 {
                let half = parameter.offset / ElementType.float32.bytes * ElementType.bfloat16.bytes
                return try .adamw_bf16(
                    adamw_bf16_places(
                        count: size(slice.type.storedCount),
                        first_panel: size(parameter.offset / (TensorType.panelWidth * ElementType.float32.bytes)),
                        parameter: parameter.encoded, first_moment: Operand(.firstMoments, half).encoded,
                        second_moment: Operand(.secondMoments, half).encoded, gradient: input(1), step: input(2), number: input(3),
                        clip: input(clipped ? 4 : nil), rate: input(slice.parameter.rateScale == 1 ? nil : clipped ? 5 : 4),
                        one_minus_beta1: Float(1 - form.beta1), beta2: Float(form.beta2), one_minus_beta2: Float(1 - form.beta2),
                        epsilon: Float(form.epsilon), weight_decay: slice.parameter.decays ? Float(form.weightDecay) : 0))
            }
            return try .adamw(
                adamw_places(
                    count: size(slice.type.storedCount), parameter: parameter.encoded,
                    first_moment: Operand(.firstMoments, parameter.offset).encoded,
                    second_moment: Operand(.secondMoments, parameter.offset).encoded, gradient: input(1), step: input(2),
                    clip: input(clipped ? 3 : nil),
                    rate: input(slice.parameter.rateScale == 1 ? nil : clipped ? 4 : 3), one_minus_beta1: Float(1 - form.beta1),
                    beta2: Float(form.beta2),
                    one_minus_beta2: Float(1 - form.beta2), epsilon: Float(form.epsilon),
                    weight_decay: slice.parameter.decays ? Float(form.weightDecay) : 0))
        case .gradientSquares(let group, let count):
            return try .sum_squares(sum_squares_places(count: size(count), y: output(0), x: gradients(group).encoded))
        case .clipScale(let limit):
            return try .clip_scale(
                clip_scale_places(
                    count: size(type(0).count), scale: output(0), norm: output(1), partials: input(0), step: input(1), limit: limit))
        case .patchify(let patch):
            let s = type(0).shape
            return try .patchify(
                patchify_places(
                    images: size(s[0]), rows: size(s[1] / patch), columns: size(s[2] / patch), patch: size(patch), channels: size(s[3]),
                    patches: output(0), pixels: input(0), scale_shift: input(1)))
        case .input, .parameter, .gradient, .constant, .uniform:
            preconditionFailure("leaves are not lowered")
        }
    }
}

extension Graph {
    /// Every node becomes one instruction over places in memory; in a chain, one for each block of rows.
    /// - Throws: `GraphError` where a gradient is to be added to by an operation that cannot, or a size is too large for a kernel.
    func lowered(_ placement: Placement, layout: ParameterLayout, accumulating: Bool) throws(GraphError) -> [Instruction] {
        let held = Set(gradients.map(\.value)), lowering = Lowering(self, placement, layout: layout)
        var instructions: [Instruction] = []
        for (step, node) in computed.enumerated() {
            if let chain = placement.chains.first(where: { $0.steps.contains(step) }) {
                guard chain.steps.lowerBound == step else { continue }
                instructions += try self.instructions(of: chain) { node throws(GraphError) in try lowering.instruction(node) }
                continue
            }
            var instruction = try lowering.instruction(node)
            if accumulating, node.outputs.contains(where: held.contains) {
                guard let kernel = instruction.kernel, curricle_flags_of(kernel) & InstructionFlags.accumulate.rawValue != 0 else {
                    throw GraphError(
                        operation: node.operation.text, problem: "makes a gradient that cannot be accumulated: its parameter is used twice")
                }
                instruction.marks.insert(.accumulate)
            }
            instructions.append(instruction)
        }
        return instructions
    }

    /// FLOPs of all matrix products.
    func flops() throws(GraphError) -> Double {
        var sum = 0.0
        for node in nodes { sum += try flops(of: node) }
        return sum
    }

    /// FLOPs of a node's matrix products.
    func flops(of node: Node) throws(GraphError) -> Double { node.isLeaf ? 0 : try Lowering(symbolic: self).instruction(node).flops }

    /// What the registry says of a node's memory: outputs that are made only if somebody reads one of them, and pairs that may share a
    /// place where the input is read for the last time, the better pair first.
    func memoryRules(_ node: Node) throws(GraphError) -> (optional: [ValueID], sharable: [(output: ValueID, input: ValueID)]) {
        let instruction = try Lowering(symbolic: self).instruction(node), demand = instruction.demand
        let values = instruction.operands.map { $0.map { ValueID(index: $0.offset) } }
        let optional = demand.extents.enumerated().compactMap { slot, extent in
            extent.is_optional != 0 && extent.is_written != 0 ? values[slot] : nil
        }
        let sharable = demand.pairs.compactMap { pair -> (output: ValueID, input: ValueID)? in
            guard let output = values[pair.output], let input = values[pair.input] else { return nil }
            return (output, input)
        }
        return (optional, sharable)
    }
}

/// Sizes and places of attention, whose query, key and value are columns of one tensor or of two.
private struct AttentionForm {
    let images, queries, tokens, width, headWidth, queryStride, keyStride: Int
    let scale: Float
    private let isPacked: Bool
    private let element: ElementType

    init(_ inputs: [TensorType], heads: Int) {
        isPacked = inputs.count == 1
        let first = inputs[0].shape
        images = first[0]
        queries = first[1]
        tokens = isPacked ? queries : inputs[1].shape[1]
        width = isPacked ? first[2] / 3 : first[2]
        headWidth = width / heads
        queryStride = first[2]
        keyStride = isPacked ? first[2] : inputs[1].shape[2]
        element = inputs[0].element
        scale = Float(1 / Double(headWidth).squareRoot())
    }

    /// Places of query, key and value from those of the packed tensor or the pair.
    /// - Parameter other: the element type of these, where it is not the inputs'.
    func split(
        _ places: [Operand?], of other: ElementType? = nil
    ) -> (query: curricle_operand, key: curricle_operand, value: curricle_operand) {
        let step = width * (other ?? element).bytes  // from query to key to value in a tensor that holds several
        let first = places[0], pair = isPacked ? first?.advanced(by: step) : places[1]
        return (first.encoded, pair.encoded, pair?.advanced(by: step).encoded ?? .max)
    }
}

extension PatchErrorForm {
    fileprivate var flags: UInt32 { normalized ? InstructionFlags.normalizeTarget.rawValue : 0 }
}
