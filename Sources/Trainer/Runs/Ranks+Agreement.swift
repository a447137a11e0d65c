import CurricleDatasets
import CurricleDistributed
import CurricleEngine
import CurricleRuntime

extension Ranks {
    /// Checks that all ranks see the same images, by number and names.
    package func agree(on source: any ImageSource) throws(LearningError) {
        try agree("sees", "\(source.count) images")
        try agree("sees the images", RunImages(source).names)
    }

    /// Checks, before anything is written, that all ranks train on the same with the same.
    package func agree(on source: any ImageSource, _ settings: some RunSettings, _ isa: ISA) throws(LearningError) {
        try agree(on: source)
        try agree("has the settings", settings.json)
        try agree(
            "computes with arithmetic", "\(Arithmetic.number), \(isa == .baseline ? "without" : "with") fused multiply-adds")
    }
}
