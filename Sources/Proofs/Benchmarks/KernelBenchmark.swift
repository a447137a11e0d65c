import CurricleCInstructions
import Dispatch
import CurricleEngine
import CurricleEvaluation
import CurricleModels
import CurricleProgram
import CurricleRuntime
import CurricleTensors

/// Matrix products at every shape that a model's training programs have, beside OpenBLAS.
package struct KernelBenchmark {
    package struct Shape: Sendable, Hashable {
        package let opcode: Opcode
        package let rows, columns, depth: Int
    }
    package struct Row: Sendable {
        package let shape: Shape
        /// How often a joint iteration has it.
        package let count: Int
        package let gflops, openBLAS, peakGFLOPs: Double
    }

    package var configuration: ModelConfiguration
    package var options: StepOptions
    package var setting: BenchmarkSetting
    package init(configuration: ModelConfiguration, options: StepOptions, setting: BenchmarkSetting) {
        self.configuration = configuration
        self.options = options
        self.setting = setting
    }

    /// The shapes, from the compiled programs, with their counts.
    package func shapes() throws -> [(shape: Shape, count: Int)] {
        var model = ModelPrograms(configuration)
        let programs = [
            try model.compile(.autoencoder(images: setting.batchSize, options, .immediate(.init()), examined: false)),
            try model.compile(.masker(images: setting.batchSize, options, .immediate(.init()), examined: false))
        ]
        var counts: [Shape: Int] = [:]
        for instruction in programs.flatMap(\.instructions) {
            switch instruction.kernel {
            case .linear:
                let p = instruction.linear_places
                counts[Shape(opcode: .linear, rows: Int(p.rows), columns: Int(p.columns), depth: Int(p.depth)), default: 0] += 1
            case .linear_weight_gradient:
                let p = instruction.linear_weight_gradient_places
                counts[
                    Shape(opcode: .linear_weight_gradient, rows: Int(p.rows), columns: Int(p.columns), depth: Int(p.depth)), default: 0] +=
                    1
            default: continue
            }
        }
        return counts.map { ($0.key, $0.value) }.sorted {
            ($0.shape.opcode.rawValue, $0.shape.rows, $0.shape.columns, $0.shape.depth) < (
                $1.shape.opcode.rawValue, $1.shape.rows, $1.shape.columns, $1.shape.depth
            )
        }
    }

    /// Times each shape: ours and OpenBLAS (one thread each for parts of the output) in turn, the best of each. Neither is timed while the
    /// other's threads still spin: each runs before it is timed, OpenBLAS until our team sleeps.
    /// - Throws: `EvaluationError.noAlgebra`; `RuntimeError`, `GraphError`.
    package func run(_ report: (Row) -> Void) throws {
        let algebra = try Algebra()
        Machine.spinBetweenRuns(milliseconds: 1)
        defer { Machine.spinBetweenRuns(milliseconds: 200) }  // as LLVM's runtime does by itself
        let peak = Machine.peakGFLOPs(isa: setting.isa, threads: setting.threads, seconds: 0.5)
        for (shape, count) in try shapes() { report(try time(shape, count, peak, algebra)) }
    }

    private func time(_ shape: Shape, _ count: Int, _ peak: Double, _ algebra: Algebra) throws -> Row {
        let (m, n, k) = (shape.rows, shape.columns, shape.depth)
        func padded(_ count: Int) -> Int { (count * ElementType.float32.bytes + 4095) / 4096 * 4096 }
        let panels = TensorType([n], layout: .panels(sections: 1)).storedCount
        let x = 0, y = padded(m * k), weight = y + padded(m * n), bias = weight + padded(panels * k)
        let end = bias + padded(panels)
        func at(_ offset: Int) -> UInt64 { Operand(.parameters, offset).encoded }
        let isGradient = shape.opcode == .linear_weight_gradient, rows = Int32(m), columns = Int32(n), depth = Int32(k)
        let instruction: Instruction =
            isGradient
            ? .linear_weight_gradient(
                linear_weight_gradient_places(
                    flags: 0, rows: rows, columns: columns, depth: depth, section: columns, d_weight: at(weight), d_bias: at(bias),
                    dy: at(y), x: at(x)))
            : .linear(
                linear_places(
                    flags: 0, rows: rows, columns: columns, depth: depth, section: columns, period: rows, y: at(y), derivative: .max,
                    x: at(x),
                    weight: at(weight), bias: at(bias), residual: .max, multiplier: .max))
        let session = try Session(parameterBytes: end, trains: false, threads: setting.threads, isa: setting.isa)
        session.parameters.floats.update(repeating: 0.01)  // memory that nobody wrote to is one page of zeros
        let program = Program(instructions: [instruction], arenaBytes: 0, lowerBoundBytes: 0, naiveBytes: 0)
        let executable = try session.prepare(program)
        let peer = try Memory(bytes: end, purpose: "the yardstick's operands")
        peer.floats.update(repeating: 0.01)
        guard let start = peer.floats.baseAddress else { throw RuntimeError.outOfMemory(bytes: end, purpose: "the yardstick's operands") }
        func place(_ offset: Int) -> UnsafeMutablePointer<Float> { start + offset / ElementType.float32.bytes }
        func runTheirs() {
            algebra.product(
                rows: m, columns: n, depth: k, y: place(y), x: place(x), weight: place(weight), isWeightGradient: isGradient,
                threads: setting.threads)
        }
        func seconds(_ body: () throws -> Void) rethrows -> Double {
            let start = DispatchTime.now().uptimeNanoseconds
            try body()
            return Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
        }
        var ours = Double.infinity, theirs = Double.infinity
        for _ in 0..<(setting.warmup + setting.repeats) {
            _ = try session.run(executable)
            ours = min(ours, try seconds { _ = try session.run(executable) })
            let sleep = DispatchTime.now() + .milliseconds(3)
            repeat { runTheirs() } while DispatchTime.now() < sleep
            theirs = min(theirs, seconds(runTheirs))
        }
        let work = 2e-9 * Double(m) * Double(n) * Double(k)
        return Row(shape: shape, count: count, gflops: work / ours, openBLAS: work / theirs, peakGFLOPs: peak)
    }
}
