import Datasets
import Foundation
import Models
import Runtime
import Vision

/// How fast batches come from images on disk, and what that costs.
public struct LoaderBenchmark: Sendable {
    public struct Result: Sendable {
        public let images: Int
        public let seconds: Double
        /// Processor time used, seconds of one core.
        public let coreSeconds: Double
        public var imagesPerSecond: Double { Double(images) / seconds }
        public var imagesPerCoreSecond: Double { Double(images) / coreSeconds }
        /// Cores kept busy.
        public var coreShare: Double { coreSeconds / seconds }
    }

    public var pipeline: ImagePipeline
    public var batchSize: Int
    public var workers: Int
    public init(pipeline: ImagePipeline, batchSize: Int, workers: Int) {
        self.pipeline = pipeline
        self.batchSize = batchSize
        self.workers = workers
    }

    /// One epoch of a source, after a warm-up batch.
    public func run(_ source: any ImageSource, progress: (Int, Int) -> Void = { _, _ in }) throws -> Result {
        let loader = BatchLoader(
            source: source, pipeline: pipeline, batchSize: min(batchSize, source.count), dropLast: false, shuffle: true, seed: 0,
            workers: workers,
            prefetch: workers + 1, broken: .substitute)
        defer { loader.stop() }
        loader.start(epoch: 0)
        _ = try loader.next()
        loader.stop()
        let clock = DispatchTime.now().uptimeNanoseconds, cpu = processorSeconds()
        loader.start(epoch: 1)
        var images = 0
        while let batch = try loader.next() {
            images += batch.samples.count
            progress(images, source.count)
        }
        return Result(
            images: images, seconds: Double(DispatchTime.now().uptimeNanoseconds - clock) * 1e-9, coreSeconds: processorSeconds() - cpu)
    }

    private func processorSeconds() -> Double {
        var usage = rusage()
        getrusage(0 /* RUSAGE_SELF */, &usage)
        func seconds(_ t: timeval) -> Double { Double(t.tv_sec) + Double(t.tv_usec) * 1e-6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }
}
