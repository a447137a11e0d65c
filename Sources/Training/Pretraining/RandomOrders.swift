import Randomness
import Runtime

/// Random masks of plain MAE: for each image an order of its patches, keyed (seed, epoch, sample), so that nothing but
/// these decides it.
struct RandomOrders {
    let seed: UInt64
    let patches: Int
    private static let stream: UInt32 = 0x6D61_736B  // "mask"

    /// Fills rows of `memory` [rows, L] from `row` on and returns them.
    func fill(_ memory: Memory, row: Int, samples: [Int], epoch: Int) -> UnsafeRawBufferPointer {
        let start = row * patches, count = samples.count * patches
        for (i, sample) in samples.enumerated() {
            var random = Philox(
                seed: seed, stream: (UInt32(truncatingIfNeeded: epoch), UInt32(truncatingIfNeeded: sample), RandomOrders.stream))
            for (j, patch) in random.permutation(patches).enumerated() { memory.integers[start + i * patches + j] = Int32(patch) }
        }
        return UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: memory.integers[start..<(start + count)]))
    }
}
