import Dispatch
import CurricleRuntime

/// What every benchmark is told.
package struct BenchmarkSetting: Sendable {
    package var batchSize: Int
    package var threads: Int
    package var isa: ISA
    package var repeats: Int
    package var warmup: Int
    package init(batchSize: Int, threads: Int, isa: ISA, repeats: Int, warmup: Int) {
        self.batchSize = batchSize
        self.threads = threads
        self.isa = isa
        self.repeats = repeats
        self.warmup = warmup
    }

    /// Seconds of each counted call.
    package func times(_ progress: (Int) -> Void = { _ in }, _ body: () throws -> Void) rethrows -> [Double] {
        var times: [Double] = []
        for i in 0..<(warmup + repeats) {
            let start = DispatchTime.now().uptimeNanoseconds
            try body()
            if i >= warmup { times.append(Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9) }
            progress(i + 1)
        }
        return times
    }
}
