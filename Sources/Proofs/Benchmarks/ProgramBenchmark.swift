import Dispatch
import CurricleModels
import CurricleRuntime
import CurricleWeights

/// Time of a program file in the library that devices run: opening it, and a batch.
package struct ProgramBenchmark: Sendable {
    package struct Result: Sendable {
        /// Median and 90th percentile, seconds a batch.
        package let batch, batchP90: Double
        /// Seconds, mapped and warm: without and with the checksum over all bytes.
        package let open, openChecked: Double
        package let images: Int
        package let precision: Precision
        package let flops: Double
        package let peakGFLOPs: Double
        package let arenaBytes: Int
        package var imagesPerSecond: Double { Double(images) / batch }
        package var gflops: Double { flops / batch * 1e-9 }
    }

    package var path: String
    /// Its batch size is the file's.
    package var setting: BenchmarkSetting
    package init(path: String, setting: BenchmarkSetting) {
        self.path = path
        self.setting = setting
    }

    package func run(progress: (Int) -> Void = { _ in }) throws -> Result {
        func opening(_ verifies: Bool) throws -> Double {
            let times = try BenchmarkSetting(batchSize: 1, threads: setting.threads, isa: setting.isa, repeats: 5, warmup: 1).times {
                _ = try ProgramFile(path: path, threads: setting.threads, isa: setting.isa, verifiesChecksum: verifies)
            }
            return quantile(times, 0.5)
        }
        let openChecked = try opening(true), open = try opening(false)
        let encoder = try ProgramFile(path: path, threads: setting.threads, isa: setting.isa)
        let shape = encoder.encoder.shape
        let pixels = (0..<shape.inputBytes).map { UInt8(truncatingIfNeeded: $0 &* 0x9E37_79B1 >> 8) }
        var features = [Float](repeating: 0, count: shape.outputCount)
        var peaks = ProductPeaks(encoder.instructions)
        peaks.measure(isa: setting.isa, threads: setting.threads, seconds: 0.5)
        let peak = peaks.mixed
        let times = try setting.times(progress) {
            try pixels.withUnsafeBufferPointer { pixels in
                try features.withUnsafeMutableBufferPointer { try encoder.encoder.run(pixels, into: $0) }
            }
        }
        return Result(
            batch: quantile(times, 0.5), batchP90: quantile(times, 0.9), open: open, openChecked: openChecked, images: shape.images,
            precision: encoder.precision, flops: encoder.encoder.flops,
            peakGFLOPs: peak, arenaBytes: encoder.encoder.arenaBytes)
    }
}
