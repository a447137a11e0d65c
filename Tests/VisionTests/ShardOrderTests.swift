import CurricleRandomness
import Testing
@testable import CurricleDatasets
@testable import CurricleVision

@Suite struct ShardOrderTests {
    func order(_ shards: [Range<Int>], epoch: Int, seed: UInt64 = 3) -> [Int] {
        EpochPlan(epoch: epoch, count: shards.last?.upperBound ?? 0, shards: shards, batchSize: 8, shuffle: true, seed: seed).order
    }

    func shards(_ count: Int, of size: Int) -> [Range<Int>] { (0..<count).map { ($0 * size)..<(($0 + 1) * size) } }

    @Test("one shard keeps the order of all others") func oneShardKeepsTheOrderOfAllOthers() {
        for shards in [[], [0..<30]] {
            let plan = EpochPlan(epoch: 4, count: 30, shards: shards, batchSize: 8, shuffle: true, seed: 3)
            var random = Philox(seed: 3, stream: (4, 0, 0x6F72_6465))
            #expect(plan.order == random.permutation(30))
        }
        #expect(EpochPlan(epoch: 4, count: 30, shards: shards(3, of: 10), batchSize: 8, shuffle: false, seed: 3).order == Array(0..<30))
    }

    @Test("every sample once and anew each epoch") func everySampleOnceAndAnewEachEpoch() {
        let shards = shards(25, of: 1000)
        let orders = (0..<3).map { order(shards, epoch: $0) }
        for order in orders { #expect(order.sorted() == Array(0..<25_000)) }
        #expect(Set(orders).count == 3 && order(shards, epoch: 1) == orders[1] && order(shards, epoch: 1, seed: 4) != orders[1])
    }

    /// The definition, step by step, with a buffer small enough to follow.
    @Test("is a shuffle buffer over shuffled shards") func isAShuffleBufferOverShuffledShards() {
        let shards = [0..<4, 4..<5, 5..<9, 9..<12]
        var random = Philox(seed: 11), same = Philox(seed: 11)
        let order = EpochPlan.shardOrder(shards, buffer: 3, using: &random)
        let stream = same.permutation(4).flatMap { Array(shards[$0]) }
        var buffer = Array(stream[..<3]), expected: [Int] = []
        for sample in stream[3...] {
            let place = same.integer(below: 3)
            expected.append(buffer[place])
            buffer[place] = sample
        }
        expected += same.permutation(3).map { buffer[$0] }
        #expect(order == expected)
        // No sample can come out before it went in: at place p, at most p + 3 have been read.
        for (place, sample) in order.enumerated() { #expect(stream.firstIndex(of: sample).map { $0 <= place + 3 } == true) }
    }

    @Test("a sample comes no earlier than the buffer allows") func aSampleComesNoEarlierThanTheBufferAllows() {
        let shards = shards(30, of: 1000)
        let order = order(shards, epoch: 0)
        var random = Philox(seed: 3, stream: (0, 0, 0x6F72_6465))
        let stream = random.permutation(30).flatMap { Array(shards[$0]) }
        var place = [Int](repeating: 0, count: 30_000)
        for (p, sample) in stream.enumerated() { place[sample] = p }
        #expect(order.enumerated().allSatisfy { place[$1] <= $0 + 10_000 })
        // The first thousand come from the first 11,000 that are read, and from all of their shards but for the last.
        #expect(Set(order[..<1000].map { place[$0] / 1000 }).isSuperset(of: 0..<10))
    }
}
