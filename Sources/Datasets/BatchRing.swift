import Foundation
import CurricleVision

/// Where workers and consumer of one epoch meet: batches to claim, buffers to fill, batches that are done.
///
/// A batch and a buffer are claimed together and in order, so the earliest unfinished batch always has its buffer: nobody waits for ever.
/// Unchecked: all that varies is touched under `condition`.
final class BatchRing: @unchecked Sendable {
    private let condition = NSCondition()
    /// The batches' numbers; all else counts their places here.
    private let batches: [Int]
    private var unclaimed: Int
    private var undelivered: Int
    private var free: [PatchBuffer]
    private var inUse: PatchBuffer?
    private var done: [Int: Result<Batch, VisionError>] = [:]
    private var running = 0
    private var isStopped = false
    /// Where there are no workers.
    private var fillerOfConsumer: BatchFiller?

    init(buffers: [PatchBuffer], batches: [Int]) {
        free = buffers
        unclaimed = 0
        undelivered = 0
        self.batches = batches
    }

    /// Starts as many workers as the system lets this process have; without any, ``take()`` fills the batches itself.
    func startWorkers(_ count: Int, filler: BatchFiller) {
        var started = 0
        condition.withLock { running = count }
        while started < count, Worker(ring: self, filler: filler).start() { started += 1 }
        condition.withLock {
            running -= count - started
            if started == 0 { fillerOfConsumer = filler }
        }
    }

    /// A worker's life.
    fileprivate func work(_ filler: BatchFiller) {
        while fillNext(filler) {}
        condition.withLock {
            running -= 1
            condition.broadcast()
        }
    }

    /// Fills the next batch; false where there is nothing more to do.
    private func fillNext(_ filler: BatchFiller) -> Bool {
        guard let (index, buffer) = claim() else { return false }
        let result: Result<Batch, VisionError>
        do throws(VisionError) {
            guard let batch = try filler.fill(batches[index], into: buffer, isCancelled: { condition.withLock { isStopped } }) else {
                return false
            }
            result = .success(batch)
        } catch {
            result = .failure(error)
        }
        condition.withLock {
            done[index] = result
            condition.broadcast()
        }
        return true
    }

    /// The next batch to fill and a buffer for it; nil when there is nothing more to do.
    private func claim() -> (Int, PatchBuffer)? {
        condition.withLock {
            while !isStopped && unclaimed < batches.count && free.isEmpty { condition.wait() }
            guard !isStopped, unclaimed < batches.count, let buffer = free.popLast() else { return nil }
            defer { unclaimed += 1 }
            return (unclaimed, buffer)
        }
    }

    /// The next batch in order, when it is done; nil after the last. The buffer of the batch before goes back to the workers.
    func take() -> Result<Batch, VisionError>? {
        let filler = condition.withLock {
            if let buffer = inUse {
                free.append(buffer)
                inUse = nil
                condition.broadcast()
            }
            return fillerOfConsumer
        }
        if let filler { _ = fillNext(filler) }
        return condition.withLock {
            guard !isStopped, undelivered < batches.count else { return nil }
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

/// A thread of a ring. (Foundation's `Thread` does not tell that it was not started.)
private final class Worker: Sendable {
    private let ring: BatchRing
    private let filler: BatchFiller

    init(ring: BatchRing, filler: BatchFiller) {
        self.ring = ring
        self.filler = filler
    }

    /// False where the system refuses another thread.
    func start() -> Bool {
        let held = Unmanaged.passRetained(self)
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let worker = Unmanaged<Worker>.fromOpaque(argument).takeRetainedValue()
                worker.ring.work(worker.filler)
                return nil
            }, held.toOpaque())
        guard code == 0 else {
            held.release()
            return false
        }
        pthread_detach(thread)
        return true
    }
}
