import CurricleTensors

extension Operation {
    /// Types of the outputs, from those of the inputs; `leaf` is the type of a leaf that does not carry its own.
    package func outputTypes(_ inputs: [TensorType], leaf: TensorType?) throws(GraphError) -> [TensorType] {
        func require(_ condition: Bool, _ problem: @autoclosure () -> String) throws(GraphError) {
            if !condition { throw GraphError(operation: name, problem: "\(problem()); inputs \(inputs)") }
        }
        func take(_ count: Int) throws(GraphError) { try require(inputs.count == count, "takes \(count) inputs") }
        func replacing(_ type: TensorType, width: Int) -> TensorType { TensorType(type.shape.dropLast() + [width]) }
        func requireOneElement(_ inputs: [TensorType], _ result: ElementType) throws(GraphError) {
            try require(Set(inputs.map(\.element)).count == 1, "query, key and value must be of one element type")
            try require(inputs[0].element == .bfloat16 || result == .float32, "attention of float32 makes float32")
        }

        switch self {
        case .input, .constant, .uniform:
            guard let leaf else { throw GraphError(operation: name, problem: "a leaf needs a type") }
            return [leaf]
        case .parameter(let slice), .gradient(let slice):
            return [slice.type]

        case .linear(let form):
            try take(2 + (form.bias ? 1 : 0) + (form.residual ? 1 : 0) + (form.multiplier ? 1 : 0))
            let x = inputs[0], weight = inputs[1], isInt8 = weight.element == .int8
            try require(isInt8 || x.layout == .rows, "quantised rows take an int8 weight")
            try require(!(isInt8 && form.multiplier), "an int8 product has no multiplier")
            try require(weight.shape.count == 2 && weight.shape[1] == x.width, "weight [out, in] must fit x [.., in]")
            try require(
                form.operands == .bfloat16 || [x.element, weight.element, form.result, form.slope].allSatisfy { $0 != .bfloat16 },
                "bf16 is for products of bf16")
            let y = replacing(x, width: weight.shape[0])
            if let i = form.biasIndex { try require(inputs[i].shape == [weight.shape[0]], "bias must be [out]") }
            if let i = form.residualIndex {
                try require(
                    inputs[i].width == y.width && inputs[i].rows > 0 && y.rows % inputs[i].rows == 0, "residual's rows must repeat into y's"
                )
            }
            if let i = form.multiplierIndex { try require(inputs[i].shape == y.shape, "multiplier must have y's shape") }
            let slope = TensorType(y.shape, form.slope)
            return form.gelu && !isInt8 ? [TensorType(y.shape, form.result), slope] : [TensorType(y.shape, form.result)]
        case .quantizeRows:
            try take(1)
            return [TensorType(inputs[0].shape, .uint8, layout: .quantizedRows)]
        case .transposePanels(let result):
            try take(1)
            try require(inputs[0].shape.count == 2, "takes a matrix")
            return [TensorType(inputs[0].shape.reversed(), result, layout: .panels(sections: 1))]
        case .linearWeightGradient(let sections, let operands):
            try require(operands == .bfloat16 || inputs.allSatisfy { $0.element == .float32 }, "bf16 is for products of bf16")
            try take(2)
            try require(inputs[0].rows == inputs[1].rows && inputs[0].width % sections == 0, "dy and x must have the same rows")
            let layout = Layout.panels(sections: sections)
            return [TensorType([inputs[0].width, inputs[1].width], layout: layout), TensorType([inputs[0].width], layout: layout)]
        case .attention(let heads, let result):
            let (queries, width) = try attentionSizes(inputs, heads: heads)
            try requireOneElement(inputs, result)
            return [TensorType([inputs[0].shape[0], queries, width], result), TensorType([inputs[0].shape[0], heads, queries])]
        case .attentionGradient(let heads, let result):
            try require(inputs.count >= 3, "takes dy, logsumexp and attention's inputs")
            let (queries, width) = try attentionSizes(Array(inputs.dropFirst(2)), heads: heads)
            try require(inputs[0].shape == [inputs[2].shape[0], queries, width], "dy must be [N, Q, D]")
            try requireOneElement(Array(inputs.dropFirst(2)), result)
            return inputs.dropFirst(2).map { TensorType($0.shape, result) }
        case .layerNorm(_, let result, let keepsNormalized):
            try take(3)
            try require(inputs[1].shape == [inputs[0].width] && inputs[2].shape == [inputs[0].width], "γ and β must be [D]")
            let made = [TensorType(inputs[0].shape, result), replacing(inputs[0], width: 2)]
            return keepsNormalized ? made + [TensorType(inputs[0].shape, .bfloat16)] : made
        case .layerNormGradient(let hasAddend):
            try take(hasAddend ? 5 : 4)
            try require(inputs[0].shape == inputs[1].shape, "dy must have x's shape")
            let chunks = Operation.normChunks(rows: inputs[1].rows)
            let partial = TensorType([chunks, inputs[1].width])
            return [inputs[0], partial, partial]

        case .gelu:
            try take(1)
            return [inputs[0], inputs[0]]
        case .add:
            try take(2)
            try require(
                inputs[1].count > 0 && inputs[1].count % inputs[0].width == 0 && inputs[0].count % inputs[1].count == 0,
                "b's rows must repeat into a's")
            return [inputs[0]]
        case .concatenate:
            try take(2)
            try require(inputs[0].rows == inputs[1].rows, "rows must be equal")
            return [replacing(inputs[0], width: inputs[0].width + inputs[1].width)]
        case .multiply, .scaledSum, .sigmoidGradient:
            try take(2)
            try require(inputs[0].hasRows(of: inputs[1]), "rows must be equal")
            return [inputs[1]]
        case .sigmoid, .softmax:
            try take(1)
            return [inputs[0]]
        case .selectRows(let selection):
            try take(selection.indexed ? 2 : 1)
            try require(inputs[0].shape.count == 3, "takes [N, R, D]")
            try requireOrder(selection, among: inputs[0].shape[1], order: inputs.last)
            return [TensorType([inputs[0].shape[0], selection.total, inputs[0].shape[2]])]
        case .placeRows(let selection, let rows):
            try take(selection.indexed ? 2 : 1)
            try require(inputs[0].shape.count == 3 && inputs[0].shape[1] == selection.total, "takes [N, count, D]")
            try requireOrder(selection, among: rows, order: inputs.last)
            return [TensorType([inputs[0].shape[0], rows, inputs[0].shape[2]])]
        case .prependRow:
            try take(2)
            try require(inputs[0].shape.count == 3 && inputs[1].shape == [inputs[0].width], "takes [N, R, D] and [D]")
            return [TensorType([inputs[0].shape[0], inputs[0].shape[1] + 1, inputs[0].shape[2]])]
        case .restoreTokens:
            try take(4)
            let kept = inputs[0].shape, order = inputs[2].shape
            try require(
                kept.count == 3 && order.count == 2 && kept[0] == order[0] && kept[1] <= order[1] + 1, "kept [N, 1 + K, D], order [N, L]")
            try require(inputs[1].shape == [kept[2]] && inputs[3].shape == [order[1] + 1, kept[2]], "token [D], position [1 + L, D]")
            return [TensorType([kept[0], order[1] + 1, kept[2]])]
        case .columnSum(let rows):
            try take(1)
            try require(rows > 0 && inputs[0].rows % rows == 0, "rows must repeat")
            return [TensorType([rows * inputs[0].width], layout: .panels(sections: 1))]
        case .meanRows(let first, let count):
            try take(1)
            try require(inputs[0].shape.count == 3 && count > 0 && first + count <= inputs[0].shape[1], "rows out of range")
            return [TensorType([inputs[0].shape[0], inputs[0].shape[2]])]
        case .meanRowsGradient(let first, let count, let rows):
            try take(1)
            try require(inputs[0].shape.count == 2 && count > 0 && first + count <= rows, "rows out of range")
            return [TensorType([inputs[0].shape[0], rows, inputs[0].shape[1]])]
        case .scaleRows:
            try take(2)
            try require(inputs[1].count > 0 && inputs[0].rows % inputs[1].count == 0, "scales must divide the rows")
            return [inputs[0]]
        case .rowDot:
            try take(2)
            try require(inputs[0].shape == inputs[1].shape, "shapes must be equal")
            return [TensorType(Array(inputs[0].shape.dropLast()))]

        case .rowVariance:
            try take(1)
            return [TensorType(Array(inputs[0].shape.dropLast()))]
        case .keepRows(let count):
            try take(2)
            try require(
                inputs[0].shape.count == 3 && inputs[1].rows == inputs[0].shape[0] && inputs[1].width == inputs[0].shape[1]
                    && (1...inputs[0].shape[1]).contains(count), "takes [N, R, D] and scores [N, R]")
            return [TensorType([inputs[0].shape[0], count, inputs[0].shape[2]])]
        case .orderDescending:
            try take(1)
            return [TensorType([inputs[0].rows, inputs[0].width], .int32)]
        case .orderHardest(let removed):
            try take(3)
            try require(
                inputs[0].hasRows(of: inputs[1]) && inputs[2].count == 1 && removed > 0 && removed <= inputs[0].width,
                "scores and noise are [N, L], of which some are removed, share [1]")
            return [TensorType([inputs[0].rows, inputs[0].width], .int32)]
        case .patchError(let form):
            try requirePatches(form, inputs)
            return [TensorType(Array(inputs[0].shape.dropLast()))]
        case .patchErrorGradient(let form, let weight):
            let rest = weight == nil ? Array(inputs.dropFirst()) : inputs
            try requirePatches(form, rest)
            if weight == nil { try require(inputs[0].count == rest[0].rows, "one error gradient a row") }
            return [rest[0]]
        case .crossEntropy, .crossEntropyGradient:
            try take(2)
            try require(inputs[0].hasRows(of: inputs[1]), "logits and targets are [N, C]")
            return [self == .crossEntropy ? TensorType([inputs[0].rows]) : inputs[0]]
        case .mean:
            try take(1)
            return [TensorType([1])]
        case .rankingLoss(let first), .rankingLossGradient(let first, _):
            try take(3)
            let order = inputs[2]
            try require(
                order.element == .int32 && order.hasRows(of: inputs[0]) && inputs[1].rows == order.rows && first >= 0
                    && first + inputs[1].width <= order.width, "logits and order are [N, L], errors [N, R]")
            if case .rankingLoss = self { return [TensorType([order.rows])] }
            return [inputs[0]]
        case .uniformity, .uniformityGradient:
            try take(1)
            try require(inputs[0].shape.count == 2, "features are [N, D]")
            return [self == .uniformity ? TensorType([inputs[0].rows]) : inputs[0]]
        case .maskerTerms:
            try take(2)
            try require(inputs[0].hasRows(of: inputs[1]), "error and scores are [N, L]")
            return [TensorType([inputs[0].rows, KernelConstants.maskerTerms])]
        case .maskerLoss:
            try take(4)
            try require(inputs[1].hasRows(of: inputs[2]) && inputs[0].rows == inputs[1].rows, "terms [N, 5], error and scores [N, L]")
            return [TensorType([KernelConstants.maskerLosses])]
        case .maskerLossGradient:
            try take(4)
            try require(inputs[1].hasRows(of: inputs[2]), "error and scores are [N, L]")
            return [inputs[1], inputs[2]]

        case .guardFinite:
            try take(1)
            return []
        case .adamw(let slice, _, let clipped, let moments):
            try take(3 + (moments == .bfloat16 ? 1 : 0) + (clipped ? 1 : 0) + (slice.parameter.rateScale == 1 ? 0 : 1))
            try require(
                inputs[0] == slice.type && inputs[1].storedCount == slice.type.storedCount
                    && inputs[2].count == KernelConstants.stepScalars, "gradient as the parameter, step [4]")
            return []
        case .gradientSquares(_, let count):
            return [TensorType([(count + KernelConstants.squareChunk - 1) / KernelConstants.squareChunk])]
        case .clipScale:
            try take(2)
            return [TensorType([1]), TensorType([1])]
        case .patchify(let patch):
            try take(2)
            let s = inputs[0].shape
            try require(s.count == 4 && s[1] % patch == 0 && s[2] % patch == 0, "takes pixels [N, H, W, C] of whole patches")
            return [TensorType([s[0], s[1] / patch * (s[2] / patch), patch * patch * s[3]])]
        }
    }

    /// Chunks of rows that partial sums of a LayerNorm's gradient are taken over: a function of the shape alone.
    package static func normChunks(rows: Int) -> Int { min(64, max(1, (rows + 15) / 16)) }

    private func attentionSizes(_ inputs: [TensorType], heads: Int) throws(GraphError) -> (queries: Int, width: Int) {
        let first = inputs[0].shape
        let width = inputs.count == 1 ? first.last! / 3 : first.last!
        let fits =
            first.count == 3 && heads > 0 && width % heads == 0
            && (inputs.count == 1
                ? first[2] == 3 * width : inputs.count == 2 && inputs[1].shape == [first[0], inputs[1].shape[1], 2 * width])
        guard fits else {
            throw GraphError(
                operation: name, problem: "takes qkv [N, T, 3D], or query [N, Q, D] and key-value [N, T, 2D]; inputs \(inputs)")
        }
        return (first[1], width)
    }

    private func requireOrder(_ selection: RowSelection, among rows: Int, order: TensorType?) throws(GraphError) {
        if selection.indexed {
            guard let order, order.element == .int32, order.shape.count == 2, selection.offset + order.width <= rows else {
                throw GraphError(operation: name, problem: "takes an order of int32 [N, L] that names rows of \(rows)")
            }
        }
        let most = selection.indexed ? order?.width ?? 0 : rows - selection.offset
        guard selection.count > 0, selection.first >= 0, selection.offset >= 0, selection.first + selection.count <= most else {
            throw GraphError(operation: name, problem: "rows \(selection.first) to \(selection.first + selection.count) of \(most)")
        }
    }

    private func requirePatches(_ form: PatchErrorForm, _ inputs: [TensorType]) throws(GraphError) {
        guard inputs.count == (form.indexed ? 3 : 2), inputs[0].shape.count == 3, inputs[1].shape.count == 3,
            inputs[0].width == inputs[1].width, form.first + inputs[0].shape[1] <= inputs[1].shape[1]
        else { throw GraphError(operation: name, problem: "prediction [N, R, P], patches [N, L, P]; inputs \(inputs)") }
    }
}
