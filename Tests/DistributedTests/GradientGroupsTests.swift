import Foundation
import CurricleRandomness
import CurricleRuntime
import Testing
@testable import CurricleDistributed

@Suite("Groups of gradients, and their tree")
struct GradientGroupsTests {
    /// The tree as it is defined, from single groups.
    private func sum(_ groups: [Float], level: Int, index: Int) -> Float? {
        if level == 0 { return index < groups.count ? groups[index] : nil }
        guard let left = sum(groups, level: level - 1, index: 2 * index) else { return nil }
        return sum(groups, level: level - 1, index: 2 * index + 1).map { left + $0 } ?? left
    }

    @Test("10,000 shares: every leaf once and in order, every rank's nodes whole and its own")
    func shares() {
        var random = Philox(seed: 4)
        for _ in 0..<10_000 {
            let count = 1 + random.integer(below: 40), ranks = 1 + random.integer(below: count), leaves = random.integer(below: 60)
            let groups = GradientGroups(count: count, ranks: ranks)
            #expect((0..<count).flatMap { groups.leaves(of: $0, among: leaves) } == Array(0..<leaves))
            #expect((0..<ranks).flatMap { groups.groups(of: $0) } == Array(0..<count))
            #expect((0..<ranks).flatMap { groups.leaves(ofRank: $0, among: leaves) } == Array(0..<leaves))
            let covered = (0..<ranks).flatMap { rank in
                groups.nodes(of: rank).flatMap { node in (node.index << node.level)..<((node.index + 1) << node.level) }
            }
            #expect(covered == Array(0..<count), "\(count) groups on \(ranks) ranks")
            #expect((0..<ranks).allSatisfy { !groups.groups(of: $0).isEmpty })
            // A rank keeps no more nodes than a number has bits on the way up and down.
            #expect((0..<ranks).allSatisfy { groups.rooms(of: $0) <= 2 * (Int.bitWidth - count.leadingZeroBitCount) })
        }
    }

    @Test("one process adds by the tree, for any number of groups, some of them without a finite leaf")
    func tree() throws {
        var random = Philox(seed: 5)
        for count in [2, 3, 5, 6, 7, 8, 12, 13, 31] {
            let width = 33, tree = try GradientTree(GradientGroups(count: count), floats: width)
            for _ in 0..<3 {  // its rooms are used anew
                let gradients = (0..<count).map { _ in
                    (0..<width).map { _ in Float(random.uniform(-1, 1) * pow(10, random.uniform(-6, 6))) }
                }
                let missing = random.integer(below: count)
                var total: [Float] = []
                tree.begin()
                for group in 0..<count {
                    total = gradients[group]
                    total.withUnsafeMutableBufferPointer { tree.add(group: group, $0, isStored: group != missing) }
                }
                total.withUnsafeMutableBufferPointer { tree.total(into: $0) }
                for i in 0..<width {
                    let own = (0..<count).map { $0 == missing ? 0 : gradients[$0][i] }
                    #expect(total[i].bitPattern == sum(own, level: 6, index: 0)?.bitPattern, "\(count) groups")
                }
            }
        }
    }

    @Test("launchers are known by what they leave in the environment")
    func launches() throws {
        func launch(_ environment: [String: String]) throws -> String? {
            try Ranks.Launch(environment: environment).map { "\($0.engine) \($0.size)" }
        }
        #expect(try launch([:]) == nil)
        #expect(try launch(["OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "1"]) == "openmpi 4")
        #expect(try launch(["OMPI_COMM_WORLD_SIZE": "1"]) == nil)
        #expect(try launch(["PMIX_RANK": "0"]) == "openmpi 0")
        #expect(try launch(["PMI_RANK": "2", "PMI_SIZE": "3", "PMI_FD": "7"]) == "mpich 3")
        #expect(try launch(["PMI_RANK": "2", "PMI_SIZE": "3", "CURRICLE_ENGINE": "openmpi"]) == "openmpi 3")
        #expect(throws: (any Error).self) { try launch(["SLURM_STEP_ID": "0", "SLURM_PROCID": "1", "SLURM_NTASKS": "8"]) }
        #expect(try launch(["SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_NTASKS": "1"]) == nil)
    }
}
