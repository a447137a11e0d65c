import Compiler
import Engine
import Features
import Foundation
import Graph
import Models
import Program
import Runtime
import Storage
import Synchronization
import Tensors

/// How a run saves memory: recorded in its states, so that a resumed run does the same.
public struct MemoryChoice: Sendable, Hashable, Codable {
    /// Images of the pieces that a batch is computed in; nil for whole batches.
    public let pieceImages: Int?
    /// The compiler's limit on the arena: what does not fit is computed a second time.
    public let arenaBytes: Int

    /// Whether a run can do so: a damaged record may say anything.
    var isPossible: Bool { pieceImages ?? 1 >= 1 && arenaBytes >= 0 }
}

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
    /// Batches ready ahead, copies of those that one update needs together, and what pieces of a batch hand on.
    public let loaderBytes: Int
    /// The process besides: its code and libraries as they lie in memory now, what decoders, logs and stacks take, two copies of
    /// the largest parameter, which is turned into the files' layout when it is saved, the images that are looked at after an epoch, and those whose features are judged.
    public let processBytes: Int
    /// Matrix-product FLOPs of the two steps.
    public let flopsA, flopsB: Double
    /// Of those, what is computed a second time to save memory.
    public let recomputedFlops: Double
    /// Images of the pieces that a batch is computed in; nil where it is computed whole.
    public let pieceImages: Int?
    /// The programs of a step in the order they first run.
    public let programs: [(title: String, program: Program)]

    /// What a run has to know to do as planned.
    public var choice: MemoryChoice { MemoryChoice(pieceImages: pieceImages, arenaBytes: arenaLimit ?? arenaBytes) }
    /// The limit that its programs were compiled with.
    private let arenaLimit: Int?
    /// Parameters and moments: what stays whatever the batch.
    public var persistentBytes: Int { parameterBytes + momentBytes + gradientBytes }
    /// The process's peak resident memory.
    public var residentBytes: Int { persistentBytes + arenaBytes + workspaceBytes + loaderBytes + processBytes }
    public var flops: Double { flopsA + flopsB }

    /// Plans a run.
    /// - Parameters:
    ///   - memoryLimit: the most resident bytes. To stay below, the batch is computed in pieces, and parts of the forward
    ///     pass are computed a second time, whichever takes the fewest FLOPs.
    /// - Throws: `LearningError.memory` where nothing fits, naming the least that would; `LearningError.configuration`.
    ///   - imageBytes: of the largest image as it is decoded, of which each worker of the loader holds two.
    ///   - judgedImages: whose features are compared after an epoch (``FeatureWatch``); 0 for none.
    public init(_ settings: PretrainSettings, threads: Int, isa: ISA, memoryLimit: Int? = nil, imageBytes: Int = 0, judgedImages: Int = 0) throws {
        _ = TrainingPlan.startBytes
        if let problem = settings.problem { throw LearningError.configuration(problem) }
        var least = Int.max, best: TrainingPlan?
        let limit = memoryLimit.map { $0 - $0 / 100 } // a hundredth for what allocators and pages round up
        let batch = settings.batchSize
        let sizes = settings.pieceImages.map { [$0] } ?? TrainingPlan.pieceCounts(images: batch).map { $0 == 1 ? nil : (batch + $0 - 1) / $0 }
        for pieceImages in sizes {
            let plain = try TrainingPlan(settings, threads: threads, isa: isa, pieceImages: pieceImages, arenaLimit: nil, imageBytes: imageBytes, judgedImages: judgedImages)
            guard let limit, plain.residentBytes > limit else {
                // Smaller pieces do the same work: the first that fits as it is ends the search.
                if plain.flops < best?.flops ?? .infinity { best = plain }
                break
            }
            let rest = plain.residentBytes - plain.arenaBytes
            if rest > limit, best != nil { continue }
            let tight = try TrainingPlan(
                settings, threads: threads, isa: isa, pieceImages: pieceImages, arenaLimit: max(0, limit - rest), imageBytes: imageBytes, judgedImages: judgedImages)
            least = min(least, tight.residentBytes)
            if tight.residentBytes <= limit, tight.flops < best?.flops ?? .infinity { best = tight }
        }
        guard let best else { throw LearningError.memory(limit: memoryLimit ?? 0, least: least + least / 50) }
        self = best
    }

    /// Into how many pieces a batch may be cut.
    private static func pieceCounts(images: Int) -> [Int] {
        var counts = [1, 2, 3, 4, 6, 8, 12]
        while let last = counts.last, last < images { counts.append(last * 4 / 3) }
        return counts.filter { $0 < images } + [images]
    }

    /// Resident bytes before the first plan was made.
    private static let startBytes = Machine.residentBytes.now
    /// Decoders, logs, threads' stacks and the compiler: about the same for every run (measured).
    private static let workingBytes = 14_000_000

    /// A plan with a given way to save memory.
    /// - Parameter plansMemory: false to take the least that any plan of the arena has for what it has.
    init(
        _ settings: PretrainSettings, threads: Int, isa: ISA, pieceImages: Int?, arenaLimit: Int?, imageBytes: Int, judgedImages: Int,
        plansMemory: Bool = true
    ) throws {
        var pipeline = Pipeline()
        pipeline.plansMemory = plansMemory
        var models = ModelPrograms(settings.model, arenaLimit: arenaLimit, pipeline: pipeline)
        let stores = settings.storesGradients(pieceImages: pieceImages)
        let keys = TrainingPlan.keys(settings, pieceImages: pieceImages)
        var flops: [ParameterGroup: Double] = [:], recomputed = 0.0, programs: [(title: String, program: Program)] = []
        for (group, list) in [(ParameterGroup.autoencoder, keys.autoencoder), (.masker, keys.masker)] {
            for key in list {
                let program = try models.compile(key), times = Double(StepPrograms.repeats(key, images: settings.batchSize, pieceImages: pieceImages))
                flops[group, default: 0] += times * program.flops
                recomputed += times * program.recomputedFlops
                programs.append((key.title, program))
            }
        }
        parameterBytes = models.layout.bytes
        momentBytes = 2 * parameterBytes
        gradientBytes = stores ? parameterBytes : 0
        // Features are computed of as many images as the arena has room for, but of one at least.
        let judging = try judgedImages == 0 ? [] : [1, min(FeatureWatch.batch, judgedImages)].map { try models.compile(.features(images: $0, [.cls, .mean])) }
        arenaBytes = (programs.map(\.program) + judging.prefix(1)).map(\.arenaBytes).max() ?? 0
        lowerBoundBytes = programs.map(\.program.lowerBoundBytes).max() ?? 0
        naiveBytes = programs.map(\.program.naiveBytes).max() ?? 0
        workspaceBytes = try (programs.map(\.program) + judging).map { try $0.workspaceBytes(threads: threads, isa: isa) }.max() ?? 0
        let patches = settings.batchSize * settings.model.patches, batch = patches * settings.model.patchWidth * ElementType.float32.bytes
        loaderBytes = batch * (Pretraining.batchesAhead(threads: threads) + 1 + (settings.accumulation > 1 ? settings.accumulation : 0))
            + (pieceImages != nil && !keys.masker.isEmpty ? 4 * patches * ElementType.float32.bytes : 0) + Pretraining.loaderWorkers(threads: threads) * 2 * imageBytes
        let largest = models.parameters.parameters.map(\.type.bytes).max() ?? 0
        processBytes = TrainingPlan.startBytes + TrainingPlan.workingBytes + 2 * largest
            + HeldImages.bytes(values: settings.model.patches * settings.model.patchWidth)
            + (judgedImages > 0 ? FeatureWatch.bytes(images: judgedImages, settings.model, imageBytes: imageBytes) : 0)
        flopsA = flops[.autoencoder] ?? 0
        flopsB = flops[.masker] ?? 0
        recomputedFlops = recomputed
        self.pieceImages = pieceImages
        self.arenaLimit = arenaLimit
        self.programs = programs
    }

    private static func keys(_ settings: PretrainSettings, pieceImages: Int?) -> StepPrograms {
        let stores = settings.storesGradients(pieceImages: pieceImages)
        return StepPrograms(
            images: settings.batchSize, pieceImages: pieceImages, settings.step, update: stores ? .store(adding: false) : .immediate(settings.adamw))
    }

    /// Writes the graph after each pass and the final program, of each program of a step, as text: `1-step-a-01-prune.txt` ….
    /// - Throws: `LearningError.file`.
    public func dump(_ settings: PretrainSettings, to folder: String) throws {
        do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) } catch {
            throw LearningError.file(path: folder, reason: "cannot be made a folder: \(error.localizedDescription)")
        }
        let keys = TrainingPlan.keys(settings, pieceImages: pieceImages)
        for (number, key) in (keys.autoencoder + keys.masker).enumerated() {
            let texts = Mutex<[(pass: String, text: String)]>([])
            var pipeline = Pipeline()
            pipeline.dump = { pass, text in texts.withLock { $0.append((pass, text)) } }
            var models = ModelPrograms(settings.model, arenaLimit: arenaLimit, pipeline: pipeline)
            _ = try models.compile(key)
            for (index, entry) in texts.withLock({ $0 }).enumerated() {
                let name = "\(number + 1)-\(key.title)-\(index < 9 ? "0" : "")\(index + 1)-\(entry.pass)".lowercased().replacingOccurrences(of: " ", with: "-")
                try DurableFile.write(Array((entry.text + "\n").utf8), to: "\(folder)/\(name).txt")
            }
        }
    }
}
