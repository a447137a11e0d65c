import CurricleGraph
import CurricleTensors

/// Evaluates graphs in Double, node by node, with plain loops from each operation's documented formula (`Operation.swift`).
/// Any graph will do, before or after the compiler's passes. Every tensor is row-major here: layouts are the kernels' affair.
package struct Interpreter {
    /// Values of the caller's tensors. Integers and pixels as Doubles.
    package var inputs: [InputName: [Double]]
    /// Whole parameters by name, `[rows, depth]` row-major; slices are taken from them.
    package var parameters: [String: [Double]]
    /// Stored gradients and moments by name, shaped as the parameters; zero where missing.
    package var gradients: [String: [Double]] = [:]
    package var firstMoments: [String: [Double]] = [:]
    package var secondMoments: [String: [Double]] = [:]

    package init(inputs: [InputName: [Double]] = [:], parameters: [String: [Double]] = [:]) {
        self.inputs = inputs
        self.parameters = parameters
    }

    /// Runs every node in order. Effects change nothing but the side table of updates.
    /// - Throws: `ReferenceError` for an input or parameter that is missing or of another size than the graph says.
    package func evaluate(_ graph: Graph) throws(ReferenceError) -> Evaluation {
        var out = Evaluation()
        for node in graph.nodes {
            let operands = node.inputs.map { Tensor(graph.shape($0), out.values[$0] ?? []) }
            let outputs = try evaluate(node, operands, graph, &out)
            for (value, exact) in zip(node.outputs, outputs) {
                let numbers = node.isLeaf || graph.type(value).element != .bfloat16 ? exact : exact.map(roundedToBfloat16)
                guard numbers.count == graph.type(value).count else {
                    throw ReferenceError("\(node.operation.text) made \(numbers.count) numbers for \(graph.type(value))")
                }
                out.values[value] = numbers
            }
        }
        for (name, value) in graph.results { out.results[name] = out.values[value] }
        for (slice, value) in graph.gradients { out.gradients[slice] = out.values[value] }
        return out
    }

    private func evaluate(_ node: Node, _ x: [Tensor], _ graph: Graph, _ out: inout Evaluation) throws(ReferenceError) -> [[Double]] {
        let shape = node.outputs.first.map { graph.shape($0) } ?? []
        switch node.operation {
        case .input(let input):
            guard let values = inputs[input] else { throw ReferenceError("input \(input.rawValue) is missing") }
            return [values]
        case .parameter(let slice): return [try part(slice, parameters[slice.parameter.name])]
        case .gradient(let slice): return [try part(slice, gradients[slice.parameter.name])]
        case .constant(let name): return [(graph.constants[name] ?? []).map(Double.init)]
        case .uniform(let value): return [Array(repeating: Double(value), count: shape.reduce(1, *))]

        case .linear(let form) where form.operands == .bfloat16:
            return linear(form, x.enumerated().map { $0.offset < 2 ? $0.element.inBfloat16 : $0.element })
        case .linear(let form): return linear(form, x)
        case .quantizeRows: return [quantizedRows(x[0])]
        case .transposePanels: return [transposed(x[0])]
        case .linearWeightGradient(_, .bfloat16):
            let sums = linearWeightGradient(dy: x[0].inBfloat16, x: x[1].inBfloat16)
            return [sums[0], columnSum(x[0], rows: 1)]
        case .linearWeightGradient: return linearWeightGradient(dy: x[0], x: x[1])
        case .attention(let heads, _): return attention(AttentionOperands(x, heads: heads))
        case .attentionGradient(let heads, _):
            return attentionGradient(dy: x[0], AttentionOperands(Array(x.dropFirst(2)), heads: heads))
        case .layerNorm(let epsilon, _, let keepsNormalized):
            let made = layerNorm(x[0], x[1], x[2], epsilon: Double(epsilon))
            return keepsNormalized ? made + [normalized(x[0], statistics: made[1])] : made
        case .layerNormGradient(let hasAddend):
            // Of x̂ itself mean and scale are taken in already.
            let isNormal = graph.type(node.inputs[1]).element == .bfloat16
            return layerNormGradient(
                dy: x[0], normal: isNormal ? x[1].values : normalized(x[1], statistics: x[2].values),
                statistics: x[2], gamma: x[3], addend: hasAddend ? x[4] : nil)

        case .gelu: return [x[0].values.map(gelu), x[0].values.map(geluDerivative)]
        case .add: return [x[0].values.indices.map { x[0][$0] + x[1][$0 % x[1].values.count] }]
        case .concatenate:
            return [(0..<x[0].rows).flatMap { row in (0..<x[0].width).map { x[0][row, $0] } + (0..<x[1].width).map { x[1][row, $0] } }]
        case .scaledSum(let alpha, let beta): return [x[0].values.indices.map { Double(alpha) * x[0][$0] + Double(beta) * x[1][$0] }]
        case .multiply: return [x[0].values.indices.map { x[0][$0] * x[1][$0] }]
        case .sigmoid: return [x[0].values.map(sigmoid)]
        case .softmax: return [softmax(x[0])]
        case .sigmoidGradient: return [x[0].values.indices.map { x[0][$0] * x[1][$0] * (1 - x[1][$0]) }]
        case .selectRows(let selection): return [selectRows(selection, x)]
        case .placeRows(let selection, let rows): return [placeRows(selection, x, rows: rows)]
        case .prependRow: return [prependRow(x[0], token: x[1])]
        case .restoreTokens: return [restoreTokens(kept: x[0], token: x[1], order: x[2], position: x[3])]
        case .columnSum(let rows): return [columnSum(x[0], rows: rows)]
        case .meanRows(let first, let count): return [meanRows(x[0], first: first, count: count)]
        case .meanRowsGradient(let first, let count, let rows): return [meanRowsGradient(x[0], first: first, count: count, rows: rows)]
        case .scaleRows:
            let each = x[0].values.count / x[1].values.count
            return [x[0].values.indices.map { x[0][$0] * x[1][$0 / each] }]
        case .rowDot: return [rowDot(x[0], x[1])]
        case .rowVariance: return [rowVariance(x[0])]
        case .keepRows(let count): return [keepRows(x[0], scores: x[1], count: count)]

        case .orderDescending: return [orderDescending(x[0])]
        case .orderHardest(let removed): return [orderHardest(x[0], noise: x[1], share: x[2][0], removed: removed)]
        case .rankingLoss(let first): return [rankingLoss(first: first, logits: x[0], errors: x[1], order: x[2])]
        case .rankingLossGradient(let first, let weight):
            return [rankingLossGradient(first: first, logits: x[0], errors: x[1], order: x[2], weight: Double(weight))]
        case .uniformity: return [uniformity(x[0])]
        case .uniformityGradient(let weight): return [uniformityGradient(x[0], weight: Double(weight))]
        case .patchError(let form): return [patchError(form, x)]
        case .patchErrorGradient(let form, let weight):
            let rest = weight == nil ? Array(x.dropFirst()) : x
            return [patchErrorGradient(form, rest) { weight.map(Double.init) ?? x[0][$0] }]
        case .crossEntropy: return [crossEntropy(logits: x[0], targets: x[1])]
        case .crossEntropyGradient(let weight): return [crossEntropyGradient(logits: x[0], targets: x[1], weight: Double(weight))]
        case .mean: return [[x[0].values.reduce(0, +) / Double(x[0].values.count)]]
        case .maskerTerms: return [maskerTerms(error: x[0], scores: x[1])]
        case .maskerLoss(let weights): return [maskerLoss(weights, terms: x[0], scores: x[2], curriculum: x[3][0])]
        case .maskerLossGradient(let weights): return maskerLossGradient(weights, error: x[1], scores: x[2], curriculum: x[3][0])

        case .guardFinite: return []
        case .adamw(let slice, let form, let clipped, let moments):  // the chance in bf16 moments is not told here
            let more = x.dropFirst(moments == .bfloat16 ? 4 : 3).map { $0[0] }
            let clip = clipped ? more[0] : 1, rate = slice.parameter.rateScale == 1 ? 1 : more[clipped ? 1 : 0]
            out.updates[slice] = try adamw(slice, form, parameter: x[0], gradient: x[1], step: x[2], clip: clip, rate: rate)
            return []
        case .gradientSquares(let group, _): return [gradientSquares(group, graph, chunks: shape[0])]
        case .clipScale(let limit): return clipScale(limit: Double(limit), partials: x[0], step: x[1])
        case .patchify(let patch): return [patchify(x[0], scaleShift: x[1], patch: patch)]
        }
    }

    /// The rows of a whole parameter that a slice names.
    func part(_ slice: ParameterSlice, _ whole: [Double]?) throws(ReferenceError) -> [Double] {
        let parameter = slice.parameter, count = parameter.shape.reduce(1, *)
        guard let whole, whole.count == count else { throw ReferenceError("\(slice) has \(whole?.count ?? 0) numbers, not \(count)") }
        let section = count / parameter.sections
        let values = Array(whole[section * slice.sections.lowerBound..<section * slice.sections.upperBound])
        switch parameter.element {
        case .int8: return quantizedWeight(Tensor(slice.type.shape, values))
        case .bfloat16: return values.map(roundedToBfloat16)
        case .float32, .int32, .uint8: return values
        }
    }
}

/// What a graph came to.
package struct Evaluation {
    package fileprivate(set) var values: [ValueID: [Double]] = [:]
    package fileprivate(set) var results: [String: [Double]] = [:]
    /// Gradients that the graph leaves in their segment.
    package fileprivate(set) var gradients: [ParameterSlice: [Double]] = [:]
    /// What AdamW made of each slice.
    package fileprivate(set) var updates: [ParameterSlice: UpdatedParameter] = [:]
}

package struct UpdatedParameter {
    package let parameter: [Double]
    package let firstMoment: [Double]
    package let secondMoment: [Double]
}

package struct ReferenceError: Error, CustomStringConvertible {
    package let description: String
    init(_ problem: String) { description = "reference: \(problem)" }
}

/// Row-major numbers with their shape.
struct Tensor {
    let shape: [Int]
    let values: [Double]
    init(_ shape: [Int], _ values: [Double]) {
        self.shape = shape
        self.values = values
    }
    var width: Int { shape.last ?? 1 }
    var rows: Int { shape.dropLast().reduce(1, *) }
    subscript(_ index: Int) -> Double { values[index] }
    /// Element (row, column), however the rows are grouped.
    subscript(_ row: Int, _ column: Int) -> Double { values[row * width + column] }
}
