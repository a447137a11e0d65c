import CurricleVision

extension Batch {
    /// Mixes the images in place; see ``BatchMixing/mix(_:grid:_:)``.
    package func mix(grid: PatchGrid, _ choice: BatchMixing.Choice) -> Double {
        BatchMixing.mix(UnsafeMutableBufferPointer(rebasing: buffer.memory[0..<patchCount]), grid: grid, choice)
    }
}
