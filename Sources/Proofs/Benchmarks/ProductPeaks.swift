import CurricleProgram
import CurricleRuntime
import CurricleTensors

/// GFLOP/s that the units can give, by what is multiplied: of the kinds of products that some programs have.
struct ProductPeaks {
    private var rates: [ElementType: Double] = [:]
    /// FLOPs of the programs.
    private var work: [ElementType: Double] = [:]

    init(_ instructions: [Instruction]) {
        for instruction in instructions where instruction.flops > 0 { work[instruction.factors, default: 0] += instruction.flops }
    }

    /// Measures each kind for so long; others of the machine only ever slow it down, so that the best of several is kept.
    mutating func measure(isa: ISA, threads: Int, seconds: Double) {
        for element in work.keys {
            rates[element] = max(rates[element] ?? 0, Machine.peakGFLOPs(element, isa: isa, threads: threads, seconds: seconds))
        }
    }

    func rate(_ element: ElementType) -> Double { rates[element] ?? .nan }

    /// FLOPs of the programs over the seconds that each kind's peak would take.
    var mixed: Double { work.values.reduce(0, +) / work.reduce(0) { $0 + $1.value / rate($1.key) } }
}

extension Instruction {
    /// What its products multiply.
    var factors: ElementType {
        switch kernel {
        case .linear_bf16, .attention_bf16, .linear_weight_gradient_bf16, .attention_gradient_bf16: .bfloat16
        case .linear_int8: .int8
        default: .float32
        }
    }
}
