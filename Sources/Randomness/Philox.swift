import Foundation

/// Philox4x32-10, a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
///
/// A value is a pure function of (seed, stream, counter): nothing depends on threads, workers, order of use or a resume.
package struct Philox: RandomNumberGenerator, Sendable {
    private var counter: SIMD4<UInt32>
    private let key: SIMD2<UInt32>
    private var block = SIMD4<UInt32>()
    private var taken = 4

    /// - Parameters:
    ///   - seed: the run's seed.
    ///   - stream: what the numbers are for, e.g. (epoch, sample); equal arguments give equal numbers.
    package init(seed: UInt64, stream: (UInt32, UInt32, UInt32) = (0, 0, 0)) {
        key = [UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)]
        counter = [0, stream.0, stream.1, stream.2]
    }

    /// The ten rounds on one counter block.
    @inline(__always)
    package static func block(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
        var (a, b, c, d) = (counter[0], counter[1], counter[2], counter[3])
        var (k0, k1) = (key[0], key[1])
        for _ in 0..<10 {
            let p = UInt64(a) &* 0xD251_1F53, q = UInt64(c) &* 0xCD9E_8D57
            (a, b, c, d) = (
                UInt32(truncatingIfNeeded: q >> 32) ^ b ^ k0, UInt32(truncatingIfNeeded: q),
                UInt32(truncatingIfNeeded: p >> 32) ^ d ^ k1, UInt32(truncatingIfNeeded: p)
            )
            k0 &+= 0x9E37_79B9
            k1 &+= 0xBB67_AE85
        }
        return SIMD4(a, b, c, d)
    }

    private mutating func nextWord() -> UInt32 {
        if taken == 4 {
            block = Philox.block(counter: counter, key: key)
            counter[0] &+= 1
            taken = 0
        }
        defer { taken += 1 }
        return block[taken]
    }

    package mutating func next() -> UInt64 {
        let low = UInt64(nextWord())
        return low | UInt64(nextWord()) << 32
    }

    /// A Double in [0, 1) with 53 random bits.
    package mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// A Double in [low, high).
    package mutating func uniform(_ low: Double, _ high: Double) -> Double { low + (high - low) * uniform() }

    /// An integer in 0..<bound (bound ≥ 1), by rejection, so that every value is equally likely.
    package mutating func integer(below bound: Int) -> Int {
        let bound = UInt64(bound)
        let surplus = (UInt64.max % bound + 1) % bound  // values at the top that would favour small remainders
        while true {
            let value = next()
            if value <= UInt64.max - surplus { return Int(value % bound) }
        }
    }

    /// `count` floats in [−bound, bound) with 24 random bits each, from counters 0, 1, … of a stream: for initial values.
    package static func uniforms(_ count: Int, bound: Float, seed: UInt64, stream: (UInt32, UInt32, UInt32)) -> [Float] {
        let key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        return [Float](unsafeUninitializedCapacity: count) { out, filled in
            for start in stride(from: 0, to: count, by: 4) {
                let words = block(counter: [UInt32(truncatingIfNeeded: start / 4), stream.0, stream.1, stream.2], key: key)
                let values = (SIMD4<Float>(SIMD4<Int32>(truncatingIfNeeded: words &>> 8)) * 0x1p-23 - 1) * bound
                if start + 4 <= count {
                    UnsafeMutableRawPointer(out.baseAddress! + start).storeBytes(of: values, as: SIMD4<Float>.self)
                } else {
                    for lane in 0..<(count - start) { out[start + lane] = values[lane] }
                }
            }
            filled = count
        }
    }

    /// A standard normal deviate (Box–Muller, cosine branch).
    package mutating func normal() -> Double {
        let radius = (-2 * log(1 - uniform())).squareRoot()
        return radius * cos(2 * .pi * uniform())
    }

    /// A permutation of 0..<count (Fisher–Yates).
    package mutating func permutation(_ count: Int) -> [Int] {
        var order = Array(0..<count)
        for i in stride(from: count - 1, to: 0, by: -1) { order.swapAt(i, integer(below: i + 1)) }
        return order
    }
}
