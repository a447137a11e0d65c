import CurricleCompiler
import CurricleDatasets
import CurricleEngine
import CurricleFeatures
import Foundation
import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleRuntime
import CurricleStorage
import Synchronization
import CurricleTensors
import CurricleVision

/// How a run saves memory: recorded in its states, so that a resumed run does the same.
package struct MemoryChoice: Sendable, Hashable, Codable {
    /// Images of the pieces that a batch is computed in; nil for whole batches.
    package let pieceImages: Int?
    /// The compiler's limit on the arena: what does not fit is computed a second time.
    package let arenaBytes: Int

    /// Whether a run can do so: a damaged record may say anything.
    var isPossible: Bool { pieceImages ?? 1 >= 1 && arenaBytes >= 0 }
}

/// What the images of a run take beside it, as far as the data decide it.
package struct DataMemory: Sendable {
    /// What reading the largest image takes, of which each worker of the loader holds two.
    package var imageBytes = 0
    /// Names, labels, places and order of the images.
    package var listBytes = 0
    /// Images whose features are compared after an epoch (``FeatureWatch``); 0 for none.
    package var judgedImages = 0
    package init(imageBytes: Int = 0, listBytes: Int = 0, judgedImages: Int = 0) {
        (self.imageBytes, self.listBytes, self.judgedImages) = (imageBytes, listBytes, judgedImages)
    }

    /// - Parameters:
    ///   - sources: all that the run reads, the training images first.
    ///   - looksAtAll: whether each image's header is read, for a limit that is to be kept whatever comes; else those of a few.
    init(_ sources: [any ImageSource], judgedImages: Int, looksAtAll: Bool) {
        self.init(
            imageBytes: sources.map { DataMemory.imageBytes($0, looksAtAll: looksAtAll) }.max() ?? 0,
            listBytes: sources.reduce(0) { $0 + DataMemory.listBytes($1) },
            judgedImages: judgedImages)
    }

    /// What reading the largest of all images takes, or of a few: spread over the source, as sizes often go by folder.
    private static func imageBytes(_ source: any ImageSource, looksAtAll: Bool) -> Int {
        let looks = looksAtAll ? source.count : min(8, source.count)
        return (0..<looks).compactMap { look in
            let index = look * source.count / looks
            return source.bytesToRead(at: index) ?? (try? source.image(at: index).pixels.count)
        }.max() ?? 0
    }

    /// An image's place in the order, label and offset; and where each has a file of its own, that name with what an array costs.
    private static func listBytes(_ source: any ImageSource) -> Int {
        let hasFiles = source.count > 1 && source.file(of: 0) != source.file(of: 1)
        return source.count * (24 + (hasFiles ? 48 + source.name(at: 0).bytes.count : 0))
    }
}

/// What a training run takes, known before it begins: every byte and every FLOP of its joint iteration.
package struct TrainingPlan: Sendable {
    /// Parameters; moments; gradients, where they are stored between programs, with the sums of their groups.
    package let parameterBytes, momentBytes, gradientBytes: Int
    /// One arena for both steps: the larger of the two.
    package let arenaBytes: Int
    /// The most bytes alive at once: no arena can be smaller.
    package let lowerBoundBytes: Int
    /// The arena if nothing were reused.
    package let naiveBytes: Int
    /// The threads' scratch.
    package let workspaceBytes: Int
    /// Batches ready ahead, copies of those that one update needs together, and what pieces of a batch hand on.
    package let loaderBytes: Int
    /// The process besides: its code and libraries as they lie in memory, the data's lists, what decoders, logs and stacks take, two copies
    /// of the largest parameter, which is turned into the files' layout when it is saved, the images that are looked at after an epoch, and
    /// those whose features are judged.
    package let processBytes: Int
    /// Matrix-product FLOPs of the two steps; B's are the mean where it is not done at each.
    package let flopsA, flopsB: Double
    /// Of those, what is computed a second time to save memory.
    package let recomputedFlops: Double
    /// Images of the pieces that a batch is computed in; nil where it is computed whole.
    package let pieceImages: Int?
    /// The programs of a step in the order they first run, and how often it runs each: in the mean of all steps.
    package let programs: [(title: String, program: Program, runs: Double)]

    /// What a run has to know to do as planned.
    package var choice: MemoryChoice { MemoryChoice(pieceImages: pieceImages, arenaBytes: arenaLimit ?? arenaBytes) }
    /// Where the parameters lie.
    let layout: ParameterLayout
    /// The limit that its programs were compiled with.
    private let arenaLimit: Int?
    /// Parameters and moments: what stays whatever the batch.
    package var persistentBytes: Int { parameterBytes + momentBytes + gradientBytes }
    /// The process's peak resident memory.
    package var residentBytes: Int { persistentBytes + arenaBytes + workspaceBytes + loaderBytes + processBytes }
    package var flops: Double { flopsA + flopsB }

    /// Plans a run.
    /// - Parameters:
    ///   - memoryLimit: the most resident bytes. To stay below, the batch is computed in pieces, and parts of the forward
    ///     pass are computed a second time, whichever takes the fewest FLOPs. Pieces decide a run's bits, so which they are
    ///     follows from the settings, the limit and the data alone (``Team/reckoned``); what is computed twice does not, and may
    ///     differ with threads and ISA.
    ///   - cutsPieces: whether a batch may be cut to stay below.
    ///   - recorded: how the run meets its limit already: its pieces stay, and more is computed twice where less fits.
    ///   - ranks: processes that share the run: what the one takes that takes most.
    ///   - data: what the images take beside the run.
    /// - Throws: `LearningError.memory` where nothing fits, naming the least that would; `LearningError.configuration`.
    package init(
        _ settings: PretrainSettings, threads: Int, isa: ISA, memoryLimit: Int? = nil, cutsPieces: Bool = true,
        recorded: MemoryChoice? = nil, ranks: Int = 1,
        data: DataMemory = DataMemory()
    ) throws {
        if let problem = settings.problem { throw LearningError.configuration(problem) }
        let team = Team(threads: threads, isa: isa, ranks: ranks)
        guard let memoryLimit else {
            self = try TrainingPlan(
                settings, team, pieceImages: recorded.map(\.pieceImages) ?? settings.pieceImages, arenaLimit: recorded?.arenaBytes, data)
            return
        }
        let limit = memoryLimit - memoryLimit / 100  // a hundredth for what allocators and pages round up
        // What no way to save memory can do without is known without a plan.
        let parameters = ModelPrograms(settings.model).layout.bytes
        let least = TrainingPlan.aloneBytes + parameters + 2 * settings.moments.bytes(parameters: parameters) / ranks
        guard least <= limit else { throw LearningError.memory(limit: memoryLimit, least: least + least / 50) }
        let told = recorded.map(\.pieceImages) ?? settings.pieceImages
        let pieces =
            try told == nil && recorded == nil && cutsPieces && settings.step.uniformity == 0
            ? TrainingPlan.pieces(settings, limit: limit, data) : told
        let plan = try TrainingPlan(settings, team, pieceImages: pieces, arenaLimit: recorded?.arenaBytes, data)
        guard plan.residentBytes > limit else {
            self = plan
            return
        }
        let rest = plan.residentBytes - plan.arenaBytes
        let tight = try TrainingPlan(settings, team, pieceImages: pieces, arenaLimit: max(0, limit - rest), data)
        guard tight.residentBytes <= limit else {
            throw LearningError.memory(limit: memoryLimit, least: tight.residentBytes + tight.residentBytes / 50)
        }
        self = tight
    }

    /// Images of the pieces that meet a limit with the fewest FLOPs, by a reckoning that no machine changes, or that come nearest to it;
    /// nil for the whole batch.
    private static func pieces(_ settings: PretrainSettings, limit: Int, _ data: DataMemory) throws -> Int? {
        var least: TrainingPlan?, best: TrainingPlan?
        let batch = settings.batchSize
        for count in pieceCounts(images: batch) {
            let pieceImages = count == 1 ? nil : (batch + count - 1) / count
            let plain = try TrainingPlan(settings, .reckoned, pieceImages: pieceImages, arenaLimit: nil, data)
            if plain.residentBytes <= limit {
                // Smaller pieces do the same work: the first that fits as it is ends the search.
                if plain.flops < best?.flops ?? .infinity { best = plain }
                break
            }
            let rest = plain.residentBytes - plain.arenaBytes
            if rest > limit, best != nil { continue }
            let tight = try TrainingPlan(settings, .reckoned, pieceImages: pieceImages, arenaLimit: max(0, limit - rest), data)
            if tight.residentBytes < least?.residentBytes ?? .max { least = tight }
            if tight.residentBytes <= limit, tight.flops < best?.flops ?? .infinity { best = tight }
        }
        return (best ?? least)?.pieceImages
    }

    /// The largest pieces that fit so many bytes where a whole batch does not; nil where none do.
    private static func largestPieces(
        _ settings: PretrainSettings, threads: Int, isa: ISA, within bytes: Int, _ data: DataMemory
    ) throws -> Int? {
        var changed = settings
        for count in pieceCounts(images: settings.batchSize).dropFirst() {
            changed.pieceImages = (settings.batchSize + count - 1) / count
            do throws {
                _ = try TrainingPlan(changed, threads: threads, isa: isa, memoryLimit: bytes, data: data)
                return changed.pieceImages
            } catch let error as LearningError {
                guard case .memory = error else { throw error }
            }
        }
        return nil
    }

    /// How a run keeps to its limit, and to four fifths of what this process may take where there is none or it is higher; nil where
    /// nothing needs to be done for it.
    /// - Parameters:
    ///   - recorded: how it does so already; nil for a run that begins.
    ///   - ranks: processes that share the run.
    ///   - machineBytes: what this process may take.
    /// - Throws: `LearningError.memory`; `LearningError.configuration` naming the largest pieces that fit where the whole batch does not.
    package static func choice(
        _ settings: PretrainSettings, threads: Int, isa: ISA, recorded: MemoryChoice?, ranks: Int = 1, data: DataMemory,
        machineBytes: Int = Machine.memoryBytes
    ) throws -> MemoryChoice? {
        let available = share(of: machineBytes), team = Team(threads: threads, isa: isa, ranks: ranks)
        if let limit = settings.memoryLimit, limit <= available {
            return try recorded.flatMap { try keeps($0, settings, team, data, within: limit) }
                ?? TrainingPlan(settings, threads: threads, isa: isa, memoryLimit: limit, recorded: recorded, ranks: ranks, data: data)
                .choice
        }
        var recorded = recorded
        if let limit = settings.memoryLimit, recorded == nil {  // its pieces are what the limit says
            recorded = try TrainingPlan(settings, threads: threads, isa: isa, memoryLimit: limit, ranks: ranks, data: data).choice
        }
        if let recorded, let kept = try keeps(recorded, settings, team, data, within: available) { return kept }
        do throws {
            let pieces = recorded.map { MemoryChoice(pieceImages: $0.pieceImages, arenaBytes: .max) }
            let plan = try TrainingPlan(
                settings, threads: threads, isa: isa, memoryLimit: available, cutsPieces: false, recorded: pieces, ranks: ranks, data: data)
            return recorded == nil && plan.arenaLimit == nil && plan.pieceImages == nil ? nil : plan.choice
        } catch let error as LearningError {
            guard case .memory(_, let least) = error else { throw error }
            let need =
                "this training takes \(ByteCount.text(least)) at least, and four fifths of what there is are \(ByteCount.text(available))"
            guard settings.pieceImages == nil, recorded == nil, settings.step.uniformity == 0,
                let pieces = try largestPieces(settings, threads: threads, isa: isa, within: available, data)
            else {
                throw LearningError.configuration("\(need): lower \(.batchSize), or choose a smaller model")
            }
            throw LearningError.configuration("\(need): give \(.pieceImages, "\(pieces)"), which fits")
        }
    }

    /// A choice that still fits.
    private static func keeps(
        _ recorded: MemoryChoice, _ settings: PretrainSettings, _ team: Team, _ data: DataMemory, within bytes: Int
    ) throws -> MemoryChoice? {
        let plan = try TrainingPlan(settings, team, pieceImages: recorded.pieceImages, arenaLimit: recorded.arenaBytes, data)
        return plan.residentBytes <= bytes ? recorded : nil
    }

    /// Into how many pieces a batch may be cut.
    private static func pieceCounts(images: Int) -> [Int] {
        var counts = [1, 2, 3, 4, 6, 8, 12]
        while let last = counts.last, last < images { counts.append(last * 4 / 3) }
        return counts.filter { $0 < images } + [images]
    }

    /// Whose scratch and batches are counted.
    struct Team {
        let threads: Int
        let isa: ISA
        /// What scratch is multiplied by.
        var margin = 1
        /// Processes that share the run.
        var ranks = 1
        /// What pieces are chosen by on every machine: four threads, and the kernels that all have, their scratch doubled, since wider ones
        /// take more.
        static let reckoned = Team(threads: 4, isa: .baseline, margin: 2)
    }

    /// The process before it trains: its code and libraries as they lie in memory. Between 24 and 36 MB were measured; a figure of the
    /// moment would make the pieces, and so the bits, a matter of chance.
    private static let startBytes = 40_000_000
    /// Decoders, logs, threads' stacks and the compiler: about the same for every run (measured).
    private static let workingBytes = 14_000_000

    /// Both together.
    static let aloneBytes = startBytes + workingBytes

    /// Four fifths: what a training takes at most of what the process may take.
    static func share(of machineBytes: Int) -> Int { machineBytes / 5 * 4 }

    /// A plan with a given way to save memory.
    /// - Parameter plansMemory: false to take the least that any plan of the arena has for what it has.
    init(
        _ settings: PretrainSettings, _ team: Team, pieceImages: Int?, arenaLimit: Int?, _ data: DataMemory, plansMemory: Bool = true
    ) throws {
        var pipeline = Pipeline()
        pipeline.plansMemory = plansMemory
        var models = ModelPrograms(
            settings.model, precision: settings.precision, moments: settings.moments.element, arenaLimit: arenaLimit, pipeline: pipeline)
        let stores = settings.storesGradients(pieceImages: pieceImages)
        let keys = TrainingPlan.keys(settings, pieceImages: pieceImages)
        var flops: [ParameterGroup: Double] = [:], recomputed = 0.0, programs: [(title: String, program: Program, runs: Double)] = []
        for (group, list) in [(ParameterGroup.autoencoder, keys.autoencoder), (.masker, keys.masker)] {
            for key in list {
                let program = try models.compile(key),
                    times = Double(StepPrograms.repeats(key, images: settings.batchSize, pieceImages: pieceImages))
                flops[group, default: 0] += times * program.flops
                recomputed += times * program.recomputedFlops
                programs.append((key.title, program, times / Double(group == .masker ? settings.maskerEvery : 1)))
            }
        }
        parameterBytes = models.layout.bytes
        let shared = RankMemory(settings, models.layout, ranks: team.ranks)
        momentBytes = shared.momentBytes
        gradientBytes = (stores ? parameterBytes : 0) + shared.sumBytes
        // Features are computed of as many images as the arena has room for, but of one at least.
        let judging =
            try data.judgedImages == 0
            ? [] : [1, min(FeatureWatch.batch, data.judgedImages)].map { try models.compile(.features(images: $0, [.cls, .mean])) }
        arenaBytes = (programs.map(\.program) + judging.prefix(1)).map(\.arenaBytes).max() ?? 0
        lowerBoundBytes = programs.map(\.program.lowerBoundBytes).max() ?? 0
        naiveBytes = programs.map(\.program.naiveBytes).max() ?? 0
        workspaceBytes =
            try team.margin
            * ((programs.map(\.program) + judging).map { try $0.workspaceBytes(threads: team.threads, isa: team.isa) }.max() ?? 0)
        let patches = (settings.leafPieceImages ?? settings.batchSize) * settings.model.patches,
            batch = patches * settings.model.patchWidth * ElementType.float32.bytes
        loaderBytes =
            Pretraining.loaderBytes(batch: batch, threads: team.threads, imageBytes: data.imageBytes)
            + (settings.leaves > 1 ? shared.batches * batch : 0)
            + (pieceImages != nil && !keys.masker.isEmpty && !settings.step.ranks
                ? 4 * (settings.leafPieceImages == nil ? 1 : settings.accumulation) * settings.batchSize * settings.model.patches
                    * ElementType.float32.bytes : 0)
            + shared.batches * TrainingPlan.decisionBytes(settings)
        let largest = models.parameters.parameters.map(\.type.bytes).max() ?? 0
        processBytes =
            TrainingPlan.aloneBytes + shared.engineBytes + data.listBytes + 2 * largest
            + HeldImages.bytes(values: settings.model.patches * settings.model.patchWidth)
            + (data.judgedImages > 0 ? FeatureWatch.bytes(images: data.judgedImages, settings.model, imageBytes: data.imageBytes) : 0)
        flopsA = flops[.autoencoder] ?? 0
        flopsB = (flops[.masker] ?? 0) / Double(settings.maskerEvery)
        recomputedFlops = recomputed
        self.pieceImages = pieceImages
        self.arenaLimit = arenaLimit
        self.programs = programs
        layout = models.layout
    }

    /// What the masks of a batch are decided by beside the scores, and what step A leaves for a masker that ranks.
    private static func decisionBytes(_ settings: PretrainSettings) -> Int {
        let step = settings.step, images = settings.leafPieceImages ?? settings.batchSize, patches = images * settings.model.patches
        let removed = patches - images * settings.model.kept(maskRatio: step.maskRatio)
        let values = (step.masking.isGiven || step.takesNoise ? patches : 0) + (step.ranks ? patches + removed : 0)
        return values * ElementType.float32.bytes
    }

    private static func keys(_ settings: PretrainSettings, pieceImages: Int?) -> StepPrograms {
        let stores = settings.storesGradients(pieceImages: pieceImages)
        return StepPrograms(
            images: settings.batchSize, pieceImages: pieceImages, settings.step,
            update: stores ? .store(adding: false) : .immediate(settings.adamw))
    }

    /// Writes the graph after each pass and the final program, of each program of a step, as text: `1-step-a-01-prune.txt` ….
    /// - Throws: `FileError`.
    package func dump(_ settings: PretrainSettings, to folder: String) throws {
        try makeFolder(folder)
        let keys = TrainingPlan.keys(settings, pieceImages: pieceImages)
        for (number, key) in (keys.autoencoder + keys.masker).enumerated() {
            let texts = Mutex<[(pass: String, text: String)]>([])
            var pipeline = Pipeline()
            pipeline.dump = { pass, text in texts.withLock { $0.append((pass, text)) } }
            var models = ModelPrograms(
                settings.model, precision: settings.precision, moments: settings.moments.element, arenaLimit: arenaLimit, pipeline: pipeline
            )
            _ = try models.compile(key)
            for (index, entry) in texts.withLock({ $0 }).enumerated() {
                let name = "\(number + 1)-\(key.title)-\(index < 9 ? "0" : "")\(index + 1)-\(entry.pass)".lowercased().replacingOccurrences(
                    of: " ", with: "-")
                try DurableFile.write(Array((entry.text + "\n").utf8), to: "\(folder)/\(name).txt")
            }
        }
    }
}
