import CurricleRuntime

extension TrainingPlan {
    /// The largest batch whose plan stays below so many resident bytes; 0 where not even one image does.
    ///
    /// What a run takes is close to affine in the batch, so two plans tell where to look, and each look tells better. A look compiles, but
    /// plans no memory: it knows the least that any plan takes. Only a batch that is to be named is planned in full.
    /// - Throws: `LearningError.configuration`.
    package static func largestBatch(_ settings: PretrainSettings, threads: Int, isa: ISA, within bytes: Int) throws -> Int {
        func bytesOf(_ images: Int, plansMemory: Bool) throws -> Int {
            var changed = settings
            changed.batchSize = images
            return try TrainingPlan(
                changed, Team(threads: threads, isa: isa), pieceImages: settings.pieceImages, arenaLimit: nil, DataMemory(),
                plansMemory: plansMemory
            ).residentBytes
        }
        let most = 65536
        var fitting = (images: 1, bytes: try bytesOf(1, plansMemory: false))
        guard fitting.bytes <= bytes else { return 0 }
        var tooMany: (images: Int, bytes: Int)?
        var last = fitting, next = max(2, min(settings.batchSize, most))
        while fitting.images < most, tooMany.map({ $0.images - fitting.images > 1 }) ?? true {
            let found = (images: next, bytes: try bytesOf(next, plansMemory: false))
            if found.bytes <= bytes { fitting = found } else { tooMany = found }
            let slope = Double(found.bytes - last.bytes) / Double(found.images - last.images)
            let guess = slope > 0 ? Double(found.images) + (Double(bytes - found.bytes) / slope).rounded(.down) : Double(most)
            last = found
            next = min(max(Int(min(guess, Double(most))), fitting.images + 1), (tooMany?.images ?? most + 1) - 1)
        }
        // No plan is smaller than the bound that was gone by; should this one be larger, fewer images fit.
        var images = fitting.images
        while images > 1, try bytesOf(images, plansMemory: true) > bytes { images -= max(1, images / 100) }
        return images
    }
}
