import CurricleVision

/// Loads batches ahead of their use, in its own threads, into a ring of buffers that is allocated once.
///
/// Batches come in order and with the same bits whatever the number of workers, and an epoch may be entered at any batch.
/// For one consumer; not `Sendable`.
package final class BatchLoader {
    private let source: any ImageSource
    private let pipeline: ImagePipeline
    private let batchSize: Int
    private let dropLast: Bool
    private let shuffle: Bool
    private let seed: UInt64
    private let workers: Int
    private let broken: BrokenImages
    /// Broken images that were said already.
    private var said: Set<Int> = []
    private let buffers: [PatchBuffer]
    private var ring: BatchRing?
    /// Which batches of an epoch are loaded; the others are somebody else's.
    package var isWanted: @Sendable (Int) -> Bool = { _ in true }

    /// - Parameters:
    ///   - batchSize: N, at least 1.
    ///   - dropLast: leave out a last batch of fewer than N images.
    ///   - shuffle: a new order each epoch: a Philox permutation keyed (seed, epoch), by shards where the source has several.
    ///   - workers: threads, at least 1.
    ///   - prefetch: batches ready ahead of the one in use, at least 1; `prefetch + 1` buffers of N · L · P floats are held,
    ///     and no more than `prefetch` workers are busy.
    ///   - broken: what becomes of an image that cannot be read.
    package init(
        source: any ImageSource, pipeline: ImagePipeline, batchSize: Int, dropLast: Bool, shuffle: Bool, seed: UInt64, workers: Int,
        prefetch: Int, broken: BrokenImages
    ) {
        precondition(batchSize >= 1, "a batch has at least one image")
        self.source = source
        self.pipeline = pipeline
        self.batchSize = batchSize
        self.dropLast = dropLast
        self.shuffle = shuffle
        self.seed = seed
        self.workers = max(1, workers)
        self.broken = broken
        let floats = batchSize * pipeline.grid.count * pipeline.grid.patchWidth
        buffers = (0...max(1, prefetch)).map { _ in PatchBuffer(count: floats) }
    }

    deinit { stop() }

    /// 0 when `dropLast` leaves nothing of a small dataset.
    package var batchesPerEpoch: Int {
        dropLast ? source.count / batchSize : (source.count + batchSize - 1) / batchSize
    }

    /// Images of some batches.
    package func images(of batches: Range<Int>) -> Int {
        min(source.count, batches.upperBound * batchSize) - batches.lowerBound * batchSize
    }

    /// Bytes held by the ring.
    package var bufferBytes: Int { buffers.reduce(0) { $0 + $1.memory.count * MemoryLayout<Float>.stride } }

    /// Begins an epoch (the one that runs is stopped): `next()` gives its batches from `fromBatch` on.
    package func start(epoch: Int, fromBatch: Int = 0) {
        stop()
        let plan = EpochPlan(epoch: epoch, count: source.count, shards: source.shards, batchSize: batchSize, shuffle: shuffle, seed: seed)
        let filler = BatchFiller(source: source, pipeline: pipeline, plan: plan, broken: broken)
        let ring = BatchRing(buffers: buffers, batches: (max(0, fromBatch)..<max(0, fromBatch, batchesPerEpoch)).filter(isWanted))
        ring.startWorkers(min(workers, buffers.count - 1), filler: filler)
        self.ring = ring
    }

    /// The next batch; nil at the end of the epoch, or when none was started. It ends the life of the last batch's patches.
    ///
    /// - Throws: a broken image's when these are refused; those of the whole dataset; `noReadableImage`. After an error the epoch is
    ///   stopped.
    package func next() throws(VisionError) -> Batch? {
        switch ring?.take() {
        case nil: return nil
        case .success(let batch):
            // Named once, not once an epoch.
            let new = zip(batch.broken, batch.skipped).filter { said.insert($0.0).inserted }
            return batch.saying(new.map(\.1))
        case .failure(let error):
            stop()
            throw error
        }
    }

    /// Ends the epoch and waits until its threads are done; at most one image each. Harmless when nothing runs.
    package func stop() {
        ring?.stop()
        ring = nil
    }
}
