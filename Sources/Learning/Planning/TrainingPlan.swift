import Compiler
import Foundation
import Models
import Program
import Runtime
import Synchronization

/// What a training run takes, known before it begins: every byte and every FLOP of its joint iteration.
public struct TrainingPlan: Sendable {
    /// Parameters; moments; gradients, where they are stored between programs.
    public let parameterBytes, momentBytes, gradientBytes: Int
    /// One arena for both steps: the larger of the two.
    public let arenaBytes: Int
    /// The most bytes alive at once: no arena can be smaller.
    public let lowerBoundBytes: Int
    /// The arena if nothing were reused.
    public let naiveBytes: Int
    /// The threads' scratch.
    public let workspaceBytes: Int
    /// Batches ready ahead, and copies of those that one update needs together.
    public let loaderBytes: Int
    /// The process besides: its code and libraries as they lie in memory now, what decoders, logs and stacks take, and two copies of
    /// the largest parameter, which is turned into the files' layout when it is saved.
    public let processBytes: Int
    /// Matrix-product FLOPs of the two steps.
    public let flopsA, flopsB: Double
    /// Of those, what is computed a second time to save memory.
    public let recomputedFlops: Double
    public let programA: Program
    /// Nil where masks are random: there is no masker to train.
    public let programB: Program?

    /// Parameters and moments: what stays whatever the batch.
    public var persistentBytes: Int { parameterBytes + momentBytes + gradientBytes }
    /// The process's peak resident memory.
    public var residentBytes: Int { persistentBytes + arenaBytes + workspaceBytes + loaderBytes + processBytes }
    public var flops: Double { flopsA + flopsB }

    /// Plans a run.
    /// - Parameter memoryLimit: the most resident bytes; parts of the forward pass are computed a second time to stay below.
    /// - Throws: `LearningError.memory` where nothing fits, naming the least that would; `LearningError.configuration`.
    public init(_ settings: PretrainSettings, threads: Int, isa: ISA, memoryLimit: Int? = nil) throws {
        _ = TrainingPlan.startBytes
        if let problem = settings.problem { throw LearningError.configuration(problem) }
        let plain = try TrainingPlan(settings, threads: threads, isa: isa, arenaLimit: nil)
        guard let memoryLimit, plain.residentBytes > memoryLimit else {
            self = plain
            return
        }
        let tight = try TrainingPlan(settings, threads: threads, isa: isa, arenaLimit: max(0, memoryLimit - (plain.residentBytes - plain.arenaBytes)))
        guard tight.residentBytes <= memoryLimit else { throw LearningError.memory(limit: memoryLimit, least: tight.residentBytes) }
        self = tight
    }

    /// Resident bytes before the first plan was made.
    private static let startBytes = Machine.residentBytes.now
    /// Decoders, logs, threads' stacks and the compiler: about the same for every run (measured).
    private static let workingBytes = 14_000_000

    /// The arena's bytes if a limit on them were given.
    private init(_ settings: PretrainSettings, threads: Int, isa: ISA, arenaLimit: Int?) throws {
        var programs = ModelPrograms(settings.model, arenaLimit: arenaLimit)
        let update: Update = settings.storesGradients ? .store(adding: false) : .immediate(settings.adamw)
        let a = try programs.compile(.autoencoder(images: settings.batchSize, settings.step, update, examined: false))
        let b = settings.step.masking == .learned ? try programs.compile(.masker(images: settings.batchSize, settings.step, update, examined: false)) : nil
        let both = [a] + (b.map { [$0] } ?? [])
        parameterBytes = programs.layout.bytes
        momentBytes = 2 * parameterBytes
        gradientBytes = settings.storesGradients ? parameterBytes : 0
        arenaBytes = both.map(\.arenaBytes).max() ?? 0
        lowerBoundBytes = both.map(\.lowerBoundBytes).max() ?? 0
        naiveBytes = both.map(\.naiveBytes).max() ?? 0
        workspaceBytes = try both.map { try Executable($0).workspaceBytes(threads: threads, isa: isa) }.max() ?? 0
        let batch = settings.batchSize * settings.model.patches * settings.model.patchWidth * 4
        loaderBytes = batch * (Pretraining.batchesAhead(threads: threads) + 1 + (settings.accumulation > 1 ? settings.accumulation : 0))
        let largest = programs.parameters.parameters.map(\.type.bytes).max() ?? 0
        processBytes = TrainingPlan.startBytes + TrainingPlan.workingBytes + 2 * largest
        flopsA = a.flops
        flopsB = b?.flops ?? 0
        recomputedFlops = both.reduce(0) { $0 + $1.recomputedFlops }
        programA = a
        programB = b
    }

    /// Writes the graph after each pass and the final program of each step, as text: `a-01-prune.txt` … `b-07-program.txt`.
    /// - Throws: `LearningError.file`.
    public func dump(_ settings: PretrainSettings, to folder: String) throws {
        do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) } catch {
            throw LearningError.file(path: folder, reason: "cannot be made a folder: \(error.localizedDescription)")
        }
        let update: Update = settings.storesGradients ? .store(adding: false) : .immediate(settings.adamw)
        for (step, key) in [
            ("a", ProgramKey.autoencoder(images: settings.batchSize, settings.step, update, examined: false)),
            ("b", ProgramKey.masker(images: settings.batchSize, settings.step, update, examined: false)),
        ] where step == "a" || programB != nil {
            let texts = Mutex<[(pass: String, text: String)]>([])
            var pipeline = Pipeline()
            pipeline.dump = { pass, text in texts.withLock { $0.append((pass, text)) } }
            var programs = ModelPrograms(settings.model, arenaLimit: recomputedFlops > 0 ? arenaBytes : nil, pipeline: pipeline)
            _ = try programs.compile(key)
            for (index, entry) in texts.withLock({ $0 }).enumerated() {
                let name = "\(step)-\(index < 9 ? "0" : "")\(index + 1)-\(entry.pass.replacingOccurrences(of: " ", with: "-")).txt"
                try DurableFile.write(Array((entry.text + "\n").utf8), to: "\(folder)/\(name)")
            }
        }
    }

    /// The largest batch whose plan stays below so many resident bytes; 0 where not even one image does.
    public static func largestBatch(_ settings: PretrainSettings, threads: Int, isa: ISA, within bytes: Int) throws -> Int {
        func resident(_ images: Int) throws -> Int {
            var changed = settings
            changed.batchSize = images
            return try TrainingPlan(changed, threads: threads, isa: isa).residentBytes
        }
        // Memory grows by the same bytes with each image, or nearly: a line through two batches, then single steps.
        let one = try resident(1), nine = try resident(9), each = max(1, (nine - one) / 8)
        guard one <= bytes else { return 0 }
        var images = min(65536, 1 + (bytes - one) / each)
        while images > 1, try resident(images) > bytes { images -= max(1, images / 100) }
        return images
    }
}
