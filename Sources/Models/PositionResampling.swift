/// How learned positions are brought to another grid of patches.
package enum PositionResampling: String, Sendable, Codable {
    /// As MAE and Hugging Face do: Keys' cubic of a = −0.75 at four points, whatever the scale.
    case bicubic
    /// As timm does: a = −0.5, widened where the grid shrinks.
    case antialiased
}

/// Positions of a grid of patches, from those of another: `torch.nn.functional.interpolate(mode="bicubic",
/// align_corners=False, antialias=…)` of each component, computed in Double.
/// - Parameter values: [rows·columns, width] of the old grid, without the class token's.
/// - Returns: [rows·columns, width] of the new grid.
/// - Precondition: sizes are positive, and there are as many values as they say.
package func resampledPositions(
    _ values: [Float], width: Int, from old: (rows: Int, columns: Int), to new: (rows: Int, columns: Int), _ method: PositionResampling
) -> [Float] {
    let horizontal = resamplingTaps(from: old.columns, to: new.columns, method)
    let vertical = resamplingTaps(from: old.rows, to: new.rows, method)
    // First along each row: [old rows, new columns, width].
    var middle = [Double](repeating: 0, count: old.rows * new.columns * width)
    for row in 0..<old.rows {
        for (column, taps) in horizontal.enumerated() {
            for tap in taps {
                let from = (row * old.columns + tap.index) * width, to = (row * new.columns + column) * width
                for d in 0..<width { middle[to + d] += tap.weight * Double(values[from + d]) }
            }
        }
    }
    var out: [Float] = []
    out.reserveCapacity(new.rows * new.columns * width)
    for taps in vertical {
        for i in 0..<(new.columns * width) {
            out.append(Float(taps.reduce(0) { $0 + $1.weight * middle[$1.index * new.columns * width + i] }))
        }
    }
    return out
}

/// For each place of the new axis, the places of the old one that it is made of.
private func resamplingTaps(from old: Int, to new: Int, _ method: PositionResampling) -> [[(index: Int, weight: Double)]] {
    let scale = Double(old) / Double(new)
    return (0..<new).map { place in
        switch method {
        case .bicubic:
            let center = (Double(place) + 0.5) * scale - 0.5, left = center.rounded(.down)
            // Beyond the border, the border's own value counts.
            return (-1...2).map { k in
                (min(old - 1, max(0, Int(left) + k)), cubic(center - left - Double(k), a: -0.75))
            }
        case .antialiased:
            let widening = max(1, scale), support = 2 * widening, center = (Double(place) + 0.5) * scale
            let first = max(0, Int(center - support + 0.5)), end = min(old, Int(center + support + 0.5))
            let weights = (first..<end).map { cubic((Double($0) - center + 0.5) / widening, a: -0.5) }
            let sum = weights.reduce(0, +)
            return zip(first..<end, weights).map { ($0, $1 / sum) }
        }
    }
}

/// Keys' cubic convolution kernel (R. Keys, "Cubic convolution interpolation for digital image processing", 1981).
private func cubic(_ distance: Double, a: Double) -> Double {
    let x = abs(distance)
    if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    if x < 2 { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a }
    return 0
}
