import Randomness

/// Some images of an epoch, ready for the model.
public struct Batch: Sendable {
    /// Its place in the epoch, from 0.
    public let index: Int
    /// Dataset indices of the images, in the order of their patches.
    public let samples: [Int]
    /// One line for each broken image that another took the place of: its name and why.
    public let skipped: [String]
    let buffer: PatchBuffer
    let patchCount: Int

    /// [N, L, P], N = `samples.count`. Valid while the batch lives, and until the loader's following `next()`, `start` or `stop`: then it is filled anew.
    public var patches: UnsafeBufferPointer<Float> { UnsafeBufferPointer(rebasing: buffer.memory[0..<patchCount]) }
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
    /// Dataset indices in the order of the epoch.
    let order: [Int]
    let batchSize: Int

    init(epoch: Int, count: Int, batchSize: Int, shuffle: Bool, seed: UInt64) {
        self.epoch = epoch
        self.batchSize = batchSize
        if shuffle {
            var random = Philox(seed: seed, stream: RandomStream.order.at(epoch: epoch))
            order = random.permutation(count)
        } else {
            order = Array(0..<count)
        }
    }

    /// The places in `order` of a batch; the last batch may be shorter.
    func positions(of batch: Int) -> Range<Int> {
        (batch * batchSize)..<min((batch + 1) * batchSize, order.count)
    }
}
