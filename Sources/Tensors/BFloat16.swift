/// A number of bf16 as the kernels store it (`CSupport/simd/bf16.h`): the upper half of a float32.
package struct BFloat16: Sendable, Hashable {
    package let bits: UInt16

    package init(bits: UInt16) { self.bits = bits }
    /// Rounded to the nearest, ties to even; of magnitude below 2⁻⁵⁶ zero; NaN stays NaN, but quiet.
    package init(_ x: Float) {
        if x.isNaN {
            bits = UInt16(x.bitPattern >> 16) | 0x40
        } else if x.magnitude < 0x1p-56 {
            bits = 0
        } else {
            bits = UInt16((UInt64(x.bitPattern) + 0x7fff + UInt64(x.bitPattern >> 16 & 1)) >> 16)
        }
    }

    package var value: Float { Float(bitPattern: UInt32(bits) << 16) }
}
