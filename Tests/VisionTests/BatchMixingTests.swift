import CurricleRandomness
import Testing
@testable import CurricleDatasets
@testable import CurricleVision

@Suite struct BatchMixingTests {
    let grid = PatchGrid(imageHeight: 4, imageWidth: 4, patchSize: 2, channels: 1)

    /// Image n is full of n + 1.
    private func batch(_ images: Int) -> [Float] { (0..<images).flatMap { [Float](repeating: Float($0 + 1), count: 16) } }

    private func mixed(_ images: Int, _ choice: BatchMixing.Choice) -> (share: Double, patches: [Float]) {
        var patches = batch(images)
        let share = patches.withUnsafeMutableBufferPointer { BatchMixing.mix($0, grid: grid, choice) }
        return (share, patches)
    }

    @Test("blends with the batch reversed") func blendsWithTheBatchReversed() {
        let (share, patches) = mixed(4, .blend(share: 0.25))
        #expect(share == 0.25)
        // 0.25 · 1 + 0.75 · 4, and so on.
        #expect((0..<4).map { patches[16 * $0] } == [3.25, 2.75, 2.25, 1.75] && Set(patches).count == 4)
        #expect(mixed(3, .blend(share: 0.5)).patches == [Float](repeating: 2, count: 48))
        #expect(mixed(4, .none).patches == batch(4) && mixed(4, .none).share == 1)
    }

    @Test("replaces the box") func replacesTheBox() {
        let (share, patches) = mixed(2, .replace(CropBox(top: 1, left: 2, height: 2, width: 2)))
        #expect(share == 0.75)
        let first = Array(patches[..<16]).withUnsafeBufferPointer { unpatchify($0, grid: grid) }
        #expect(first == [1, 1, 1, 1, 1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 1, 1])
        #expect(zip(patches[..<16], patches[16...]).allSatisfy { $0 + $1 == 3 })
        #expect(mixed(2, .replace(CropBox(top: 3, left: 3, height: 0, width: 1))).share == 1)
    }

    /// timm 1.0's `mixup_target(torch.tensor([0, 2, 1, 2]), 3, lam=0.3, smoothing=0.1)`.
    @Test("targets equal timm") func targetsEqualTimm() {
        let expected: [Float] = [
            0.3033333, 0.0333333, 0.6633333, 0.0333333, 0.6633333, 0.3033333, 0.0333333, 0.3033333, 0.6633333, 0.6633333, 0.0333333,
            0.3033333
        ]
        let targets = BatchMixing().targets(labels: [0, 2, 1, 2], classes: 3, share: 0.3)
        #expect(targets.count == 12 && zip(targets, expected).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    @Test("choices follow their laws") func choicesFollowTheirLaws() {
        let wide = PatchGrid(imageHeight: 64, imageWidth: 64, patchSize: 8, channels: 3)
        let choices = (0..<2000).map { BatchMixing().choice(grid: wide, seed: 1, epoch: 2, batch: $0) }
        #expect(choices == (0..<2000).map { BatchMixing().choice(grid: wide, seed: 1, epoch: 2, batch: $0) })
        let shares = choices.compactMap { if case .blend(let share) = $0 { share } else { nil } }
        #expect((900...1100).contains(shares.count) && shares.allSatisfy { $0 >= 0 && $0 <= 1 })
        // Beta(0.8, 0.8): mean 1/2, variance 1 / (4 · 2.6).
        let mean = shares.reduce(0, +) / Double(shares.count),
            variance = shares.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(shares.count)
        #expect(abs(mean - 0.5) < 0.04 && abs(variance - 1 / 10.4) < 0.012)
        let boxes = choices.compactMap { if case .replace(let box) = $0 { box } else { nil } }
        #expect(boxes.count + shares.count == 2000)
        #expect(
            boxes.allSatisfy {
                $0.top >= 0 && $0.left >= 0 && $0.height >= 0 && $0.width >= 0 && $0.top + $0.height <= 64 && $0.left + $0.width <= 64
            })
        var mixing = BatchMixing()
        (mixing.mixup, mixing.cutmix) = (0, 0)
        #expect(mixing.choice(grid: wide, seed: 1, epoch: 2, batch: 0) == .none && mixing.problem == nil && BatchMixing().problem == nil)
        for wrong in [-1, 1e-9, 5, .nan] as [Double] {
            mixing.mixup = wrong
            #expect(mixing.problem != nil)
        }
    }

    /// timm's `rand_bbox` by hand: λ = 0.75 of a 40 × 60 image cuts 20 × 30.
    @Test("boxes are cut at the border") func boxesAreCutAtTheBorder() {
        for seed in 0..<50 as Range<UInt64> {
            var random = Philox(seed: seed), again = random
            let box = BatchMixing.box(share: 0.75, height: 40, width: 60, using: &random)
            let (y, x) = (again.integer(below: 40), again.integer(below: 60))
            #expect(box.top == max(y - 10, 0) && box.top + box.height == min(y + 10, 40))
            #expect(box.left == max(x - 15, 0) && box.left + box.width == min(x + 15, 60))
        }
    }
}
