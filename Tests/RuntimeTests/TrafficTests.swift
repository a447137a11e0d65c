import CurricleCInstructions
import CurricleProgram
import CurricleRuntime
import Testing

@Suite("Bytes that programs move") struct TrafficTests {
    /// y = a + b of so many bytes each, at places counted in these.
    private func add(_ y: Int, _ a: Int, _ b: Int, bytes: Int) -> Instruction {
        func place(_ number: Int) -> UInt64 { Operand(.arena, number * bytes).encoded }
        return .add(add_places(rows: Int32(bytes / 64), width: 16, period: Int32(bytes / 64), y: place(y), a: place(a), b: place(b)))
    }

    @Test("what fits in a cache comes from behind it never again, what does not comes each time, and what was written goes back")
    func cache() {
        let bytes = 1 << 20, traffic = Traffic(of: [[add(0, 1, 2, bytes: bytes)], [add(3, 4, 5, bytes: bytes)]])
        #expect(traffic.touchedBytes == Double(6 * bytes))
        // Before a byte is touched again the five others of its kind are.
        #expect(traffic.bytes(beyond: 8 * bytes) == 0)
        #expect(traffic.bytes(beyond: 2 * bytes) == Double(6 * bytes + 2 * bytes))
    }

    @Test("what the instruction before wrote is still there") func chain() {
        let bytes = 1 << 20, far = (0..<20).map { add(10 + 2 * $0, 10 + 2 * $0, 11 + 2 * $0, bytes: bytes) }
        let traffic = Traffic(of: [[add(0, 1, 2, bytes: bytes), add(3, 0, 4, bytes: bytes)] + far])
        // Of the second's three operands one was written just before.
        #expect(traffic.bytes(beyond: 8 * bytes) == Double((3 + 2 + 2 * 20) * bytes + (2 + 20) * bytes))
        #expect(traffic.updateBytes(beyond: 0) == 0)
    }

    @Test("caches are told, the last no smaller than the second level, and memory gives something") func machine() throws {
        if let caches = Machine.caches { #expect(caches.second >= 1 << 14 && caches.last >= caches.second) }
        #expect(try Machine.streamGBytes(threads: 2, seconds: 0.01) > 0.1)
        #expect(Machine.peakGFLOPs(isa: .best, threads: 1, seconds: 0.01) > 0.1)
    }

    @Test("a processor that works for this process is no neighbour's") func neighbours() throws {
        let before = try #require(Neighbours.Clock())
        var sum = 0.0
        while Neighbours(since: before) == nil { for i in 0..<100_000 { sum += Double(i).squareRoot() } }
        let found = try #require(Neighbours(since: before))
        #expect(sum > 0 && (0...1).contains(found.others) && (0...1).contains(found.stolen))
    }
}
