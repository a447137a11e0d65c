import Foundation
import CurricleRuntime
import Testing

/// Demands that every number is within `ulps` units in the last place of the largest expected magnitude, and NaN where NaN is expected.
/// - Parameter scale: a magnitude to take instead of the largest expected, where cancellation makes that one too small.
package func expectClose(
    _ actual: [Float]?, _ expected: [Double]?, ulps: Double, scale: Double? = nil, _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    guard let actual, let expected, actual.count == expected.count else {
        Issue.record("\(what): \(actual?.count ?? -1) numbers, not \(expected?.count ?? -1)", sourceLocation: sourceLocation)
        return
    }
    let largest = max(scale ?? 0, expected.lazy.filter { $0.isFinite }.map { abs($0) }.max() ?? 0)
    let allowed = ulps * Double(Float(largest).ulp)
    var worst = 0.0, at = 0
    for (i, (a, e)) in zip(actual, expected).enumerated() where !(a.isNaN && e.isNaN) && Double(a) != e {
        let error = a.isNaN || e.isNaN ? .infinity : abs(Double(a) - e)
        if error > worst { (worst, at) = (error, i) }
    }
    if worst > allowed {
        Issue.record(
            "\(what)[\(at)] is \(actual[at]), not \(expected[at]): \(worst / Double(Float(largest).ulp)) ulps, allowed \(ulps)",
            sourceLocation: sourceLocation)
    }
}

/// Runs a program on every ISA that is here and on 1, 2 and 3 threads. Demands the same bits whatever the number of threads, the
/// same bits on every ISA with FMA, and zeros in the padding; gives each ISA's results to `check`.
package func onEveryISA(
    _ compiled: CompiledCase, threads: [Int] = [1, 2, 3], sourceLocation: SourceLocation = #_sourceLocation,
    check: (_ isa: ISA, _ results: RunResults) throws -> Void
) throws {
    var withFMA: RunResults?
    for isa in ISA.available {
        let first = try compiled.run(isa: isa, threads: threads[0])
        for count in threads.dropFirst() {
            let other = try compiled.run(isa: isa, threads: count)
            #expect(
                other.bits == first.bits, "\(count) threads give other bits than \(threads[0]) on \(isa)", sourceLocation: sourceLocation)
        }
        if isa != .baseline {
            #expect(withFMA == nil || withFMA!.bits == first.bits, "\(isa) gives other bits", sourceLocation: sourceLocation)
            withFMA = first
        }
        for (name, padding) in first.padding {
            #expect(padding.allSatisfy { $0 == 0 }, "padding of \(name) is not zero on \(isa)", sourceLocation: sourceLocation)
        }
        try check(isa, first)
    }
}

/// The largest difference, as a share of the largest magnitude.
package func relativeError(_ found: [Float], _ expected: [Float]) -> Float {
    guard found.count == expected.count, !found.isEmpty else { return .infinity }
    let largest = expected.map(abs).max() ?? 0
    return zip(found, expected).map { abs($0 - $1) }.reduce(0) { $0.isNaN || $1.isNaN ? .infinity : max($0, $1) } / largest
}
