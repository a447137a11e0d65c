import CurricleRuntime

/// What a benchmark of a model came to.
package struct BenchmarkOutcome: Sendable {
    /// Median and 90th percentile, seconds of a round.
    package let seconds, secondsP90: Double
    /// Of a round.
    package let images: Int
    /// Least FLOPs of a round (`LeastWork`).
    package let flops: Double
    /// That the units can give of the programs' products, each kind at its own peak.
    package let peakGFLOPs: Double
    package let arenaBytes: Int
    package let residentBytes: Int
    /// Empty where kernels are not looked at.
    package let kernels: [KernelTime]
    /// Nil where kernels are not looked at.
    package let roofline: Roofline?
    /// What else ran while it was timed; nil where that cannot be told.
    package let otherLoad: OtherLoad?
    package var imagesPerSecond: Double { Double(images) / seconds }
    package var gflops: Double { flops / seconds * 1e-9 }
    package var peakShare: Double { gflops / peakGFLOPs }
}
