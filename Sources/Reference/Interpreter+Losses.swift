import Foundation
import CurricleGraph

extension Interpreter {
    /// The target of each row of a prediction: its patch, or the patch by its own mean and unbiased variance.
    private func targets(_ form: PatchErrorForm, _ x: [Tensor]) -> [[Double]] {
        let rows = x[0].shape[1], patches = x[1].shape[1], width = x[1].width
        return (0..<x[0].rows).map { i in
            let image = i / rows, at = form.first + i % rows
            let patch = form.indexed ? Int(x[2][image, at]) : at
            let values = (0..<width).map { x[1][image * patches + patch, $0] }
            guard form.normalized else { return values }
            let mean = values.reduce(0, +) / Double(width)
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width - 1)
            return values.map { ($0 - mean) / (variance + Double(PatchErrorForm.epsilon)).squareRoot() }
        }
    }

    /// Mean over a patch's values of (prediction − target)².
    func patchError(_ form: PatchErrorForm, _ x: [Tensor]) -> [Double] {
        targets(form, x).enumerated().map { row, target in
            target.indices.reduce(0.0) { $0 + pow(x[0][row, $1] - target[$1], 2) } / Double(target.count)
        }
    }

    /// dprediction = derror·2/P·(prediction − target).
    func patchErrorGradient(_ form: PatchErrorForm, _ x: [Tensor], dError: (Int) -> Double) -> [Double] {
        targets(form, x).enumerated().flatMap { row, target in
            target.indices.map { dError(row) * 2 / Double(target.count) * (x[0][row, $0] - target[$0]) }
        }
    }

    /// −Σ t·ln softmax(logits) of each image.
    func crossEntropy(logits: Tensor, targets: Tensor) -> [Double] {
        (0..<logits.rows).map { n in
            let most = (0..<logits.width).map { logits[n, $0] }.max() ?? 0
            let sum = (0..<logits.width).reduce(0.0) { $0 + exp(logits[n, $1] - most) }
            return (0..<logits.width).reduce(0.0) { $0 - targets[n, $1] * (logits[n, $1] - most - log(sum)) }
        }
    }

    /// exp(x) / Σ exp(x) of each row.
    func softmax(_ x: Tensor) -> [Double] {
        (0..<x.rows).flatMap { row in
            let powers = (0..<x.width).map { exp(x[row, $0]) }, sum = powers.reduce(0, +)
            return powers.map { $0 / sum }
        }
    }

    /// weight·(softmax(logits)·Σ t − t)
    func crossEntropyGradient(logits: Tensor, targets: Tensor, weight: Double) -> [Double] {
        (0..<logits.rows).flatMap { n in
            let most = (0..<logits.width).map { logits[n, $0] }.max() ?? 0
            let sum = (0..<logits.width).reduce(0.0) { $0 + exp(logits[n, $1] - most) }
            let all = (0..<logits.width).reduce(0.0) { $0 + targets[n, $1] }
            return (0..<logits.width).map { weight * (exp(logits[n, $0] - most) / sum * all - targets[n, $0]) }
        }
    }

    private static let alpha = -1 / (2 * 0.12 * 0.12)
    /// 1/β, β = 1/(0.12√(2π))
    private static let inverseBeta = 0.12 * (2 * Double.pi).squareRoot()

    /// ‖m_a − m_b‖₂ of two images' scores.
    private func distance(_ scores: Tensor, _ a: Int, _ b: Int) -> Double {
        (0..<scores.width).reduce(0.0) { $0 + pow(scores[a, $1] - scores[b, $1], 2) }.squareRoot()
    }

    /// Of each image: Σ e·w, Σ w, Σ exp(α(m−½)²)/β, m̄·ln(m̄/¼) + w̄·ln(w̄/¾), Σ_{j>i} exp(−‖m_i−m_j‖/10); w = 1 − m.
    func maskerTerms(error: Tensor, scores: Tensor) -> [Double] {
        let images = scores.rows, patches = scores.width
        var terms: [Double] = []
        for n in 0..<images {
            let m = (0..<patches).map { scores[n, $0] }
            let mean = m.reduce(0, +) / Double(patches)
            terms.append((0..<patches).reduce(0.0) { $0 + error[n, $1] * (1 - m[$1]) })
            terms.append(m.reduce(0) { $0 + 1 - $1 })
            terms.append(m.reduce(0) { $0 + exp(Self.alpha * ($1 - 0.5) * ($1 - 0.5)) * Self.inverseBeta })
            terms.append(mean * log(mean / 0.25) + (1 - mean) * log((1 - mean) / 0.75))
            terms.append((n + 1..<max(n + 1, images)).reduce(0.0) { $0 + exp(-0.1 * distance(scores, n, $1)) })
        }
        return terms
    }

    /// recon, gauss, kl, diversity and λ_cl·recon + the rest (REFERENCE.md, step B).
    func maskerLoss(_ weights: MaskerWeights, terms: Tensor, scores: Tensor, curriculum: Double) -> [Double] {
        let images = Double(scores.rows), patches = Double(scores.width)
        let total = (0..<5).map { c in (0..<scores.rows).reduce(0.0) { $0 + terms[$1, c] } }
        let recon = total[0] / total[1]
        let gauss = Double(weights.gauss) * total[2] / (images * patches)
        let kl = Double(weights.kl) * total[3]
        let diversity = images > 1 ? Double(weights.diversity) * total[4] / (images * (images - 1) / 2) : 0
        return [recon, gauss, kl, diversity, curriculum * recon + gauss + kl + diversity]
    }

    /// Gradients of the total with respect to error and scores; the norm's gradient at 0 is 0.
    func maskerLossGradient(_ weights: MaskerWeights, error: Tensor, scores: Tensor, curriculum: Double) -> [[Double]] {
        let images = scores.rows, patches = scores.width, count = Double(images * patches)
        let terms = maskerTerms(error: error, scores: scores)
        let weightSum = (0..<images).reduce(0.0) { $0 + terms[$1 * 5 + 1] }
        let recon = (0..<images).reduce(0.0) { $0 + terms[$1 * 5] } / weightSum
        let pairs = Double(images * (images - 1)) / 2
        var dError: [Double] = [], dScores: [Double] = []
        for n in 0..<images {
            let mean = (0..<patches).reduce(0.0) { $0 + scores[n, $1] } / Double(patches)
            for l in 0..<patches {
                let m = scores[n, l]
                dError.append(curriculum * (1 - m) / weightSum)
                var d = curriculum * (recon - error[n, l]) / weightSum
                d += Double(weights.gauss) / count * exp(Self.alpha * (m - 0.5) * (m - 0.5)) * Self.inverseBeta * 2 * Self.alpha * (m - 0.5)
                d += Double(weights.kl) / Double(patches) * (log(mean / 0.25) - log((1 - mean) / 0.75))
                for other in 0..<images where other != n {
                    let far = distance(scores, n, other)
                    if far > 0 { d -= Double(weights.diversity) / pairs * 0.1 * exp(-0.1 * far) * (m - scores[other, l]) / far }
                }
                dScores.append(d)
            }
        }
        return [dError, dScores]
    }
}
