import Randomness
import Testing
@testable import Vision

/// Images of 6×6 grey whose pixels are their index; some do not decode.
struct NumberedSource: ImageSource {
    let count: Int
    var broken: Set<Int> = []
    var channels = 1
    let classNames: [String] = []
    func label(at index: Int) -> Int? { nil }
    func name(at index: Int) -> String { "image#\(index)" }
    func image(at index: Int) throws(VisionError) -> PixelImage {
        if broken.contains(index) { throw .corrupt(name: name(at: index), reason: "made so") }
        return PixelImage(width: 6, height: 6, channels: channels, pixels: [UInt8](repeating: UInt8(index), count: 36 * channels))
    }
}

@Suite struct LoaderTests {
    static let grid = PatchGrid(imageHeight: 6, imageWidth: 6, patchSize: 3, channels: 3)

    func loader(
        _ source: any ImageSource, batchSize: Int = 4, dropLast: Bool = false, shuffle: Bool = true, workers: Int = 1, prefetch: Int = 2, strict: Bool = false,
        augmentation: Augmentation = .none
    ) -> BatchLoader {
        let normalization = PixelNormalization(mean: [0], std: [1.0 / 255])
        let pipeline = ImagePipeline(grid: Self.grid, augmentation: augmentation, normalization: normalization, seed: 9)
        return BatchLoader(
            source: source, pipeline: pipeline, batchSize: batchSize, dropLast: dropLast, shuffle: shuffle, seed: 9,
            workers: workers, prefetch: prefetch, strict: strict)
    }

    struct Copy: Equatable { let index: Int, samples: [Int], patches: [Float], skipped: [String] }

    func rest(_ loader: BatchLoader) throws(VisionError) -> [Copy] {
        var copies: [Copy] = []
        while let batch = try loader.next() {
            copies.append(Copy(index: batch.index, samples: batch.samples, patches: Array(batch.patches), skipped: batch.skipped))
        }
        return copies
    }

    @Test func anEpochHoldsEveryImageOnce() throws {
        let loader = loader(NumberedSource(count: 22))
        #expect(loader.batchesPerEpoch == 6)
        var orders: [[Int]] = []
        for epoch in 0..<3 {
            loader.start(epoch: epoch)
            let batches = try rest(loader)
            #expect(batches.map(\.index) == Array(0..<6) && batches.map(\.samples.count) == [4, 4, 4, 4, 4, 2])
            let order = batches.flatMap(\.samples)
            #expect(order.sorted() == Array(0..<22))
            var random = Philox(seed: 9, stream: (UInt32(epoch), 0, 0x6F72_6465))
            #expect(order == random.permutation(22))
            // The patches are those of the samples: pixels equal the index under this normalisation.
            for batch in batches {
                #expect(batch.patches.count == batch.samples.count * 108)
                #expect(batch.patches.enumerated().allSatisfy { abs($1 - Float(batch.samples[$0 / 108])) < 1e-3 })
            }
            orders.append(order)
        }
        #expect(Set(orders).count == 3)
        #expect(try loader.next() == nil)
    }

    @Test func withoutShuffleInOrderAndDropLast() throws {
        let loader = loader(NumberedSource(count: 11), dropLast: true, shuffle: false)
        #expect(loader.batchesPerEpoch == 2)
        loader.start(epoch: 0)
        #expect(try rest(loader).map(\.samples) == [[0, 1, 2, 3], [4, 5, 6, 7]])
        let none = self.loader(NumberedSource(count: 3), dropLast: true)
        none.start(epoch: 0)
        #expect(try none.batchesPerEpoch == 0 && none.next() == nil)
    }

    @Test func workersAndResumeChangeNoBit() throws {
        let source = NumberedSource(count: 45, broken: [3, 17, 18, 30])
        let reference = loader(source, augmentation: .mae)
        reference.start(epoch: 5)
        let expected = try rest(reference)
        for (workers, prefetch) in [(1, 1), (2, 2), (4, 4), (4, 1), (2, 7)] {
            let other = loader(source, workers: workers, prefetch: prefetch, augmentation: .mae)
            other.start(epoch: 5)
            #expect(try rest(other) == expected)
            other.start(epoch: 5, fromBatch: 7)
            #expect(try rest(other) == Array(expected[7...]))
            other.start(epoch: 5, fromBatch: 12)
            #expect(try rest(other).isEmpty)
        }
    }

    @Test func aBrokenImagesPlaceIsTaken() throws {
        let loader = loader(NumberedSource(count: 10, broken: [1, 2, 5, 8]), shuffle: false)
        loader.start(epoch: 0)
        let batches = try rest(loader)
        // Behind batch 0 come 4, then 5 (broken too), then 6; behind batch 1 comes 8 (broken), then 9; behind the last, round again, comes 0.
        #expect(batches.map(\.samples) == [[0, 4, 6, 3], [4, 9, 6, 7], [0, 9]])
        #expect(batches[0].skipped.count == 2 && batches[0].skipped[0].hasPrefix("image#1: ") && batches[0].skipped[1].hasPrefix("image#2: "))
        #expect(batches[1].skipped.count == 1 && batches[2].skipped.count == 1)
        #expect(batches[0].patches[108] == 4 * Float(1 / (255 * Double(Float(1.0 / 255)))))
    }

    @Test func oneGoodImageIsEnough() throws {
        let loader = loader(NumberedSource(count: 6, broken: [0, 1, 2, 4, 5]), workers: 2)
        loader.start(epoch: 0)
        #expect(try rest(loader).flatMap(\.samples) == [3, 3, 3, 3, 3, 3])
    }

    @Test func noGoodImageIsAnError() {
        let loader = loader(NumberedSource(count: 6, broken: Set(0..<6)), workers: 2)
        loader.start(epoch: 0)
        let found = error { () throws(VisionError) in try loader.next() }
        guard case .noReadableImage(6, _) = found else { Issue.record("\(String(describing: found))"); return }
        #expect(isOneLine(found))
        #expect(error { () throws(VisionError) in try loader.next() } == nil)
    }

    @Test(arguments: [1, 2, 4]) func strictThrowsInItsTurn(_ workers: Int) throws {
        let loader = loader(NumberedSource(count: 12, broken: [6]), shuffle: false, workers: workers, strict: true)
        loader.start(epoch: 0)
        #expect(try loader.next()?.samples == [0, 1, 2, 3])
        let found = error { () throws(VisionError) in try loader.next() }
        #expect(found == .corrupt(name: "image#6", reason: "made so"))
        #expect(try loader.next() == nil)
    }

    @Test func wrongChannelsEndTheEpoch() {
        let loader = loader(NumberedSource(count: 6, channels: 2))
        loader.start(epoch: 0)
        guard case .channelMismatch(_, 2, 3) = error({ () throws(VisionError) in try loader.next() }) else { Issue.record("no mismatch"); return }
    }

    @Test(arguments: [1, 2, 4]) func stopsAtAnyMoment(_ workers: Int) throws {
        let source = NumberedSource(count: 100)
        for taken in 0..<6 {
            let loader = loader(source, workers: workers, prefetch: 3)
            loader.start(epoch: 0)
            for _ in 0..<taken { _ = try loader.next() }
            loader.stop()
            loader.stop()
            #expect(try loader.next() == nil)
            loader.start(epoch: 1)
            loader.start(epoch: 2)
            #expect(try rest(loader).count == 25)
            loader.start(epoch: 3)  // and let go while it runs
        }
    }

    @Test func theRingIsAllThereIs() {
        #expect(loader(NumberedSource(count: 6), prefetch: 3).bufferBytes == 4 * (4 * 4 * 27 * 4))
    }
}
