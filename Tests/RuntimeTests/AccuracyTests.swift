import CurricleCompiler
import Foundation
import CurricleGraph
import CurricleRuntime
import CurricleTestSupport
import Testing

/// Worst errors of the kernels' own functions over 2²⁰ inputs each, in units in the last place of the true value.
@Suite("Accuracy")
struct AccuracyTests {
    static let count = 1 << 20

    /// Half of the inputs evenly over ±range, half over all magnitudes from 1e-30.
    private static func inputs(range: Double) -> [Float] {
        (0..<count).map { i in
            let t = (Double(i / 2) + 0.5) / Double(count / 2)
            if i % 2 == 0 { return Float(range * (2 * t - 1)) }
            let magnitude = pow(10, -30 + t * (log10(range) + 30))
            return Float(i % 4 == 1 ? magnitude : -magnitude)
        }
    }

    /// Outputs of what `append` adds to a graph that has x.
    private func run(_ x: [Float], isa: ISA, _ append: (inout Graph, ValueID) throws -> [ValueID]) throws -> [[Float]] {
        var graph = Graph()
        let input = try graph.define(constant: "x", x, shape: [1, x.count])
        for (i, output) in try append(&graph, input).enumerated() { graph.results.append(("y\(i)", output)) }
        let values = try CompiledCase(graph, GivenTensors()).run(isa: isa, threads: 2).values
        return values.keys.sorted().map { values[$0]! }
    }

    private func ulps(_ actual: Float, _ exact: Double) -> Double { abs(Double(actual) - exact) / Double(Float(exact).ulp) }

    @Test(
        "gelu within 8 ulp from −9 up (40 where there is no FMA to square exactly), within 1e-23 below; its derivative within 2e-7",
        arguments: ISA.available)
    func gelu(_ isa: ISA) throws {
        let x = Self.inputs(range: 15), y = try run(x, isa: isa) { try $0.append(.gelu, [$1]) }
        var worst = (ulps: 0.0, x: 0.0), worstTail = 0.0, worstSlope = 0.0
        for (i, x) in x.enumerated() {
            let x = Double(x), phi = 0.5 * erfc(-x / 2.0.squareRoot()), exact = x * phi
            let error = ulps(y[0][i], exact)
            if x >= -9, error > worst.ulps { worst = (error, x) }
            if x < -9 { worstTail = max(worstTail, abs(Double(y[0][i]) - exact)) }
            let slope: Double = phi + x * exp(-x * x / 2) / (2 * Double.pi).squareRoot()
            worstSlope = max(worstSlope, abs(Double(y[1][i]) - slope))
        }
        #expect(worst.ulps <= (isa == .baseline ? 40 : 8), "gelu on \(isa): \(worst.ulps) ulp at \(worst.x)")
        #expect(worstTail <= 1e-23, "gelu below −9 on \(isa): \(worstTail)")
        #expect(worstSlope <= 2e-7, "gelu's derivative on \(isa): \(worstSlope)")
    }

    @Test("sigmoid within 4 ulp while it is normal, and never outside 0…1", arguments: ISA.available)
    func sigmoid(_ isa: ISA) throws {
        let x = Self.inputs(range: 100), y = try run(x, isa: isa) { try $0.append(.sigmoid, [$1]) }[0]
        var worst = 0.0
        for (i, x) in x.enumerated() where x > -87 { worst = max(worst, ulps(y[i], 1 / (1 + exp(-Double(x))))) }
        #expect(worst <= 4, "sigmoid on \(isa): \(worst) ulp")
        #expect(y.allSatisfy { $0 >= 0 && $0 <= 1 })
    }

    @Test("infinities: gelu(∞) is ∞, what else gelu makes of them is not a number, sigmoid(±∞) is 1 and 0", arguments: ISA.available)
    func infinities(_ isa: ISA) throws {
        let x: [Float] = [.infinity, -.infinity, 0, -0.0]
        let gelu = try run(x, isa: isa) { try $0.append(.gelu, [$1]) }, sigmoid = try run(x, isa: isa) { try $0.append(.sigmoid, [$1]) }[0]
        #expect(gelu[0][0] == .infinity && gelu[0][1].isNaN && gelu[0][2...3] == [0, 0])
        #expect(gelu[1][0].isNaN && gelu[1][1].isNaN && gelu[1][2...3] == [0.5, 0.5])
        #expect(sigmoid.prefix(4) == [1, 0, 0.5, 0.5])
    }
}
