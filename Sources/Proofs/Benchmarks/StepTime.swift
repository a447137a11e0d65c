import CurricleModels
import CurricleRuntime
import CurricleTrainer

extension TrainingPlan {
    /// Seconds that a joint iteration will take: a shallower model of the same widths is timed for about three seconds, and
    /// its FLOPs a second are taken for those of the whole.
    package func predictedSeconds(_ settings: PretrainSettings, threads: Int, isa: ISA) throws -> Double {
        var shallow = settings
        shallow.model.depth = max(1, settings.model.depth / 6)
        shallow.model.decoderDepth = max(1, settings.model.decoderDepth / 6)
        shallow.model.maskerDepth = max(1, settings.model.maskerDepth / 4)
        // The rate is measured on the paper's iteration, whatever of it the run does.
        shallow.maskerEvery = 1
        (shallow.step.masking, shallow.step.objective) = (.learned, .curriculum)
        (shallow.step.maskNoise, shallow.step.uniformity) = (0, 0)
        shallow.batchSize = min(settings.batchSize, max(1, 3200 / (settings.model.patches + 1)))
        let flops = try TrainingPlan(shallow, threads: threads, isa: isa).flops
        func seconds(repeats: Int) throws -> Double {
            let setting = BenchmarkSetting(batchSize: shallow.batchSize, threads: threads, isa: isa, repeats: repeats, warmup: 1)
            var benchmark = StepBenchmark(configuration: shallow.model, options: shallow.step, setting: setting)
            benchmark.timesKernels = false
            benchmark.precision = settings.precision
            return try benchmark.run().whole.seconds
        }
        let rough = try seconds(repeats: 1)
        return try self.flops / (flops / seconds(repeats: max(2, min(100, Int(1.5 / rough)))))
    }
}
