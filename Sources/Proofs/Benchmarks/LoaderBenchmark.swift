import CurricleDatasets
import Foundation
import CurricleModels
import CurricleRuntime
import CurricleVision

/// How fast batches come from images on disk, and what that costs.
package struct LoaderBenchmark: Sendable {
    package struct Result: Sendable {
        package let images: Int
        package let seconds: Double
        /// Processor time used, seconds of one core.
        package let coreSeconds: Double
        package var imagesPerSecond: Double { Double(images) / seconds }
        package var imagesPerCoreSecond: Double { Double(images) / coreSeconds }
        /// Cores kept busy.
        package var coreShare: Double { coreSeconds / seconds }
    }

    package var pipeline: ImagePipeline
    package var batchSize: Int
    package var workers: Int
    package init(pipeline: ImagePipeline, batchSize: Int, workers: Int) {
        self.pipeline = pipeline
        self.batchSize = batchSize
        self.workers = workers
    }

    /// One epoch of a source, after a warm-up batch.
    package func run(_ source: any ImageSource, progress: (Int, Int) -> Void = { _, _ in }) throws -> Result {
        let loader = BatchLoader(
            source: source, pipeline: pipeline, batchSize: min(batchSize, source.count), dropLast: false, shuffle: true, seed: 0,
            workers: workers,
            prefetch: workers + 1, broken: .substitute)
        defer { loader.stop() }
        loader.start(epoch: 0)
        _ = try loader.next()
        loader.stop()
        let clock = DispatchTime.now().uptimeNanoseconds, cpu = Machine.processorSeconds
        loader.start(epoch: 1)
        var images = 0
        while let batch = try loader.next() {
            images += batch.samples.count
            progress(images, source.count)
        }
        return Result(
            images: images, seconds: Double(DispatchTime.now().uptimeNanoseconds - clock) * 1e-9,
            coreSeconds: Machine.processorSeconds - cpu)
    }
}
