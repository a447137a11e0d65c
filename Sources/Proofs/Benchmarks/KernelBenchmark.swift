import Dispatch
import Engine
import Evaluation
import Models
import Program
import Runtime

/// Matrix products at every shape that a model's training programs have, beside OpenBLAS.
public struct KernelBenchmark {
    public struct Shape: Sendable, Hashable {
        public let opcode: Opcode
        public let rows, columns, depth: Int
    }
    public struct Row: Sendable {
        public let shape: Shape
        /// How often a joint iteration has it.
        public let count: Int
        public let gflops, openBLAS, peakGFLOPs: Double
    }

    public var configuration: ModelConfiguration
    public var options: StepOptions
    public var setting: BenchmarkSetting
    public init(configuration: ModelConfiguration, options: StepOptions, setting: BenchmarkSetting) {
        self.configuration = configuration
        self.options = options
        self.setting = setting
    }

    /// The shapes, from the compiled programs, with their counts.
    public func shapes() throws -> [(shape: Shape, count: Int)] {
        var model = ModelPrograms(configuration)
        let programs = [
            try model.compile(.autoencoder(images: setting.batchSize, options, .immediate(.init()), examined: false)),
            try model.compile(.masker(images: setting.batchSize, options, .immediate(.init()), examined: false)),
        ]
        var counts: [Shape: Int] = [:]
        for instruction in programs.flatMap(\.instructions) where instruction.opcode == .linear || instruction.opcode == .linearWeightGradient {
            counts[Shape(opcode: instruction.opcode, rows: instruction.sizes[0], columns: instruction.sizes[1], depth: instruction.sizes[2]), default: 0] += 1
        }
        return counts.map { ($0.key, $0.value) }.sorted {
            ($0.shape.opcode.rawValue, $0.shape.rows, $0.shape.columns, $0.shape.depth) < ($1.shape.opcode.rawValue, $1.shape.rows, $1.shape.columns, $1.shape.depth)
        }
    }

    /// Times each shape: ours and OpenBLAS (one thread each for parts of the output) in turn, the best of each.
    /// - Throws: `EvaluationError.noAlgebra`; `RuntimeError`, `GraphError`.
    public func run(_ report: (Row) -> Void) throws {
        let algebra = try Algebra()
        let peak = Machine.peakGFLOPs(isa: setting.isa, threads: setting.threads, seconds: 0.5)
        for (shape, count) in try shapes() { report(try time(shape, count, peak, algebra)) }
    }

    private func time(_ shape: Shape, _ count: Int, _ peak: Double, _ algebra: Algebra) throws -> Row {
        let (m, n, k) = (shape.rows, shape.columns, shape.depth)
        func padded(_ count: Int) -> Int { (count * 4 + 4095) / 4096 * 4096 }
        let panels = (n + 15) / 16 * 16
        let x = 0, y = padded(m * k), weight = y + padded(m * n), bias = weight + padded(panels * k)
        let end = bias + padded(panels)
        func at(_ offset: Int) -> Operand { Operand(.arena, offset) }
        let isGradient = shape.opcode == .linearWeightGradient
        let instruction = isGradient
            ? Instruction(.linearWeightGradient, operands: [at(weight), at(bias), at(y), at(x)], sizes: [m, n, k, n])
            : Instruction(.linear, operands: [at(y), nil, at(x), at(weight), at(bias)], sizes: [m, n, k, n, m])
        let session = try Session(parameterBytes: 0, trains: false, threads: setting.threads, isa: setting.isa)
        let program = Program(instructions: [instruction], buffers: [], results: [], arenaBytes: end, resultBytes: 0, lowerBoundBytes: end, naiveBytes: end)
        let executable = try session.prepare(program)
        let peer = try Memory(bytes: end, purpose: "the yardstick's operands")
        for i in 0..<(end / 4) { peer.floats[i] = 0.01 }
        guard let start = peer.floats.baseAddress else { throw RuntimeError.outOfMemory(bytes: end, purpose: "the yardstick's operands") }
        func place(_ offset: Int) -> UnsafeMutablePointer<Float> { start + offset / 4 }
        var ours = Double.infinity, theirs = Double.infinity
        for _ in 0..<(setting.warmup + setting.repeats) {
            let start = DispatchTime.now().uptimeNanoseconds
            _ = try session.run(executable)
            let middle = DispatchTime.now().uptimeNanoseconds
            algebra.product(
                rows: m, columns: n, depth: k, y: place(y), x: place(x), weight: place(weight), isWeightGradient: isGradient, threads: setting.threads)
            ours = min(ours, Double(middle - start) * 1e-9)
            theirs = min(theirs, Double(DispatchTime.now().uptimeNanoseconds - middle) * 1e-9)
        }
        let work = 2e-9 * Double(m) * Double(n) * Double(k)
        return Row(shape: shape, count: count, gflops: work / ours, openBLAS: work / theirs, peakGFLOPs: peak)
    }
}
