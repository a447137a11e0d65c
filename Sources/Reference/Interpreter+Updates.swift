import CurricleGraph

extension Interpreter {
    /// AdamW with decoupled decay: g' = g·scale·clip; m = β₁m + (1−β₁)g'; v = β₂v + (1−β₂)g'²;
    /// p ← p − rate·(lr·decay·p + stepSize·m/(√v·second + ε)), rate the parameter's own. step = lr, stepSize = lr/(1−β₁ᵗ), second =
    /// 1/√(1−β₂ᵗ), scale.
    func adamw(
        _ slice: ParameterSlice, _ form: AdamW, parameter: Tensor, gradient: Tensor, step: Tensor, clip: Double, rate: Double
    ) throws(ReferenceError) -> UpdatedParameter {
        let none = Array(repeating: 0.0, count: slice.parameter.shape.reduce(1, *)), name = slice.parameter.name
        var first = try part(slice, firstMoments[name] ?? none), second = try part(slice, secondMoments[name] ?? none)
        var values = parameter.values
        let decay = slice.parameter.decays ? form.weightDecay : 0
        for i in values.indices {
            let g = gradient[i] * step[3] * clip
            first[i] = form.beta1 * first[i] + (1 - form.beta1) * g
            second[i] = form.beta2 * second[i] + (1 - form.beta2) * g * g
            values[i] -= rate * (step[0] * decay * values[i] + step[1] * first[i] / (second[i].squareRoot() * step[2] + form.epsilon))
        }
        return UpdatedParameter(parameter: values, firstMoment: first, secondMoment: second)
    }

    /// The squares of all stored gradients of a group, added up. How they fall into chunks is the kernel's affair: all in the first.
    func gradientSquares(_ group: ParameterGroup, _ graph: Graph, chunks: Int) -> [Double] {
        let members = Set(
            graph.nodes.compactMap { node in
                if case .gradient(let slice) = node.operation, slice.parameter.group == group { slice.parameter.name } else { nil }
            })
        let sum = members.sorted().reduce(0.0) { $0 + (gradients[$1] ?? []).reduce(0) { $0 + $1 * $1 } }
        return [sum] + Array(repeating: 0, count: chunks - 1)
    }

    /// norm = gradient scale·√Σ;  scale = min(1, limit/(norm + 1e-6)), 1 up to the limit.
    func clipScale(limit: Double, partials: Tensor, step: Tensor) -> [[Double]] {
        let norm = partials.values.reduce(0, +).squareRoot() * step[3]
        return [[norm > limit ? limit / (norm + 1e-6) : 1], [norm]]
    }
}
