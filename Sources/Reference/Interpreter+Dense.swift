import Foundation
import CurricleGraph

/// Φ(x), the normal distribution's integral.
func normalIntegral(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }
/// x·Φ(x)
func gelu(_ x: Double) -> Double { x == -.infinity ? 0 : x * normalIntegral(x) }
/// Φ(x) + x·e^(−x²/2)/√(2π)
func geluDerivative(_ x: Double) -> Double {
    x.isInfinite ? (x > 0 ? 1 : 0) : normalIntegral(x) + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot()
}
/// 1/(1 + e⁻ˣ)
func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

extension Interpreter {
    /// y = act((x·Wᵀ + bias)∘multiplier + residual), and for GELU its derivative.
    func linear(_ form: LinearForm, _ x: [Tensor]) -> [[Double]] {
        let rows = x[0].rows, depth = x[0].width, columns = x[1].shape[0]
        var y = matrixProduct(x[0].values, x[1].values, rows: rows, columns: columns, depth: depth)
        for i in y.indices {
            if let bias = form.biasIndex { y[i] += x[bias][i % columns] }
            if let multiplier = form.multiplierIndex { y[i] *= x[multiplier][i] }
            if let residual = form.residualIndex { y[i] += x[residual][i % x[residual].values.count] }
        }
        return form.gelu ? [y.map(gelu), y.map(geluDerivative)] : [y]
    }

    /// a [rows, depth] · bᵀ for b [columns, depth].
    private func matrixProduct(_ a: [Double], _ b: [Double], rows: Int, columns: Int, depth: Int) -> [Double] {
        var y = [Double](repeating: 0, count: rows * columns)
        a.withUnsafeBufferPointer { a in
            b.withUnsafeBufferPointer { b in
                for i in 0..<rows {
                    for j in 0..<columns {
                        var sum = 0.0
                        for k in 0..<depth { sum += a[i * depth + k] * b[j * depth + k] }
                        y[i * columns + j] = sum
                    }
                }
            }
        }
        return y
    }

    func transposed(_ x: Tensor) -> [Double] {
        (0..<x.values.count).map { x[$0 % x.rows, $0 / x.rows] }
    }

    /// dW[n, k] = Σ_rows dy[·, n]·x[·, k];  db[n] = Σ_rows dy[·, n].
    func linearWeightGradient(dy: Tensor, x: Tensor) -> [[Double]] {
        let across = Tensor([dy.width, dy.rows], transposed(Tensor([dy.rows, dy.width], dy.values)))
        let down = transposed(Tensor([x.rows, x.width], x.values))
        return [matrixProduct(across.values, down, rows: dy.width, columns: x.width, depth: dy.rows), columnSum(dy, rows: 1)]
    }

    /// Y = softmax(QKᵀ/√k)·V for each image and head, and the logarithm of each row's sum of exponentials.
    func attention(_ a: AttentionOperands) -> [[Double]] {
        var y = [Double](repeating: 0, count: a.images * a.queries * a.width)
        var logsumexp: [Double] = []
        for image in 0..<a.images {
            for head in 0..<a.heads {
                for i in 0..<a.queries {
                    let (probabilities, log) = a.probabilities(image, head, i)
                    logsumexp.append(log)
                    for j in 0..<a.tokens {
                        for d in 0..<a.headWidth { y[a.queryAt(image, i, head, d)] += probabilities[j] * a.value(image, j, head, d) }
                    }
                }
            }
        }
        return [y, logsumexp]
    }

    /// dV = Pᵀ·dY;  dP = dY·Vᵀ;  dS = P∘(dP − Σ P∘dP);  dQ = dS·K/√k;  dK = dSᵀ·Q/√k.
    func attentionGradient(dy: Tensor, _ a: AttentionOperands) -> [[Double]] {
        var d = a.zeros
        for image in 0..<a.images {
            for head in 0..<a.heads {
                for i in 0..<a.queries {
                    let probabilities = a.probabilities(image, head, i).0
                    let dP = (0..<a.tokens).map { j in
                        (0..<a.headWidth).reduce(0.0) { $0 + dy[a.queryAt(image, i, head, $1)] * a.value(image, j, head, $1) }
                    }
                    let mean = zip(probabilities, dP).reduce(0) { $0 + $1.0 * $1.1 }
                    for j in 0..<a.tokens {
                        let dS = probabilities[j] * (dP[j] - mean) * a.scale
                        for k in 0..<a.headWidth {
                            d.add(dS * a.key(image, j, head, k), toQuery: (image, i, head, k), a)
                            d.add(dS * a.query(image, i, head, k), toKey: (image, j, head, k), a)
                            d.add(probabilities[j] * dy[a.queryAt(image, i, head, k)], toValue: (image, j, head, k), a)
                        }
                    }
                }
            }
        }
        return d.tensors
    }

    /// y = (x − μ)/√(σ² + ε)·γ + β, and (μ, 1/√(σ² + ε)) of each row.
    func layerNorm(_ x: Tensor, _ gamma: Tensor, _ beta: Tensor, epsilon: Double) -> [[Double]] {
        let width = Double(x.width)
        var y: [Double] = [], statistics: [Double] = []
        for row in 0..<x.rows {
            let values = (0..<x.width).map { x[row, $0] }
            let mean = values.reduce(0, +) / width
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / width
            let scale = 1 / (variance + epsilon).squareRoot()
            y += values.enumerated().map { ($1 - mean) * scale * gamma[$0] + beta[$0] }
            statistics += [mean, scale]
        }
        return [y, statistics]
    }

    /// x̂ = (x − μ)·r
    func normalized(_ x: Tensor, statistics: [Double]) -> [Double] {
        x.values.indices.map { (x[$0] - statistics[2 * ($0 / x.width)]) * statistics[2 * ($0 / x.width) + 1] }
    }

    /// With x̂ and g = dy·γ: dx = r·(g − mean(g) − x̂·mean(g·x̂)) + addend; dγ = Σ dy·x̂ and dβ = Σ dy, a part for each chunk.
    func layerNormGradient(dy: Tensor, normal: [Double], statistics: Tensor, gamma: Tensor, addend: Tensor?) -> [[Double]] {
        let rows = dy.rows, width = dy.width, chunks = Operation.normChunks(rows: rows)
        var dx: [Double] = []
        var dGamma = [Double](repeating: 0, count: chunks * width), dBeta = dGamma
        for chunk in 0..<chunks {
            for row in rows * chunk / chunks..<rows * (chunk + 1) / chunks {
                let scale = statistics[2 * row + 1], normal = normal[row * width..<(row + 1) * width].map { $0 }
                let g = (0..<width).map { dy[row, $0] * gamma[$0] }
                let meanG = g.reduce(0, +) / Double(width)
                let meanDot = zip(g, normal).reduce(0) { $0 + $1.0 * $1.1 } / Double(width)
                for d in 0..<width {
                    dx.append(scale * (g[d] - meanG - normal[d] * meanDot) + (addend?[row, d] ?? 0))
                    dGamma[chunk * width + d] += dy[row, d] * normal[d]
                    dBeta[chunk * width + d] += dy[row, d]
                }
            }
        }
        return [dx, dGamma, dBeta]
    }
}
