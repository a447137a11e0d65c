import Foundation
import CurricleModels
import CurricleRandomness
import CurricleRuntime

/// What is drawn for an image's masks, keyed (seed, epoch, sample), so that nothing but these decides it.
struct MaskDraws {
    let seed: UInt64
    let rows: Int, columns: Int
    /// Patches of an image that are removed.
    let removed: Int
    private static let stream: UInt32 = 0x6D61_736B  // "mask"
    private var patches: Int { rows * columns }

    init(_ model: ModelConfiguration, maskRatio: Double, seed: UInt64) {
        self.seed = seed
        (rows, columns, removed) = (model.gridRows, model.gridColumns, model.patches - model.kept(maskRatio: maskRatio))
    }

    private func random(epoch: Int, sample: Int) -> Philox {
        Philox(seed: seed, stream: (UInt32(truncatingIfNeeded: epoch), UInt32(truncatingIfNeeded: sample), MaskDraws.stream))
    }

    /// Fills rows of `memory` [rows, L] int32 from `row` on with patches, those to keep first, and returns them.
    func orders(_ masking: Masking, in memory: Memory, row: Int, samples: [Int], epoch: Int) -> UnsafeRawBufferPointer {
        let start = row * patches
        for (i, sample) in samples.enumerated() {
            var random = random(epoch: epoch, sample: sample)
            let order =
                switch masking {
                case .learned, .random: random.permutation(patches)
                case .block: blocks(&random)
                case .color: bandPassed(&random)
                }
            for (j, patch) in order.enumerated() { memory.integers[start + i * patches + j] = Int32(patch) }
        }
        return memory.contents(numbers: start..<(start + samples.count * patches))
    }

    /// Fills rows of `memory` [rows, L] from `row` on with what a masker's choice is drawn by, and returns them.
    /// - Parameter scale: of Gumbel noise −ln(−ln u), so that patches are drawn by the softmax of their logits over it; nil for u itself,
    ///   uniform in (0, 1).
    func noise(scale: Float?, in memory: Memory, row: Int, samples: [Int], epoch: Int) -> UnsafeRawBufferPointer {
        let start = row * patches
        for (i, sample) in samples.enumerated() {
            var random = random(epoch: epoch, sample: sample)
            for j in 0..<patches {
                let u = (Double(random.next() >> 11) + 0.5) * 0x1p-53
                memory.floats[start + i * patches + j] = scale.map { $0 * Float(-log(-log(u))) } ?? Float(u)
            }
        }
        return memory.contents(numbers: start..<(start + samples.count * patches))
    }

    /// Block-wise masking (BEiT, arXiv 2106.08254, algorithm 1): rectangles of at least a twelfth of the patches, of sides between 0.3 and 1/0.3
    /// to one, until enough are removed; the last is cut short.
    private func blocks(_ random: inout Philox) -> [Int] {
        var isRemoved = [Bool](repeating: false, count: patches), left = removed
        while left > 0 {
            let area = random.uniform(Double(min(left, max(1, patches / 12))), Double(left) + 1)
            let aspect = exp(random.uniform(log(0.3), log(1 / 0.3)))
            let height = min(rows, max(1, Int((area * aspect).squareRoot().rounded())))
            let width = min(columns, max(1, Int((area / aspect).squareRoot().rounded())))
            let top = random.integer(below: rows - height + 1), leading = random.integer(below: columns - width + 1)
            for row in top..<(top + height) {
                for column in leading..<(leading + width) where left > 0 && !isRemoved[row * columns + column] {
                    isRemoved[row * columns + column] = true
                    left -= 1
                }
            }
        }
        return (0..<patches).filter { !isRemoved[$0] } + (0..<patches).filter { isRemoved[$0] }
    }

    /// Masks of ColorMAE's green noise (arXiv 2407.13036): white noise blurred by 0.75 patches less the same blurred by 1.5, round the edges;
    /// its lowest patches go.
    private func bandPassed(_ random: inout Philox) -> [Int] {
        let white = (0..<patches).map { _ in random.normal() }
        let band = zip(blurred(white, 0.75), blurred(white, 1.5)).map { $0 - $1 }
        return (0..<patches).sorted { band[$0] != band[$1] ? band[$0] > band[$1] : $0 < $1 }
    }

    /// Convolved with a Gaussian on the grid, whose edges meet.
    private func blurred(_ values: [Double], _ deviation: Double) -> [Double] {
        let reach = Int((4 * deviation).rounded(.up))
        let weights = (-reach...reach).map { exp(-Double($0 * $0) / (2 * deviation * deviation)) }
        let total = weights.reduce(0, +)
        func pass(_ values: [Double], _ index: (Int, Int, Int) -> Int) -> [Double] {
            (0..<patches).map { at in
                weights.indices.reduce(0.0) { $0 + weights[$1] / total * values[index(at / columns, at % columns, $1 - reach)] }
            }
        }
        func wrapped(_ i: Int, _ count: Int) -> Int { (i % count + count) % count }
        let along = pass(values) { row, column, d in row * columns + wrapped(column + d, columns) }
        return pass(along) { row, column, d in wrapped(row + d, rows) * columns + column }
    }
}
