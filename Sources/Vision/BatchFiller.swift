/// Fills one batch: a pure function of the plan and the batch's index, so any worker may do it.
struct BatchFiller: Sendable {
    let source: any ImageSource
    let pipeline: ImagePipeline
    let plan: EpochPlan
    let strict: Bool

    /// - Parameter isCancelled: asked before each image; when it says so, the result is nil.
    ///
    /// A broken image's slot goes to the next image that decodes, counted from behind the batch in the epoch's order (and round again from its start).
    /// So a substitute is not in the batch already, and batches stay independent of each other.
    /// Errors: with `strict` the first broken image's; `channelMismatch` and `invalidNormalization` always, they are the dataset's; `noReadableImage`.
    func fill(_ index: Int, into buffer: PatchBuffer, isCancelled: () -> Bool) throws(VisionError) -> Batch? {
        let positions = plan.positions(of: index)
        var samples = positions.map { plan.order[$0] }
        var broken: [(slot: Int, error: VisionError)] = []
        for slot in samples.indices {
            if isCancelled() { return nil }
            if let error = try place(samples[slot], slot: slot, in: buffer) { broken.append((slot, error)) }
        }
        var position = positions.upperBound
        for (slot, error) in broken {
            var tries = 0
            while true {
                if isCancelled() { return nil }
                if tries == plan.order.count { throw .noReadableImage(count: tries, firstReason: error.description) }
                let candidate = plan.order[position % plan.order.count]
                position += 1
                tries += 1
                if try place(candidate, slot: slot, in: buffer) == nil {
                    samples[slot] = candidate
                    break
                }
            }
        }
        let patchCount = samples.count * pipeline.grid.count * pipeline.grid.patchWidth
        return Batch(index: index, samples: samples, skipped: broken.map(\.error.description), buffer: buffer, patchCount: patchCount)
    }

    /// Writes one image's patches; returns what is wrong with the image, throws when that must end the epoch.
    private func place(_ sample: Int, slot: Int, in buffer: PatchBuffer) throws(VisionError) -> VisionError? {
        let size = pipeline.grid.count * pipeline.grid.patchWidth
        do throws(VisionError) {
            let image = try source.image(at: sample)
            try pipeline.check(image, name: source.name(at: sample))
            let target = UnsafeMutableBufferPointer(rebasing: buffer.memory[(slot * size)..<((slot + 1) * size)])
            pipeline.patches(of: image, epoch: plan.epoch, sample: sample, into: target)
            return nil
        } catch {
            switch error {
            case .channelMismatch, .invalidNormalization: throw error
            default: if strict { throw error }
            }
            return error
        }
    }
}
