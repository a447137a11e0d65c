import Foundation
import Graph
import Models
import Program
import Randomness
import Runtime

/// Time of one joint iteration on ready-made batches, and where it goes.
public struct StepBenchmark: Sendable {
    public struct Result: Sendable {
        /// Medians and 90th percentile, seconds.
        public let step, stepP90, stepA, stepB: Double
        public let images: Int
        /// Least FLOPs of an iteration (`LeastWork`).
        public let flops: Double
        public let peakGFLOPs: Double
        public let arenaBytes: Int
        public let residentBytes: Int
        public let kernels: [KernelTime]
        public var imagesPerSecond: Double { Double(images) / step }
        public var gflops: Double { flops / step * 1e-9 }
        public var peakShare: Double { gflops / peakGFLOPs }
    }

    /// Time of all instructions of one kernel in an iteration.
    public struct KernelTime: Sendable {
        public let name: String
        public let seconds: Double
        public let flops: Double
        public let count: Int
    }

    public var configuration: ModelConfiguration
    public var options: StepOptions
    public var batchSize: Int
    public var threads: Int
    public var isa: ISA
    public var repeats: Int
    public var warmup: Int

    public init(configuration: ModelConfiguration, options: StepOptions, batchSize: Int, threads: Int, isa: ISA, repeats: Int = 10, warmup: Int = 2) {
        self.configuration = configuration
        self.options = options
        self.batchSize = batchSize
        self.threads = threads
        self.isa = isa
        self.repeats = repeats
        self.warmup = warmup
    }

    /// Runs it; the peak is measured in the same process, before and after.
    public func run(progress: (Int, Int) -> Void = { _, _ in }) throws -> Result {
        let model = try ModelRuntime(configuration, trains: true, threads: threads, isa: isa)
        model.initialize(seed: 0)
        let adamw = AdamW()
        let session = model.session
        session.setScalars(at: GraphInput.step.operand, [1e-4, 1e-4, 1, 1])
        session.setScalars(at: GraphInput.curriculum.operand, [0.5])
        let count = batchSize * configuration.patches * configuration.patchWidth
        let patches = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
        defer { patches.deallocate() }
        var random = Philox(seed: 1)
        for i in 0..<count { patches[i] = Float(random.uniform(-2, 2)) }
        let batch = UnsafeRawBufferPointer(patches)
        let a = try model.autoencoderStep(images: batchSize, options, update: .immediate(adamw))
        let b = try model.maskerStep(images: batchSize, options, update: .immediate(adamw))
        let instructions = a.program.instructions + b.program.instructions
        let clock = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: instructions.count)
        clock.initialize(repeating: 0)
        defer { clock.deallocate() }
        let clockA = UnsafeMutableBufferPointer(rebasing: clock[0..<a.program.instructions.count])
        let clockB = UnsafeMutableBufferPointer(rebasing: clock[a.program.instructions.count...])

        var peak = Machine.peakGFLOPs(isa: isa, threads: threads, seconds: 0.5)
        var steps: [Double] = [], stepsA: [Double] = [], stepsB: [Double] = []
        for i in 0..<(warmup + repeats) {
            if i == warmup { clock.update(repeating: 0) }
            let start = DispatchTime.now().uptimeNanoseconds
            _ = try session.run(a, batch: batch, nanoseconds: clockA)
            let middle = DispatchTime.now().uptimeNanoseconds
            _ = try session.run(b, batch: batch, nanoseconds: clockB)
            let end = DispatchTime.now().uptimeNanoseconds
            progress(i + 1, warmup + repeats)
            guard i >= warmup else { continue }
            steps.append(Double(end - start) * 1e-9)
            stepsA.append(Double(middle - start) * 1e-9)
            stepsB.append(Double(end - middle) * 1e-9)
        }
        peak = max(peak, Machine.peakGFLOPs(isa: isa, threads: threads, seconds: 0.5))
        var kernels: [Opcode: (UInt64, Double, Int)] = [:]
        for (instruction, time) in zip(instructions, clock) {
            let old = kernels[instruction.opcode] ?? (0, 0, 0)
            kernels[instruction.opcode] = (old.0 + time, old.1 + instruction.flops, old.2 + 1)
        }
        return Result(
            step: quantile(steps, 0.5), stepP90: quantile(steps, 0.9), stepA: quantile(stepsA, 0.5), stepB: quantile(stepsB, 0.5), images: batchSize,
            flops: LeastWork(configuration, maskRatio: options.maskRatio).flops * Double(batchSize), peakGFLOPs: peak, arenaBytes: session.arenaBytes,
            residentBytes: Machine.residentBytes.peak,
            kernels: kernels.map { KernelTime(name: $0.key.kernelName, seconds: Double($0.value.0) * 1e-9 / Double(repeats), flops: $0.value.1, count: $0.value.2) }
                .sorted { $0.seconds > $1.seconds })
    }
}

/// The value below which a share of the sorted values lies.
func quantile(_ values: [Double], _ share: Double) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return .nan }
    let at = Double(sorted.count - 1) * share
    return sorted[Int(at)] + (sorted[min(Int(at) + 1, sorted.count - 1)] - sorted[Int(at)]) * (at - at.rounded(.down))
}

/// The least matrix-product FLOPs of a joint iteration, per image: only what the mathematics needs, a multiply-add is
/// two, recomputed scores are not counted. By formula, not from the program, so that work the program does in vain is
/// not counted in its favour.
public struct LeastWork: Sendable {
    public let stepA: Double
    public let stepB: Double
    public var flops: Double { stepA + stepB }

    public init(_ c: ModelConfiguration, maskRatio: Double) {
        func linear(_ rows: Int, _ input: Int, _ output: Int) -> Double { 2 * Double(rows) * Double(input) * Double(output) }
        /// Linear and attention FLOPs of a block on n tokens whose output is wanted for `rows` of them.
        func block(_ n: Int, _ d: Int, rows: Int? = nil) -> (linear: Double, attention: Double) {
            let r = rows ?? n
            return (linear(n, d, 2 * d) + linear(r, d, d) * 2 + 2 * linear(r, d, c.mlpRatio * d), 4 * Double(r) * Double(n) * Double(d))
        }
        /// Forward, input gradient and, unless frozen, weight gradient; attention's backward is twice its forward.
        func train(_ b: (linear: Double, attention: Double), frozen: Bool = false) -> Double { (frozen ? 2 : 3) * b.linear + 3 * b.attention }
        let patches = c.patches, tokens = patches + 1, kept = c.kept(maskRatio: maskRatio), removed = patches - kept
        let d = c.embedWidth, w = c.decoderWidth, p = c.patchWidth
        let whole = Double(c.maskerDepth - 1), masker = block(tokens, d), last = block(tokens, d, rows: 1)
        let maskerForward = whole * (masker.linear + masker.attention) + last.linear + last.attention + linear(1, d, patches)
        let maskerTrain = whole * train(masker) + train(last) + 3 * linear(1, d, patches) - linear(tokens, d, 3 * d)
        let embed = linear(patches, p, d), depth = Double(c.depth), deeper = Double(c.decoderDepth - 1)
        stepA = embed + maskerForward + depth * train(block(kept + 1, d)) + linear(kept, p, d) + 3 * linear(kept + 1, d, w)
            + deeper * train(block(tokens, w)) + train(block(tokens, w, rows: removed)) + 3 * linear(removed, w, p)
        stepB = embed + maskerTrain + depth * train(block(tokens, d), frozen: true) + 2 * linear(tokens, d, w)
            + deeper * train(block(tokens, w), frozen: true) + train(block(tokens, w, rows: patches), frozen: true) + 2 * linear(patches, w, p)
    }
}
