import CurricleRandomness
import Testing
@testable import CurricleDatasets
@testable import CurricleVision

/// Images of 6×6 grey whose pixels are their index; some do not decode.
struct NumberedSource: ImageSource {
    let count: Int
    var broken: Set<Int> = []
    var channels = 1
    let classNames: [ByteName] = []
    func label(at index: Int) -> Int? { nil }
    func name(at index: Int) -> ByteName { "image#\(index)" }
    func image(at index: Int) throws(VisionError) -> PixelImage {
        if broken.contains(index) { throw .corrupt(name: "\(name(at: index))", reason: "made so") }
        return PixelImage(width: 6, height: 6, channels: channels, pixels: [UInt8](repeating: UInt8(index), count: 36 * channels))
    }
}

@Suite struct LoaderTests {
    static let grid = PatchGrid(imageHeight: 6, imageWidth: 6, patchSize: 3, channels: 3)

    func loader(
        _ source: any ImageSource, batchSize: Int = 4, dropLast: Bool = false, shuffle: Bool = true, workers: Int = 1, prefetch: Int = 2,
        broken: BrokenImages = .substitute,
        augmentation: Augmentation = .none
    ) -> BatchLoader {
        let normalization = PixelNormalization(mean: [0], std: [1.0 / 255])
        let pipeline = ImagePipeline(grid: Self.grid, augmentation: augmentation, normalization: normalization, seed: 9)
        return BatchLoader(
            source: source, pipeline: pipeline, batchSize: batchSize, dropLast: dropLast, shuffle: shuffle, seed: 9,
            workers: workers, prefetch: prefetch, broken: broken)
    }

    struct Copy: Equatable { let index: Int, samples: [Int], patches: [Float], skipped: [String] }

    func rest(_ loader: BatchLoader) throws(VisionError) -> [Copy] {
        var copies: [Copy] = []
        while let batch = try loader.next() {
            copies.append(Copy(index: batch.index, samples: batch.samples, patches: Array(batch.patches), skipped: batch.skipped))
        }
        return copies
    }

    @Test("an epoch holds every image once") func anEpochHoldsEveryImageOnce() throws {
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

    @Test("without shuffle in order and drop last") func withoutShuffleInOrderAndDropLast() throws {
        let loader = loader(NumberedSource(count: 11), dropLast: true, shuffle: false)
        #expect(loader.batchesPerEpoch == 2)
        loader.start(epoch: 0)
        #expect(try rest(loader).map(\.samples) == [[0, 1, 2, 3], [4, 5, 6, 7]])
        let none = self.loader(NumberedSource(count: 3), dropLast: true)
        none.start(epoch: 0)
        #expect(try none.batchesPerEpoch == 0 && none.next() == nil)
    }

    @Test("workers and resume change no bit") func workersAndResumeChangeNoBit() throws {
        let source = NumberedSource(count: 45, broken: [3, 17, 18, 30])
        let reference = loader(source, augmentation: .mae)
        reference.start(epoch: 5)
        let expected = try rest(reference)
        func silent(_ batches: [Copy]) -> [Copy] {
            batches.map { Copy(index: $0.index, samples: $0.samples, patches: $0.patches, skipped: []) }
        }
        for (workers, prefetch) in [(1, 1), (2, 2), (4, 4), (4, 1), (2, 7)] {
            let other = loader(source, workers: workers, prefetch: prefetch, augmentation: .mae)
            other.start(epoch: 5)
            #expect(try rest(other) == expected)
            other.start(epoch: 5, fromBatch: 7)
            #expect(try silent(rest(other)) == silent(Array(expected[7...])))
            other.start(epoch: 5, fromBatch: 12)
            #expect(try rest(other).isEmpty)
        }
    }

    @Test("a broken image's substitute depends on the seed, the epoch and that image alone")
    func substitutesDependOnTheSlotAlone() throws {
        func samples(_ broken: Set<Int>, epoch: Int) throws -> [Int] {
            let loader = loader(NumberedSource(count: 40, broken: broken), shuffle: false)
            loader.start(epoch: epoch)
            return try rest(loader).flatMap(\.samples)
        }
        let alone = try samples([17], epoch: 2), several = try samples([3, 4, 17, 39], epoch: 2)
        #expect(alone.enumerated().allSatisfy { $0 == 17 ? $1 != 17 : $1 == $0 })
        #expect(several[17] == alone[17] && Set([3, 4, 17, 39]).isDisjoint(with: several))
        #expect(several.enumerated().allSatisfy { [3, 4, 17, 39].contains($0) || $1 == $0 })
        // From a random image on, round the dataset, the first that can be read.
        var random = Philox(seed: 9, stream: (2, 17, 0x7375_6273))
        let first = random.integer(below: 40)
        #expect(alone[17] == (first == 17 ? 18 : first))
        #expect(try Set((0..<8).map { try samples([17], epoch: $0)[17] }).count > 4)
    }

    @Test("in a measurement a broken image's slot is empty, and nothing counts in its place")
    func brokenImagesAreLeftOut() throws {
        let loader = loader(NumberedSource(count: 10, broken: [1, 2, 5, 8, 9]), shuffle: false, workers: 2, broken: .leaveOut)
        loader.start(epoch: 0)
        var kept: [Int] = []
        while let batch = try loader.next() {
            #expect(batch.missing == Set([0: [1, 2], 1: [1], 2: [0, 1]][batch.index] ?? []))
            kept += batch.images.map(\.sample)
            for slot in batch.missing { #expect(batch.patches[(slot * 108)..<((slot + 1) * 108)].allSatisfy { $0 == 0 }) }
            #expect(batch.images.allSatisfy { abs(batch.patches[$0.slot * 108] - Float($0.sample)) < 1e-3 })
            #expect(batch.rows(of: batch.samples.flatMap { [Float($0), 7] }) == batch.images.flatMap { [Float($0.sample), 7] })
        }
        #expect(kept == [0, 3, 4, 6, 7])
    }

    @Test("broken images are named once, not once an epoch")
    func namedOnce() throws {
        let loader = loader(NumberedSource(count: 10, broken: [1, 2]), workers: 2)
        loader.start(epoch: 0)
        let first = try rest(loader).flatMap(\.skipped)
        #expect(first.count == 2 && Set(first.map { String($0.prefix(8)) }) == ["image#1:", "image#2:"])
        loader.start(epoch: 1)
        #expect(try rest(loader).allSatisfy(\.skipped.isEmpty))
    }

    @Test("one good image is enough") func oneGoodImageIsEnough() throws {
        let loader = loader(NumberedSource(count: 6, broken: [0, 1, 2, 4, 5]), workers: 2)
        loader.start(epoch: 0)
        #expect(try rest(loader).flatMap(\.samples) == [3, 3, 3, 3, 3, 3])
    }

    @Test("no good image is an error") func noGoodImageIsAnError() {
        let loader = loader(NumberedSource(count: 6, broken: Set(0..<6)), workers: 2)
        loader.start(epoch: 0)
        let found = error { () throws(VisionError) in try loader.next() }
        guard case .noReadableImage(6, _) = found else { Issue.record("\(String(describing: found))"); return }
        #expect(isOneLine(found))
        #expect(error { () throws(VisionError) in try loader.next() } == nil)
    }

    @Test("strict throws in its turn", arguments: [1, 2, 4]) func strictThrowsInItsTurn(_ workers: Int) throws {
        let loader = loader(NumberedSource(count: 12, broken: [6]), shuffle: false, workers: workers, broken: .refuse)
        loader.start(epoch: 0)
        #expect(try loader.next()?.samples == [0, 1, 2, 3])
        let found = error { () throws(VisionError) in try loader.next() }
        #expect(found == .corrupt(name: "image#6", reason: "made so"))
        #expect(try loader.next() == nil)
    }

    @Test("wrong channels end the epoch") func wrongChannelsEndTheEpoch() {
        let loader = loader(NumberedSource(count: 6, channels: 2))
        loader.start(epoch: 0)
        guard case .channelMismatch(_, 2, 3) = error({ () throws(VisionError) in try loader.next() }) else {
            Issue.record("no mismatch"); return
        }
    }

    @Test("stops at any moment", arguments: [1, 2, 4]) func stopsAtAnyMoment(_ workers: Int) throws {
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

    @Test("the ring is all there is") func theRingIsAllThereIs() {
        #expect(loader(NumberedSource(count: 6), prefetch: 3).bufferBytes == 4 * (4 * 4 * 27 * 4))
    }
}
