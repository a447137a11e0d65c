import CurricleEngine
import Foundation
import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleRuntime
import CurricleTensors

/// Time of one joint iteration on ready-made batches, and where it goes.
package struct StepBenchmark: Sendable {
    package struct Result: Sendable {
        /// Of both steps.
        package let whole: BenchmarkOutcome
        /// Medians of either step, seconds.
        package let stepA, stepB: Double
    }

    package var configuration: ModelConfiguration
    package var options: StepOptions
    package var setting: BenchmarkSetting
    /// float32 or bf16.
    package var precision = Precision.float32
    /// Whether each kernel is timed besides, and the programs are counted.
    package var timesKernels = true
    /// Times each shape and set of operands of a kernel apart.
    package var byShape = false

    package init(configuration: ModelConfiguration, options: StepOptions, setting: BenchmarkSetting) {
        self.configuration = configuration
        self.options = options
        self.setting = setting
    }

    /// Runs it; the peak is measured in the same process, before and after.
    package func run(progress: (Int) -> Void = { _ in }) throws -> Result {
        let (batchSize, threads, isa) = (setting.batchSize, setting.threads, setting.isa)
        let model = try ModelRuntime(configuration, precision: precision, trains: true, threads: threads, isa: isa)
        model.initialize(seed: 0)
        let adamw = AdamW()
        let session = model.session
        let patches = try RandomPatches(configuration, images: batchSize)
        let batch = RunInputs.Tensor.memory(patches.bytes), scalars: [Float] = [1e-4, 1e-4, 1, 1]
        let a = try model.autoencoderStep(images: batchSize, options, update: .immediate(adamw))
        let b = try model.maskerStep(images: batchSize, options, update: .immediate(adamw))
        func step(_ program: Executable, _ given: RunInputs, _ clock: UnsafeMutableBufferPointer<UInt64>? = nil) throws -> Double {
            let start = DispatchTime.now().uptimeNanoseconds
            _ = try session.run(program, given, nanoseconds: clock)
            return Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
        }
        let givenA: RunInputs = [.patches: batch, .step: .numbers(scalars)]
        let givenB: RunInputs = [.patches: batch, .step: .numbers(scalars), .curriculum: [0.5]]

        var peaks = ProductPeaks(a.program.instructions + b.program.instructions)
        peaks.measure(isa: isa, threads: threads, seconds: 0.5)
        var stepsA: [Double] = [], stepsB: [Double] = []
        let before = OtherLoad.Clock()
        let steps = try setting.times(progress) {
            stepsA.append(try step(a, givenA))
            stepsB.append(try step(b, givenB))
        }
        stepsA.removeFirst(setting.warmup)
        stepsB.removeFirst(setting.warmup)
        let otherLoad = before.flatMap(OtherLoad.init(since:))
        let residentBytes = Machine.residentBytes.peak  // before the roofline's own memory
        peaks.measure(isa: isa, threads: threads, seconds: 0.5)
        let peak = peaks.mixed

        // By a clock that is no part of the times above.
        let programs = [a.program.instructions, b.program.instructions]
        let kernels = try KernelTime.measured(programs, rounds: timesKernels ? min(3, setting.repeats) : 0, byShape: byShape, peaks) {
            number, clock in
            _ = try number == 0 ? step(a, givenA, clock) : step(b, givenB, clock)
        }
        let least = LeastWork(configuration, maskRatio: options.maskRatio), flops = least.flops * Double(batchSize)
        let roofline =
            timesKernels
            ? try Roofline(
                programs, leastFLOPs: flops, leastBytes: least.bytes(model.layout) + Double(patches.bytes.count), peakGFLOPs: peak,
                threads: threads) : nil
        return Result(
            whole: BenchmarkOutcome(
                seconds: quantile(steps, 0.5), secondsP90: quantile(steps, 0.9), images: batchSize, flops: flops, peakGFLOPs: peak,
                arenaBytes: session.arenaBytes, residentBytes: residentBytes, kernels: kernels, roofline: roofline,
                otherLoad: otherLoad),
            stepA: quantile(stepsA, 0.5), stepB: quantile(stepsB, 0.5))
    }
}

/// The value below which a share of the sorted values lies.
func quantile(_ values: [Double], _ share: Double) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return .nan }
    let at = Double(sorted.count - 1) * share
    return sorted[Int(at)] + (sorted[min(Int(at) + 1, sorted.count - 1)] - sorted[Int(at)]) * (at - at.rounded(.down))
}
