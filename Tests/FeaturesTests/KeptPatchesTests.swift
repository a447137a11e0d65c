import CurricleModels
import CurricleRuntime
import CurricleTestSupport
import Testing
@testable import CurricleEngine

/// Which patches an encoder sees, and that it sees no others.
@Suite struct KeptPatchesTests {
    private static let small = ModelConfiguration(
        imageHeight: 24, imageWidth: 24, patchSize: 6, channels: 3, embedWidth: 16, depth: 2, heads: 2, maskerHeads: 2)

    /// The patches of the highest scores, of equal ones the first.
    private func kept(_ scores: [Float], _ count: Int) -> [Int] {
        Array(scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }.prefix(count)).sorted()
    }

    @Test("a grid keeps a chequerboard of half, and of a quarter every second patch of every second row")
    func grid() {
        let scores = KeptPatches.grid(rows: 4, columns: 4)
        #expect(kept(scores, 8) == (0..<16).filter { ($0 / 4 + $0 % 4) % 2 == 0 })
        #expect(kept(scores, 4) == [0, 2, 8, 10])
        #expect(Set(scores).count == 16)
        // Of any grid, every half is spread: no two rows of patches differ by more than one in how many they keep.
        let oblong = KeptPatches.grid(rows: 6, columns: 8), rows = kept(oblong, 24).map { $0 / 8 }
        #expect((0..<6).allSatisfy { row in rows.count { $0 == row } == 4 })
    }

    @Test("what is not kept does not matter, and what is kept does", arguments: ISA.available)
    func onlyTheKept(isa: ISA) throws {
        let c = Self.small, fixed = kept(KeptPatches.grid(rows: 4, columns: 4), 6)
        let model = try ModelRuntime(c, parts: .encoder, trains: false, threads: 2, isa: isa)
        model.initialize(seed: 3)
        let executable = try model.features(
            images: 2, [.cls, .mean], keeping: KeptPatches(count: 6, rule: .fixed(KeptPatches.grid(rows: 4, columns: 4))))
        func features(_ patches: [Float]) throws -> [UInt32] {
            try patches.withUnsafeBytes { _ = try model.session.run(executable, [.patches: .memory($0)]) }
            return (try model.result("cls", of: executable) + model.result("mean", of: executable)).map(\.bitPattern)
        }
        let width = c.patchWidth, patches = (0..<2 * c.patches * width).map { Float($0 * 37 % 101) / 50 - 1 }
        let plain = try features(patches)
        for patch in 0..<c.patches {
            var changed = patches
            changed[patch * width + 5] += 1
            #expect(try (features(changed) != plain) == fixed.contains(patch), "patch \(patch)")
        }
    }

    @Test("by contrast, the patches of the largest variance are kept") func contrast() throws {
        let c = Self.small, width = c.patchWidth
        let model = try ModelRuntime(c, parts: .encoder, trains: false, threads: 1, isa: .best)
        model.initialize(seed: 3)
        let executable = try model.features(images: 1, [.mean], keeping: KeptPatches(count: 5, rule: .contrast))
        let wild = [1, 6, 7, 12, 15]
        var patches = (0..<c.patches * width).map { i in
            Float(i % 2 == 0 ? 1 : -1) * (wild.contains(i / width) ? 1 : 0.1) + Float(i / width)
        }
        func features() throws -> [Float] {
            try patches.withUnsafeBytes { _ = try model.session.run(executable, [.patches: .memory($0)]) }
            return try model.result("mean", of: executable)
        }
        let plain = try features()
        for patch in 0..<c.patches where !wild.contains(patch) { patches[patch * width] += 0.05 }
        #expect(try features() == plain)
        patches[6 * width] += 0.05
        #expect(try features() != plain)
    }
}
