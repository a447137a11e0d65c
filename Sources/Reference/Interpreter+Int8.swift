extension Interpreter {
    /// What the bytes of rows stand for: (q − zero)·scale, with q = clamp(rint(x/scale) + zero, 0…255), zero = rint(−lo/scale) and
    /// scale = (hi − lo)/255 of each row's lo = min(x, 0), hi = max(x, 0). Levels are chosen in float32, as the kernel chooses them: a
    /// number half way between two would else fall to either side.
    func quantizedRows(_ x: Tensor) -> [Double] {
        (0..<x.rows).flatMap { row in
            let values = (0..<x.width).map { Float(x[row, $0]) }
            let lo = values.reduce(0, min), range = values.reduce(0, max) - lo
            let inverse = range > 1e-30 ? 255 / range : 0, zero = (-lo * inverse).rounded(.toNearestOrEven)
            return values.map { value in
                let level = min(255, max(0, (value * inverse).rounded(.toNearestOrEven) + zero))
                return Double(level - zero) * Double(range / 255)
            }
        }
    }

    /// What an int8 weight's bytes stand for: rint(w/scale)·scale, scale = max|w|/127 of each row of [out, in].
    func quantizedWeight(_ weight: Tensor) -> [Double] {
        (0..<weight.rows).flatMap { row in
            let values = (0..<weight.width).map { Float(weight[row, $0]) }, scale = values.map(abs).reduce(0, max) / 127
            return values.map { scale > 0 ? Double(($0 / scale).rounded(.toNearestOrEven)) * Double(scale) : 0 }
        }
    }
}
