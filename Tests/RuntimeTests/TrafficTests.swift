import CurricleCInstructions
import CurricleProgram
import Foundation
import Testing
@testable import CurricleRuntime
import CurricleTensors

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
        for element in [ElementType.float32, .bfloat16, .int8] {
            #expect(Machine.peakGFLOPs(element, isa: .best, threads: 1, seconds: 0.01) > 0.1)
        }
    }

    /// A cache that lets go of what was touched longest ago, played through: bytes of a round that are fetched and taken back.
    private func played(_ program: [(y: Int, a: Int, b: Int)], capacity: Int, bytes: Int) -> Int {
        var held: [(place: Int, isDirty: Bool)] = [], moved = 0
        for round in 0..<3 {
            if round == 2 { moved = 0 }
            for (y, a, b) in program {
                var seen: Set<Int> = []
                for place in [y, a, b] where seen.insert(place).inserted {
                    if let at = held.firstIndex(where: { $0.place == place }) {
                        held.append((place, held.remove(at: at).isDirty || place == y))
                    } else {
                        moved += bytes
                        held.append((place, place == y))
                        if held.count > capacity, held.removeFirst().isDirty { moved += bytes }
                    }
                }
            }
        }
        return moved
    }

    @Test("it is what a cache does that lets go of the oldest", arguments: 1...6) func cacheOfOldest(seed: UInt64) {
        var state = seed
        let bytes = 1 << 14
        func draw(_ count: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % count
        }
        let program = (0..<60).map { _ in
            // In place, or somewhere else.
            let y = draw(20), a = draw(3) == 0 ? y : 20 + draw(10)
            return (y: y, a: a, b: 30 + draw(10))
        }
        let traffic = Traffic(of: [program.map { add($0.y, $0.a, $0.b, bytes: bytes) }])
        for capacity in [3, 5, 8, 13, 21, 40] {
            #expect(traffic.bytes(beyond: capacity * bytes) == Double(played(program, capacity: capacity, bytes: bytes)), "\(capacity)")
        }
    }

    @Test("others' time is what is neither this process's nor idle, and what the hypervisor took stands apart") func load() throws {
        let before = try #require(OtherLoad.Clock("cpu  100 0 50 1000 10 0 0 20 5 5\ncpu0 1 1 1 1", own: 40))
        // Of 200 ticks 90 were worked, 50 of them by this process, and 10 stolen.
        let after = try #require(OtherLoad.Clock("cpu  160 5 75 1090 20 0 0 30 9 9\n", own: 90))
        let found = try #require(OtherLoad(from: before, to: after))
        #expect(abs(found.others - 0.2) < 1e-12 && abs(found.stolen - 0.05) < 1e-12 && found.disturbs)
        #expect(OtherLoad(from: before, to: before) == nil && OtherLoad.Clock("intr 5", own: 0) == nil)
        if FileManager.default.fileExists(atPath: "/proc/stat") { #expect(OtherLoad.Clock() != nil) }
    }
}
