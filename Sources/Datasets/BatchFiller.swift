import CurricleVision

/// Fills one batch: a pure function of the plan and the batch's index, so any worker may do it.
struct BatchFiller: Sendable {
    let source: any ImageSource
    let pipeline: ImagePipeline
    let plan: EpochPlan
    let broken: BrokenImages

    /// - Parameter isCancelled: asked before each image; when it says so, the result is nil.
    ///
    /// - Throws: with `refuse` the first broken image's; what is the dataset's and not an image's always; `noReadableImage` where none can
    ///   stand for a broken one.
    func fill(_ index: Int, into buffer: PatchBuffer, isCancelled: () -> Bool) throws(VisionError) -> Batch? {
        var samples = plan.positions(of: index).map { plan.order[$0] }
        var missing: Set<Int> = [], errors: [(sample: Int, error: VisionError)] = []
        for slot in samples.indices {
            if isCancelled() { return nil }
            guard let error = try place(samples[slot], slot: slot, in: buffer) else { continue }
            errors.append((samples[slot], error))
            if broken == .leaveOut {
                patches(of: slot, in: buffer).update(repeating: 0)
                missing.insert(slot)
            } else {
                guard let other = try substitute(for: samples[slot], slot: slot, in: buffer, error, isCancelled) else { return nil }
                samples[slot] = other
            }
        }
        return Batch(
            index: index, samples: samples, missing: missing, skipped: errors.map(\.error.description), broken: errors.map(\.sample),
            buffer: buffer,
            patchCount: samples.count * patchesSize)
    }

    /// Writes another image's patches and returns its index; nil when it is cancelled.
    private func substitute(
        for sample: Int, slot: Int, in buffer: PatchBuffer, _ reason: VisionError, _ isCancelled: () -> Bool
    ) throws(VisionError) -> Int? {
        for candidate in plan.substitutes(for: sample) where candidate != sample {
            if isCancelled() { return nil }
            if try place(candidate, slot: slot, in: buffer) == nil { return candidate }
        }
        throw .noReadableImage(count: plan.order.count, firstReason: reason.description)
    }

    private var patchesSize: Int { pipeline.grid.count * pipeline.grid.patchWidth }

    private func patches(of slot: Int, in buffer: PatchBuffer) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: buffer.memory[(slot * patchesSize)..<((slot + 1) * patchesSize)])
    }

    /// Writes one image's patches; returns what is wrong with the image, throws when that must end the epoch.
    private func place(_ sample: Int, slot: Int, in buffer: PatchBuffer) throws(VisionError) -> VisionError? {
        do throws(VisionError) {
            let image = try source.image(at: sample)
            try pipeline.check(image, name: "\(source.name(at: sample))")
            pipeline.patches(of: image, epoch: plan.epoch, sample: sample, into: patches(of: slot, in: buffer))
            return nil
        } catch {
            if broken == .refuse || error.endsThePass { throw error }
            return error
        }
    }
}
