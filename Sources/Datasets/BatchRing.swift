import Foundation
import Vision

/// Where workers and consumer of one epoch meet: batches to claim, buffers to fill, batches that are done.
///
/// A batch and a buffer are claimed together and in order, so the earliest unfinished batch always has its buffer: nobody waits for ever.
/// Unchecked: all that varies is touched under `condition`.
final class BatchRing: @unchecked Sendable {
    private let condition = NSCondition()
    private let end: Int
    private var unclaimed: Int
    private var undelivered: Int
    private var free: [PatchBuffer]
    private var inUse: PatchBuffer?
    private var done: [Int: Result<Batch, VisionError>] = [:]
    private var running = 0
    private var isStopped = false

    init(buffers: [PatchBuffer], batches: Range<Int>) {
        free = buffers
        unclaimed = batches.lowerBound
        undelivered = batches.lowerBound
        end = batches.upperBound
    }

    func startWorkers(_ count: Int, filler: BatchFiller) {
        condition.withLock { running = count }
        for number in 0..<count {
            let thread = Thread { self.work(filler) }
            thread.name = "loader \(number)"
            thread.start()
        }
    }

    /// A worker's life.
    private func work(_ filler: BatchFiller) {
        while let (index, buffer) = claim() {
            let result: Result<Batch, VisionError>
            do throws(VisionError) {
                guard let batch = try filler.fill(index, into: buffer, isCancelled: { condition.withLock { isStopped } }) else { break }
                result = .success(batch)
            } catch {
                result = .failure(error)
            }
            condition.withLock {
                done[index] = result
                condition.broadcast()
            }
        }
        condition.withLock {
            running -= 1
            condition.broadcast()
        }
    }

    /// The next batch to fill and a buffer for it; nil when there is nothing more to do.
    private func claim() -> (Int, PatchBuffer)? {
        condition.withLock {
            while !isStopped && unclaimed < end && free.isEmpty { condition.wait() }
            guard !isStopped, unclaimed < end, let buffer = free.popLast() else { return nil }
            defer { unclaimed += 1 }
            return (unclaimed, buffer)
        }
    }

    /// The next batch in order, when it is done; nil after the last. The buffer of the batch before goes back to the workers.
    func take() -> Result<Batch, VisionError>? {
        condition.withLock {
            if let buffer = inUse {
                free.append(buffer)
                inUse = nil
                condition.broadcast()
            }
            guard !isStopped, undelivered < end else { return nil }
            while true {
                if let result = done.removeValue(forKey: undelivered) {
                    undelivered += 1
                    inUse = try? result.get().buffer
                    return result
                }
                condition.wait()
            }
        }
    }

    /// Returns when no worker runs any more.
    func stop() {
        condition.withLock {
            isStopped = true
            condition.broadcast()
            while running > 0 { condition.wait() }
        }
    }
}
