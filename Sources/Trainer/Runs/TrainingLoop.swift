import CurricleDistributed
import CurricleDatasets
import Dispatch
import CurricleEngine
import Foundation
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleVision

/// How a run ended.
package enum RunEnd: Sendable, Equatable { case finished, reachedMaxSteps, interrupted }

typealias LogFields = [(key: String, value: LogValue)]
typealias EventScalars = [(tag: String, value: Float)]

/// What one update did.
struct StepOutcome {
    /// What the epoch's line has the means of; without what was not computed.
    var means: [(name: String, value: Float)]
    /// Of the step's line, behind step and epoch.
    var fields: LogFields
    var scalars: EventScalars
    var images: Int
    var batches: Int
    /// Waiting for data.
    var dataSeconds: Double
    /// Waiting for other ranks; nil where there are none.
    var exchangeSeconds: Double?
    /// A line for each broken image that another stood for.
    var broken: [String]
}

/// What is to be kept of an epoch that has ended.
struct EpochOutcome {
    /// Of the epoch's line, before its times.
    var fields: LogFields = []
    var scalars: EventScalars = []
    /// To be shown and kept.
    var picture: Picture?
}

/// What is trained, and how. ``TrainingLoop`` drives it: clock, log, events, states and interruptions are the same for all.
protocol TrainingRecipe: AnyObject {
    associatedtype RecipeSettings: RunSettings
    var settings: RecipeSettings { get }
    var model: ModelRuntime { get }
    var loader: BatchLoader { get }
    /// Images in all.
    var images: RunImages { get }
    /// How a limit on memory is met; nil where there is none.
    var memoryChoice: MemoryChoice? { get }
    /// How ranks keep the moments; nil where one process does.
    var sharedMoments: SharedMoments? { get }
    /// One update from the loader's next batches. It counts what it leaves out, and updates, in `position`.
    func step(_ position: inout RunPosition, lastState: String?) throws -> StepOutcome
    /// Told after each update, with the times of the epoch so far.
    func stepEnded(_ position: RunPosition, _ outcome: StepOutcome, _ times: EpochTimes, endsEpoch: Bool)
    /// Looks at what the epoch's updates came to.
    /// - Returns: nil where that was interrupted: the epoch is not over, and ends again when the run is resumed.
    func epochEnded(_ position: inout RunPosition, files: RunFiles?, isInterrupted: () -> Bool) throws -> EpochOutcome?
    /// Told once the state after the epoch is kept.
    func epochKept(_ position: RunPosition, _ times: EpochTimes)
}

/// The one loop of pretraining and fine-tuning.
final class TrainingLoop<Recipe: TrainingRecipe> {
    /// Nil where nothing is kept.
    let files: RunFiles?
    var position = RunPosition()
    /// Messages for the user.
    var report: (Message) -> Void = { _ in }
    /// Broken images that were told of: the same one is looked at in every epoch.
    private var reported: Set<Message> = []
    /// The newest state, where this process keeps it, and the position that it holds.
    private var kept: (path: String?, position: RunPosition)?
    /// Held from the beginning to the end of a run: no other process trains in its folder.
    private var lock: FileLock?

    /// The processes that share the run; the first of them keeps, logs and judges it.
    private let ranks: Ranks?
    /// Where the first keeps it.
    private let folder: String?
    /// Broken images of any rank that were said: another epoch may give them to another.
    private var named: Set<String> = []

    init(files: RunFiles?, ranks: Ranks? = nil) {
        self.files = ranks.leads ? files : nil
        self.ranks = ranks
        folder = files?.folder
    }

    /// Begins a run in its folder, unless another process began one there meanwhile.
    /// - Parameter made: a folder in the run's, or that itself.
    /// - Throws: `LearningError.file`, `FileError`.
    func begin(_ recipe: Recipe, in made: String) throws {
        if let files {
            if lock == nil { lock = try files.lock() }
            try files.begin(recipe.settings, in: made)
        }
        ranks?.broadcast(recipe.model.session.parameters)  // once the first has its folder
    }

    /// Goes on from the newest state; false where there is none.
    /// - Throws: `LearningError` where it was made by other settings, data or arithmetic.
    func resume(_ recipe: Recipe) throws -> Bool {
        let found = try resumeHere(recipe)
        guard let ranks else { return found }
        guard try ranks.broadcast(json: found) else { return false }
        position = try ranks.broadcast(json: position)
        kept = (kept?.path, position)
        let session = recipe.model.session
        ranks.broadcast(session.parameters)
        for case let moments? in [session.firstMoments, session.secondMoments] { recipe.sharedMoments?.handOut(moments) }
        return true
    }

    private func resumeHere(_ recipe: Recipe) throws -> Bool {
        guard let files else { return false }
        lock = try files.lock()
        do { return try resume(recipe, from: files) } catch {
            lock = nil
            throw error
        }
    }

    private func resume(_ recipe: Recipe, from files: RunFiles) throws -> Bool {
        let found = try files.load(into: recipe.model, recipe.settings, recipe.images) { path in
            report("\(path) is torn: the state before it is gone on from")
        }
        guard let found else { return false }
        guard found.position.epoch <= recipe.settings.schedule.epochs, found.position.batch <= recipe.loader.batchesPerEpoch else {
            throw LearningError.file(path: found.path, reason: "stands at a place that this run does not have")
        }
        position = found.position
        kept = (found.path, found.position)
        try files.removeStaleTemporaries()
        try files.republish(position, recipe.settings, recipe.model)
        try StepLog.truncate(path: files.log, toLines: position.logLines)
        return true
    }

    /// Trains to the end of the schedule.
    /// - Parameter isInterrupted: asked between steps; true saves the state and ends the run.
    func run(_ recipe: Recipe, isInterrupted: () -> Bool) throws -> RunEnd {
        // All ranks leave after the same step.
        func isToEnd() -> Bool { ranks?.any(isInterrupted()) ?? isInterrupted() }
        defer { lock = nil }
        var records = try Records(files, resuming: position)
        let settings = recipe.settings, batches = recipe.loader.batchesPerEpoch
        while position.epoch < settings.schedule.epochs {
            var times = EpochTimes()
            recipe.loader.start(epoch: position.epoch, fromBatch: position.batch)
            defer { recipe.loader.stop() }
            while position.batch < batches {
                if position.step >= settings.maxSteps ?? .max || isToEnd() {
                    try save(recipe, &records)
                    return position.step >= settings.maxSteps ?? .max ? .reachedMaxSteps : .interrupted
                }
                try step(recipe, &records, &times, endsEpoch: { $0.batch >= batches })
                let isDue = settings.saveEverySteps > 0 && position.step % settings.saveEverySteps == 0
                if isDue, position.batch < batches { try save(recipe, &records) }
            }
            let outcome: EpochOutcome?
            do {
                var ended = position  // a copy: whoever is told meanwhile may ask where the run stands
                outcome = try look(recipe, &ended, isInterrupted)
                position = ended
            } catch {
                // The epoch's work is not lost for what is wrong with an image that it is judged by.
                if (error as? LearningError)?.isFailedCheck != true { try save(recipe, &records) }
                throw error
            }
            guard let outcome else {
                try save(recipe, &records)
                return .interrupted
            }
            try record(outcome, times, recipe, &records)
            position.epoch += 1
            position.batch = 0
            position.means = EpochMeans()
            try save(recipe, &records)
            if let files {
                for path in files.weightsKept(settings, after: position.epoch) { try files.saveWeights(settings, recipe.model, to: path) }
            }
            recipe.epochKept(position, times)
        }
        if kept == nil { try save(recipe, &records) }
        return .finished
    }

    /// What an epoch's updates came to; of several ranks the first one looks for all, and what goes wrong there goes wrong on all.
    private func look(_ recipe: Recipe, _ ended: inout RunPosition, _ isInterrupted: () -> Bool) throws -> EpochOutcome? {
        guard let ranks else { return try recipe.epochEnded(&ended, files: files, isInterrupted: isInterrupted) }
        var found: EpochOutcome?
        do throws {
            found = ranks.leads ? try recipe.epochEnded(&ended, files: files, isInterrupted: isInterrupted) : nil
        } catch {
            _ = try ranks.broadcast(json: (error as? LearningError)?.isFailedCheck == true ? EpochLook.failedCheck : .failed)
            throw error
        }
        switch try ranks.broadcast(json: found == nil ? EpochLook.interrupted : .done) {
        case .done: return found ?? EpochOutcome()
        case .interrupted: return nil
        case .failedCheck: throw LearningError.nonfinite("the first rank cannot go on")
        case .failed: throw LearningError.configuration("the first rank cannot go on")
        }
    }

    /// Tells of a broken image once a run.
    func reportOnce(_ message: Message) {
        if reported.insert(message).inserted { report(message) }
    }

    private func step(_ recipe: Recipe, _ records: inout Records, _ times: inout EpochTimes, endsEpoch: (RunPosition) -> Bool) throws {
        let started = DispatchTime.now().uptimeNanoseconds
        ranks?.note("at step \(position.step + 1): the last state is \(kept?.path ?? "in \(folder ?? "no folder")")")
        var done = position, outcome = try recipe.step(&done, lastState: kept?.path)
        if let ranks { outcome.broken = ranks.gather(lines: outcome.broken).filter { named.insert($0).inserted } }
        position = done
        let seconds = Double(DispatchTime.now().uptimeNanoseconds - started) * 1e-9
        position.step += 1
        position.batch += outcome.batches
        position.means.add(outcome.means)
        times.add(images: outcome.images, dataSeconds: outcome.dataSeconds, exchangeSeconds: outcome.exchangeSeconds, seconds: seconds)
        let place: LogFields = [("step", .integer(position.step)), ("epoch", .integer(position.epoch))]
        for line in outcome.broken {
            reportOnce(Message(line))
            try records.append(place + [("broken_image", .string(line))], &position)
        }
        try records.append(place + outcome.fields, &position)
        try records.scalars(outcome.scalars, step: position.step)
        recipe.stepEnded(position, outcome, times, endsEpoch: endsEpoch(position))
    }

    /// The epoch's line: means, what the recipe says, and behind them what may differ when a run is resumed: times, and the machine they
    /// were taken on.
    private func record(_ outcome: EpochOutcome, _ times: EpochTimes, _ recipe: Recipe, _ records: inout Records) throws {
        let means: LogFields = position.means.all.map { ($0.name, .double($0.mean)) }
        let session = recipe.model.session
        try records.append(
            [("step", .integer(position.step)), ("epoch", .integer(position.epoch))] + means + outcome.fields + [
                ("time_s", .double(times.seconds)), ("data_s", .double(times.dataSeconds))
            ] + (times.exchangeSeconds.map { [("exchange_s", .double($0))] } ?? []) + [
                ("images_per_second", .double(times.imagesPerSecond)),
                ("cpu", .string(Machine.cpu)), ("isa", .string("\(session.isa)")), ("threads", .integer(session.threads)),
                ("version", .string(Machine.version))
            ], &position)
        try records.scalars(outcome.scalars, step: position.step)
        try records.scalars(
            [("perf/images_per_second", Float(times.imagesPerSecond)), ("perf/data_share", Float(times.dataShare))], step: position.step)
        guard let files, let picture = outcome.picture else { return }
        try DurableFile.write(picture.png, to: "\(files.pictures)/epoch-\(String(format: "%04d", position.epoch + 1)).png")
    }

    /// Keeps the state, unless it is kept already.
    private func save(_ recipe: Recipe, _ records: inout Records) throws {
        if kept?.position == position { return }
        try records.flush()
        guard let files else {
            if let shared = recipe.sharedMoments { RunFiles.lend(shared, recipe.model) }
            kept = (nil, position)
            return
        }
        try files.save(position, recipe.settings, recipe.memoryChoice, recipe.images, recipe.model, recipe.sharedMoments)
        kept = (files.state(step: position.step), position)
        do { try files.removeOldStates() } catch { report("\("\(error)")") }
    }
}

/// What became of the first rank's look at an epoch.
private enum EpochLook: Codable { case done, interrupted, failedCheck, failed }

/// Log and events of a run; nothing where nothing is kept.
private struct Records: ~Copyable {
    private var log: StepLog?
    private var events: EventFile?

    init(_ files: RunFiles?, resuming position: RunPosition) throws {
        if let files {
            log = try StepLog(path: files.log)
            events = try EventFile(folder: files.folder, resumingAtStep: position.step > 0 ? position.step : nil)
        } else {
            log = nil
            events = nil
        }
    }

    mutating func append(_ fields: LogFields, _ position: inout RunPosition) throws {
        try log?.append(fields)
        position.logLines += 1
    }
    mutating func scalars(_ scalars: EventScalars, step: Int) throws { try events?.scalars(scalars, step: step) }
    mutating func flush() throws {
        try log?.flush()
        try events?.flush()
    }
}
