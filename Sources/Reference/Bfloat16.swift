import Foundation

/// x to eight significant bits, ties to even; of magnitude below 2⁻⁵⁶ zero.
func roundedToBfloat16(_ x: Double) -> Double {
    guard x.isFinite, abs(x) >= 0x1p-56 else { return x.isFinite ? 0 : x }
    let unit = scalbn(1, ilogb(x) - 7)
    return (x / unit).rounded(.toNearestOrEven) * unit
}

extension Tensor {
    var inBfloat16: Tensor { Tensor(shape, values.map(roundedToBfloat16)) }
}
