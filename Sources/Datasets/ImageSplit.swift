import CurricleRandomness

/// Labelled images divided at random, in each class alike: what is learned from, and what is judged. A function of labels and seed alone.
package enum ImageSplit {
    private static let use: UInt32 = 0x7370_6C74  // "splt"

    /// Whether each image is held out for judging: that share of every class, rounded, but at least one of two or more and never all.
    package static func heldOut(_ labels: [Int], share: Double, seed: UInt64) -> [Bool] {
        var held = [Bool](repeating: false, count: labels.count)
        for rows in shuffled(labels, seed) where rows.count > 1 {
            let count = min(rows.count - 1, max(1, Int((Double(rows.count) * share).rounded())))
            for row in rows.prefix(count) { held[row] = true }
        }
        return held
    }

    /// The fold of each image, from 0: those of a class are dealt out in turn, so that folds and classes in them differ by one image at
    /// most.
    package static func folds(_ labels: [Int], count: Int, seed: UInt64) -> [Int] {
        var folds = [Int](repeating: 0, count: labels.count), next = 0
        for row in shuffled(labels, seed).joined() {
            folds[row] = next % count
            next += 1
        }
        return folds
    }

    /// The images of each class, by rising label, in random order.
    private static func shuffled(_ labels: [Int], _ seed: UInt64) -> [[Int]] {
        Dictionary(grouping: labels.indices) { labels[$0] }.sorted { $0.key < $1.key }.map { label, rows in
            var random = Philox(seed: seed, stream: (use, UInt32(truncatingIfNeeded: label), 0))
            return random.permutation(rows.count).map { rows[$0] }
        }
    }
}
