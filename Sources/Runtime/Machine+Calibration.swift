import CSupport
import CurricleTensors
import CurricleProgram
import Foundation

extension Machine {
    /// GFLOP/s of register-only products of an element type as the kernels make them: what the units can give.
    /// - Parameter element: float32, bf16 or int8.
    package static func peakGFLOPs(_ element: ElementType = .float32, isa: ISA, threads: Int, seconds: Double) -> Double {
        let ours: curricle_element =
            switch element {
            case .float32, .int32, .uint8: .f32
            case .bfloat16: .bf16
            case .int8: .i8
            }
        return curricle_peak_gflops(isa.value, ours, Int32(threads), seconds)
    }

    /// GB/s of reading and writing memory far larger than the caches: what the memory can give.
    /// - Throws: `RuntimeError.outOfMemory`.
    package static func streamGBytes(threads: Int, seconds: Double) throws(RuntimeError) -> Double {
        let memory = try Memory(bytes: max(1 << 26, 4 * (caches?.last ?? 0)), purpose: "measuring the memory")
        return curricle_stream_gbytes(Int32(threads), seconds, memory.base.assumingMemoryBound(to: Float.self), UInt64(memory.bytes))
    }

    /// Bytes of a core's second level and of the last one, as Linux tells of the first processor; nil where it does not.
    package static let caches: (second: Int, last: Int)? = {
        let folder = "/sys/devices/system/cpu/cpu0/cache/index"
        let sizes: [(level: Int, bytes: Int)] = (0..<8).compactMap { index in
            func text(_ name: String) -> String { kernelText("\(folder)\(index)/\(name)").trimmingCharacters(in: .whitespacesAndNewlines) }
            guard let level = Int(text("level")), let kilobytes = Int(text("size").dropLast()), text("type") != "Instruction" else {
                return nil
            }
            return (level, kilobytes << (text("size").hasSuffix("M") ? 20 : 10))
        }
        guard let second = sizes.first(where: { $0.level == 2 }), let last = sizes.max(by: { $0.level < $1.level }) else { return nil }
        return (second.bytes, last.bytes)
    }()
}

extension Instruction {
    /// Tasks that a team of so many threads makes of it.
    package func tasks(threads: Int, isa: ISA) -> Int {
        withUnsafePointer(to: self) { Int(curricle_task_count($0, Int32(threads), isa.value)) }
    }
}
