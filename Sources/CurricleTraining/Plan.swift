public import Curricle
internal import CurricleProofs
internal import CurricleRuntime
internal import CurricleTrainer

/// What a pretraining run will take, before it begins.
public struct Plan: Sendable, Equatable {
    /// Images a step.
    public let batchSize: Int
    /// The most bytes of memory that the process will take.
    public let memoryBytes: Int
    /// Floating-point operations a step, the mean of all steps.
    public let operationsPerStep: Double
    /// Steps of the whole run.
    public let steps: Int
    /// Seconds of the whole run, from a short measurement of this machine, without the time to decode images.
    public let seconds: Double

    /// Plans a run. Nothing is trained; a second of matrix products is timed.
    /// - Parameters:
    ///   - recipe: what would be trained, and how long.
    ///   - images: how many there are, from 1.
    ///   - threads: 1…1024; nil for all processors that the process may use.
    /// - Throws: `CurricleError` for a recipe that cannot be computed, or where it does not fit its ``Recipe/memoryLimit``: the least that would
    ///   do is named.
    public init(_ recipe: Recipe, images: Int, threads: Int? = nil) throws(CurricleError) {
        var planned = try recipe.settings(images: images)
        planned.batchSize = min(planned.batchSize, max(1, images))
        let settings = planned, threads = threads ?? Machine.processors
        let (plan, step) = try CurricleError.wrapping {
            let choice = try TrainingPlan.choice(settings, threads: threads, isa: .best, recorded: nil, data: DataMemory())
            let plan = try TrainingPlan(settings, threads: threads, isa: .best, recorded: choice)
            return (plan, try plan.predictedSeconds(settings, threads: threads, isa: .best))
        }
        (batchSize, memoryBytes, operationsPerStep) = (settings.batchSize, plan.residentBytes, plan.flops)
        steps = (max(1, images) + settings.batchSize - 1) / settings.batchSize * settings.schedule.epochs
        seconds = step * Double(steps)
    }
}
