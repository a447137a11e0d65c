import CurricleDistributed
import CurricleRuntime
import CurricleTrainer
import Dispatch

/// What the network between ranks gives, measured the way a run uses it: every rank sends each other one a message of the same size, all at once.
package struct ExchangeBenchmark: Sendable {
    package struct Result: Sendable {
        /// Bytes of a message, and the median of seconds until all have come.
        package let sizes: [(bytes: Int, seconds: Double)]
        package let network: Network
    }

    package var repeats: Int
    package init(repeats: Int) { self.repeats = repeats }

    private static let sizes = [64, 4096, 65_536, 1 << 20, 1 << 22, 1 << 24]

    /// All ranks run it; the result is the first one's.
    /// - Throws: `RuntimeError.outOfMemory`.
    package func run(_ ranks: Ranks) throws -> Result {
        let others = (0..<ranks.size).filter { $0 != ranks.rank }, most = ExchangeBenchmark.sizes.max() ?? 0
        let sent = try Memory(bytes: most, purpose: "messages"), received = try Memory(bytes: most * others.count, purpose: "messages")
        sent.floats.update(repeating: 1)
        received.floats.update(repeating: 0)
        func exchange(_ bytes: Int) {
            ranks.exchange(
                sends: others.map { Ranks.Transfer(peer: $0, sent.bytes(0..<bytes)) },
                receives: others.enumerated().map { Ranks.Transfer(peer: $1, received.bytes(($0 * bytes)..<(($0 + 1) * bytes))) })
        }
        func seconds(_ body: () -> Void) -> Double {
            let start = DispatchTime.now().uptimeNanoseconds
            body()
            return Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
        }
        var sizes: [(bytes: Int, seconds: Double)] = [], busy = 0.0, moved = 0.0
        for bytes in ExchangeBenchmark.sizes {
            exchange(bytes)
            let before = Machine.processorSeconds
            let times = (0..<max(3, repeats)).map { _ in seconds { exchange(bytes) } }
            if bytes == most {
                busy = Machine.processorSeconds - before
                moved = Double(bytes * others.count) * Double(times.count)
            }
            sizes.append((bytes, quantile(times, 0.5)))
        }
        // A line through the shortest and the longest.
        let latency = sizes.first?.seconds ?? 0, longest = sizes.last?.seconds ?? 0
        return Result(
            sizes: sizes,
            network: Network(
                bytesPerSecond: Double(most * others.count) / max(longest - latency, 1e-9), latency: latency,
                processorSecondsPerByte: busy / (2 * moved)))
    }
}
