import CurricleDistributed
import CurricleEngine
import CurricleGraph
import CurricleModels
import CurricleRuntime
import CurricleTrainer
import Dispatch

/// Time of whole updates of several batches each, by one process or shared among ranks, on ready-made batches.
package struct UpdateBenchmark: Sendable {
    package struct Result: Sendable {
        /// Median and 90th percentile, seconds of an update.
        package let seconds, secondsP90: Double
        /// Of an update, on all ranks.
        package let images: Int
        /// In the mean of an update, what this rank waited for others.
        package let waited: Double
        package let residentBytes: Int
        package let otherLoad: OtherLoad?
        package var imagesPerSecond: Double { Double(images) / seconds }
    }

    package var configuration: ModelConfiguration
    package var options: StepOptions
    package var setting: BenchmarkSetting
    package var precision = Precision.float32
    /// Batches of an update, and the groups that their gradients are added in.
    package var batches: Int
    package var groups: Int

    package init(configuration: ModelConfiguration, options: StepOptions, setting: BenchmarkSetting, batches: Int, groups: Int) {
        (self.configuration, self.options, self.setting, self.batches, self.groups) = (configuration, options, setting, batches, groups)
    }

    /// All ranks run it.
    package func run(_ ranks: Ranks?, progress: (Int) -> Void = { _ in }) throws -> Result {
        let model = try ModelRuntime(
            configuration, precision: precision, trains: true, sharesMoments: ranks != nil, storesGradients: true, threads: setting.threads,
            isa: setting.isa)
        model.initialize(seed: 0)
        let trainer = JointTrainer(
            model: model, options: options, adamw: AdamW(), clip: nil, accumulates: true, pieceImages: nil, groups: groups, ranks: ranks)
        let own = trainer.ownBatches(of: batches)
        try trainer.prepare(images: setting.batchSize, batches: own)
        let patches = try RandomPatches(configuration, images: setting.batchSize)
        let given = [TrainingBatch](repeating: TrainingBatch(images: setting.batchSize, patches: patches.bytes), count: own)
        let shape = UpdateShape(batches: [Int](repeating: setting.batchSize, count: batches))
        let now = IterationSettings(learningRate: 1e-4, curriculum: 0.5)
        var waits: [Double] = []
        let before = OtherLoad.Clock()
        let times = try setting.times(progress) {
            let waited = trainer.waited
            _ = try trainer.iterate(given, of: shape, now)
            waits.append(trainer.waited - waited)
        }
        let counted = waits.dropFirst(setting.warmup)
        return Result(
            seconds: quantile(times, 0.5), secondsP90: quantile(times, 0.9), images: setting.batchSize * batches,
            waited: counted.reduce(0, +) / Double(max(1, counted.count)), residentBytes: Machine.residentBytes.peak,
            otherLoad: before.flatMap(OtherLoad.init(since:)))
    }
}
