/// What `normalizePatches` took out of each patch, and `denormalizePatches` puts back.
package struct PatchStatistics: Sendable, Equatable {
    /// μ of each patch: [L].
    package var mean: [Float]
    /// √(σ² + 1e-6) of each patch, σ² unbiased: [L].
    package var deviation: [Float]

    package init(mean: [Float], deviation: [Float]) {
        self.mean = mean
        self.deviation = deviation
    }

    /// The statistics of `patches` [L, P]; any L.
    package init(of patches: UnsafeBufferPointer<Float>, patchWidth: Int) {
        precondition(patchWidth > 0 && patches.count % patchWidth == 0, "patches must be [L, P]")
        self.init(mean: [], deviation: [])
        for start in stride(from: 0, to: patches.count, by: patchWidth) {
            var sum = 0.0
            for i in start..<(start + patchWidth) { sum += Double(patches[i]) }
            let mean = sum / Double(patchWidth)
            var squares = 0.0
            for i in start..<(start + patchWidth) {
                let difference = Double(patches[i]) - mean
                squares += difference * difference
            }
            let variance = squares / Double(max(patchWidth - 1, 1))
            self.mean.append(Float(mean))
            self.deviation.append(Float((variance + 1e-6).squareRoot()))
        }
    }
}

/// Each patch by its own mean and unbiased variance, in place: (t − μ) / √(σ² + 1e-6). Source: MAE's `norm_pix_loss`.
/// - Parameter patches: [L, P].
@discardableResult
package func normalizePatches(_ patches: UnsafeMutableBufferPointer<Float>, patchWidth: Int) -> PatchStatistics {
    let statistics = PatchStatistics(of: UnsafeBufferPointer(patches), patchWidth: patchWidth)
    for i in patches.indices {
        let patch = i / patchWidth
        patches[i] = (patches[i] - statistics.mean[patch]) / statistics.deviation[patch]
    }
    return statistics
}

/// The inverse, in place: pictures of models that predict normalised patches need the true patches' statistics.
/// - Parameter patches: [L, P], L as in `statistics`.
package func denormalizePatches(_ patches: UnsafeMutableBufferPointer<Float>, patchWidth: Int, statistics: PatchStatistics) {
    precondition(patchWidth > 0 && patches.count == statistics.mean.count * patchWidth, "patches must be [L, P] of the same L")
    for i in patches.indices {
        let patch = i / patchWidth
        patches[i] = patches[i] * statistics.deviation[patch] + statistics.mean[patch]
    }
}
