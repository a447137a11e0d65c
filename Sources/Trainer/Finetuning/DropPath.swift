import CurricleRandomness

/// Drop path (stochastic depth, Huang et al., 2016): in training, an image's residual branches are left out at random, and those that stay
/// are multiplied by 1 / (1 − rate), the rate growing evenly from 0 at the first block to `rate` at the last (timm's `DropPath`).
struct DropPath: Sendable {
    let rate: Double
    let depth: Int
    let seed: UInt64

    /// Of each block.
    var rates: [Double] { (0..<depth).map { depth > 1 ? rate * Double($0) / Double(depth - 1) : 0 } }

    /// Scales [2·depth, images]: a function of (seed, epoch, sample) alone.
    func scales(samples: [Int], epoch: Int) -> [Float] {
        var scales = [Float](repeating: 1, count: 2 * depth * samples.count)
        for (image, sample) in samples.enumerated() {
            var random = Philox(seed: seed, stream: (UInt32(truncatingIfNeeded: epoch), UInt32(truncatingIfNeeded: sample), DropPath.use))
            for (block, rate) in rates.enumerated() {
                for branch in [2 * block, 2 * block + 1] {
                    scales[branch * samples.count + image] = random.uniform() < rate ? 0 : Float(1 / (1 - rate))
                }
            }
        }
        return scales
    }

    private static let use: UInt32 = 0x6472_6F70  // "drop"
}
