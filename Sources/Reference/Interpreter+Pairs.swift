import Foundation

/// Losses over pairs: of patches by their errors, of images by their features.
extension Interpreter {
    /// Of each pair of removed patches of an image whose errors differ: their patches' numbers, the one of larger error first, and 1; or NaN
    /// where the errors are no numbers.
    private func pairs(_ image: Int, first: Int, errors: Tensor, order: Tensor) -> [(larger: Int, smaller: Int, sign: Double)] {
        (0..<errors.width).flatMap { i in
            (0..<errors.width).compactMap { j in
                let difference = errors[image, i] - errors[image, j]
                guard i != j, difference > 0 || difference.isNaN else { return nil }
                return (Int(order[image, first + i]), Int(order[image, first + j]), difference > 0 ? 1 : .nan)
            }
        }
    }

    /// Of each image the mean over pairs of removed patches of ln(1 + exp(z_i − z_j)), i of larger error than j.
    func rankingLoss(first: Int, logits: Tensor, errors: Tensor, order: Tensor) -> [Double] {
        let count = Double(errors.width * (errors.width - 1)) / 2
        return (0..<order.rows).map { n in
            let sum = pairs(n, first: first, errors: errors, order: order).reduce(0.0) {
                $0 + $1.sign * log1p(exp(logits[n, $1.larger] - logits[n, $1.smaller]))
            }
            return count > 0 ? sum / count : 0
        }
    }

    /// weight·∂/∂z of the losses' sum: ±1/(1 + exp(z_j − z_i)) for each pair.
    func rankingLossGradient(first: Int, logits: Tensor, errors: Tensor, order: Tensor, weight: Double) -> [Double] {
        let count = Double(errors.width * (errors.width - 1)) / 2
        return (0..<order.rows).flatMap { n in
            var gradient = [Double](repeating: 0, count: order.width)
            for pair in pairs(n, first: first, errors: errors, order: order) {
                let pull = weight / count * pair.sign / (1 + exp(logits[n, pair.smaller] - logits[n, pair.larger]))
                gradient[pair.larger] += pull
                gradient[pair.smaller] -= pull
            }
            return gradient
        }
    }

    private func unit(_ x: Tensor, _ row: Int) -> (direction: [Double], length: Double) {
        let values = (0..<x.width).map { x[row, $0] }, length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return (values.map { length == 0 ? 0 : $0 / length }, length)
    }

    private func cosine(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

    /// Of each image the mean over the others of cos².
    func uniformity(_ x: Tensor) -> [Double] {
        let units = (0..<x.rows).map { unit(x, $0).direction }
        return units.indices.map { i in
            let sum = units.indices.reduce(0.0) { $1 == i ? $0 : $0 + pow(cosine(units[i], units[$1]), 2) }
            return x.rows > 1 ? sum / Double(x.rows - 1) : 0
        }
    }

    /// weight·∂/∂x of the images' sum: a pair stands in it twice, and ∂c/∂x_i = (u_j − c·u_i)/‖x_i‖.
    func uniformityGradient(_ x: Tensor, weight: Double) -> [Double] {
        let units = (0..<x.rows).map { unit(x, $0) }
        return units.indices.flatMap { i in
            var gradient = [Double](repeating: 0, count: x.width)
            for j in units.indices where j != i && units[i].length != 0 {
                let c = cosine(units[i].direction, units[j].direction)
                for d in gradient.indices {
                    gradient[d] +=
                        4 * weight * c * (units[j].direction[d] - c * units[i].direction[d]) / units[i].length / Double(x.rows - 1)
                }
            }
            return gradient
        }
    }
}
