import CurricleRandomness
import CurricleVision

/// Some images of an epoch, ready for the model.
package struct Batch: Sendable {
    /// Its place in the epoch, from 0.
    package let index: Int
    /// For each slot, in the order of the patches, the dataset index of the image in it.
    package let samples: [Int]
    /// Slots without an image, whose patches are zeros: broken ones that were left out. What is computed for them means nothing, see
    /// `rows`.
    package let missing: Set<Int>
    /// One line for each broken image, its name and why; once in the loader's life.
    package let skipped: [String]
    /// Dataset indices of the broken images, in the order of `skipped`.
    let broken: [Int]
    let buffer: PatchBuffer
    let patchCount: Int

    /// [N, L, P], N = `samples.count`. Valid while the batch lives, and until the loader's following `next()`, `start` or `stop`: then it
    /// is filled anew.
    package var patches: UnsafeBufferPointer<Float> { UnsafeBufferPointer(rebasing: buffer.memory[0..<patchCount]) }

    /// The slots that hold an image, and its dataset index.
    package var images: [(slot: Int, sample: Int)] {
        samples.enumerated().compactMap { missing.contains($0.offset) ? nil : (slot: $0.offset, sample: $0.element) }
    }

    /// Of what was computed for every slot, [N, width], the rows of slots that hold an image.
    package func rows(of values: [Float]) -> [Float] {
        if missing.isEmpty { return values }
        let width = values.count / samples.count
        return images.flatMap { values[($0.slot * width)..<(($0.slot + 1) * width)] }
    }

    /// The same with other lines said.
    func saying(_ skipped: [String]) -> Batch {
        Batch(index: index, samples: samples, missing: missing, skipped: skipped, broken: broken, buffer: buffer, patchCount: patchCount)
    }
}

/// What becomes of an image that cannot be read.
package enum BrokenImages: Sendable {
    /// Another takes its place, for training: which one depends on the seed, the epoch and the broken image alone.
    case substitute
    /// Its slot stays empty, for measurements: `Batch.missing`.
    case leaveOut
    /// Its error ends the epoch.
    case refuse
}

/// Memory for one batch, aligned to 64 bytes.
///
/// Unchecked: the loader's ring hands a buffer to one worker or to the consumer, never to two at a time.
final class PatchBuffer: @unchecked Sendable {
    let memory: UnsafeMutableBufferPointer<Float>

    init(count: Int) {
        let raw = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1) * MemoryLayout<Float>.stride, alignment: 64)
        memory = UnsafeMutableBufferPointer(start: raw.initializeMemory(as: Float.self, repeating: 0, count: count), count: count)
    }

    deinit { UnsafeMutableRawPointer(memory.baseAddress)?.deallocate() }
}

/// How the images of one epoch are dealt into batches.
struct EpochPlan: Sendable {
    let epoch: Int
    let seed: UInt64
    /// Dataset indices in the order of the epoch.
    let order: [Int]
    let batchSize: Int

    /// - Parameter shards: the source's; a source of several is shuffled as `shardOrder` says.
    init(epoch: Int, count: Int, shards: [Range<Int>] = [], batchSize: Int, shuffle: Bool, seed: UInt64) {
        self.epoch = epoch
        self.seed = seed
        self.batchSize = batchSize
        var random = Philox(seed: seed, stream: RandomStream.order.at(epoch: epoch))
        order = !shuffle ? Array(0..<count) : shards.count > 1 ? EpochPlan.shardOrder(shards, using: &random) : random.permutation(count)
    }

    /// Samples held back while an order over shards is drawn.
    static let shuffleBuffer = 10_000

    /// The order WebDataset users know: shards in random order, read one after another, their samples through a shuffle buffer.
    ///
    /// The disk reads nearly in sequence, and an order is still random: each sample that comes takes the place of a random one in the
    /// buffer, which goes out; what is left at the end goes out in random order. Up to `buffer` samples it is a permutation like any other.
    static func shardOrder(_ shards: [Range<Int>], buffer size: Int = shuffleBuffer, using random: inout Philox) -> [Int] {
        var order: [Int] = []
        var buffer: [Int] = []
        order.reserveCapacity(shards.reduce(0) { $0 + $1.count })
        for shard in random.permutation(shards.count) {
            for sample in shards[shard] {
                if buffer.count < size {
                    buffer.append(sample)
                } else {
                    let place = random.integer(below: size)
                    order.append(buffer[place])
                    buffer[place] = sample
                }
            }
        }
        return order + random.permutation(buffer.count).map { buffer[$0] }
    }

    /// The images that may stand for a broken one, each once, the first that can be read is taken: from a random one on, round the dataset.
    ///
    /// A function of (seed, epoch, broken image) alone: neither other broken images nor who loads which batch change it.
    func substitutes(for sample: Int) -> some Sequence<Int> {
        var random = Philox(seed: seed, stream: RandomStream.substitute.at(epoch: epoch, sample: sample))
        let first = random.integer(below: order.count), count = order.count
        return (0..<count).lazy.map { (first + $0) % count }
    }

    /// The places in `order` of a batch; the last batch may be shorter.
    func positions(of batch: Int) -> Range<Int> {
        (batch * batchSize)..<min((batch + 1) * batchSize, order.count)
    }
}
