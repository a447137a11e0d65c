import CurricleCompiler
import CurricleGraph
import CurricleProgram
import CurricleRuntime
import CurricleTestSupport
import Testing

@Suite("Same bits")
struct SameBitsTests {
    /// FNV-1a over words: of everything a training step leaves behind.
    private struct Digest: Equatable {
        var value: UInt64 = 14_695_981_039_346_656_037
        mutating func add(_ floats: some Sequence<Float>) {
            for x in floats { value = (value ^ UInt64(x.bitPattern)) &* 1_099_511_628_211 }
        }
    }

    /// Three iterations of steps A and B: losses, then parameters and moments.
    private func train(_ steps: TwoSteps, isa: ISA, threads: Int) throws -> Digest {
        let (session, executables) = try steps.session(isa: isa, threads: threads)
        var digest = Digest()
        for _ in 0..<3 {
            for executable in executables {
                #expect(try steps.run(session, executable) == .done)
                let losses = session.result(try executable.program.result("losses"))
                #expect(losses.allSatisfy { $0.isFinite })
                digest.add(losses)
            }
        }
        digest.add(session.parameters.floats)
        digest.add(try #require(session.firstMoments).floats)
        digest.add(try #require(session.secondMoments).floats)
        return digest
    }

    @Test("after three iterations of both steps, on any team and every ISA with FMA")
    func training() throws {
        let steps = try TwoSteps(update: .immediate(AdamW()))
        for isas in [[ISA.baseline], ISA.available.filter { $0 != .baseline }] {
            var expected: Digest?
            for isa in isas {
                for threads in [1, 2, 3, 5, 8] {
                    let digest = try train(steps, isa: isa, threads: threads)
                    #expect(expected == nil || digest == expected!, "\(threads) threads on \(isa)")
                    expected = digest
                }
            }
        }
    }

    @Test("a run does not depend on what ran before: the arena is not read before it is written")
    func poisonedArena() throws {
        let steps = try TwoSteps(update: .expose)
        let (fresh, executables) = try steps.session(isa: .best, threads: 2), (used, others) = try steps.session(isa: .best, threads: 2)
        for (index, executable) in executables.enumerated() {
            #expect(try steps.run(fresh, executable) == .done)
            // The other step, and this one, leave their traces first.
            for other in [1 - index, index, 1 - index] { _ = try steps.run(used, others[other]) }
            #expect(try steps.run(used, others[index]) == .done)
            for place in executable.program.results where place.type.element == .float32 {
                #expect(zip(fresh.result(place), used.result(place)).allSatisfy { $0.bitPattern == $1.bitPattern }, "\(place.name)")
            }
        }
    }
}
