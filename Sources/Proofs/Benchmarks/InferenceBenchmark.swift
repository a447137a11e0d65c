import Dispatch
import CurricleEngine
import CurricleModels
import CurricleRuntime
import CurricleTensors

/// Time of the encoder's features of whole images: the class token and the mean of the patch tokens, so all tokens are computed.
package struct InferenceBenchmark: Sendable {
    package var configuration: ModelConfiguration
    package var setting: BenchmarkSetting
    /// Times each shape and set of operands of a kernel apart.
    package var byShape = false
    package var precision = Precision.float32
    package init(configuration: ModelConfiguration, setting: BenchmarkSetting) {
        self.configuration = configuration
        self.setting = setting
    }

    package func run(progress: (Int) -> Void = { _ in }) throws -> BenchmarkOutcome {
        let model = try ModelRuntime(
            configuration, parts: .encoder, precision: precision, trains: false, threads: setting.threads, isa: setting.isa)
        model.initialize(seed: 0)
        let executable = try model.features(images: setting.batchSize)
        let patches = try RandomPatches(configuration, images: setting.batchSize)
        let instructions = executable.program.instructions
        var peaks = ProductPeaks(instructions)
        peaks.measure(isa: setting.isa, threads: setting.threads, seconds: 0.5)
        let peak = peaks.mixed
        let given: RunInputs = [.patches: .memory(patches.bytes)]
        let before = OtherLoad.Clock()
        let times = try setting.times(progress) { _ = try model.session.run(executable, given) }
        let otherLoad = before.flatMap(OtherLoad.init(since:))
        let kernels = try KernelTime.measured([instructions], rounds: min(3, setting.repeats), byShape: byShape, peaks) { _, clock in
            _ = try model.session.run(executable, given, nanoseconds: clock)
        }
        let flops = LeastWork.features(configuration) * Double(setting.batchSize)
        let residentBytes = Machine.residentBytes.peak  // before the roofline's own memory
        let roofline = try Roofline(
            [instructions], leastFLOPs: flops, leastBytes: Double(model.layout.bytes + patches.bytes.count), peakGFLOPs: peak,
            threads: setting.threads)
        return BenchmarkOutcome(
            seconds: quantile(times, 0.5), secondsP90: quantile(times, 0.9), images: setting.batchSize, flops: flops, peakGFLOPs: peak,
            arenaBytes: model.session.arenaBytes, residentBytes: residentBytes, kernels: kernels, roofline: roofline,
            otherLoad: otherLoad)
    }
}

/// Ready-made patches of the right size.
struct RandomPatches {
    private let memory: Memory
    private let count: Int

    init(_ configuration: ModelConfiguration, images: Int) throws {
        count = images * configuration.patches * configuration.patchWidth
        memory = try Memory(floats: count, purpose: "patches")
        for i in 0..<count { memory.floats[i] = Float(Int32(truncatingIfNeeded: (i &* 0x9E37_79B1) & 0xFFFF) - 0x8000) * 6e-5 }
    }
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: memory.floats[0..<count])) }
}
