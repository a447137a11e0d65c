import CurricleDistributed
import CurricleCompiler
import CurricleEngine
import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleRuntime
import CurricleTensors

/// The losses of one joint iteration; what was not computed is nil.
package struct IterationLosses: Sendable, Equatable {
    /// Step A: mean error of the removed patches.
    package var autoencoder: Float?
    /// Of step A's features, where they are kept apart: mean over pairs of images of cos².
    package var uniformity: Float?
    /// Step B: recon, gauss, kl, diversity, total; of a masker that ranks, the mean over pairs of patches.
    package var masker: [Float]?
    /// Mean of the masker's scores.
    package var meanScore: Float?
    /// Steps whose loss was not finite, so that nothing of them was done.
    package var skipped: [ParameterGroup] = []
    /// Norms of the gradients, where they are clipped.
    package var gradientNorms: [ParameterGroup: Float] = [:]
}

extension IterationLosses {
    /// The masker's losses in the order that its programs give them.
    package static let maskerNames = ["recon", "gauss", "kl", "diversity", "total"]
    private static let rankingNames = ["ranking"]

    private var masking: [(name: String, value: Float)] {
        guard let masker else { return [] }
        let names = masker.count == 1 ? IterationLosses.rankingNames : IterationLosses.maskerNames
        return Array(zip(names, masker)).map { ($0.0, $0.1) }
    }

    /// What an epoch's line has the means of.
    var means: [(name: String, value: Float)] {
        (autoencoder.map { [("train_loss", $0)] } ?? []) + (uniformity.map { [("train_uniformity", $0)] } ?? [])
            + masking.filter { $0.name != "total" }.map { ("train_\($0.name)", $0.value) }
            + (meanScore.map { [("train_mean_score", $0)] } ?? [])
    }

    /// Of a step's line.
    var fields: LogFields {
        var fields: LogFields = autoencoder.map { [("loss", .float($0))] } ?? []
        if let uniformity { fields.append(("uniformity", .float(uniformity))) }
        fields += masking.map { ($0.name == "total" ? "masker_total" : $0.name, .float($0.value)) }
        if let meanScore { fields.append(("mean_score", .float(meanScore))) }
        fields += gradientNorms.sorted { $0.key.rawValue < $1.key.rawValue }.map { ("grad_norm_\($0.key.rawValue)", .float($0.value)) }
        if !skipped.isEmpty { fields.append(("skipped", .string(skipped.map(\.rawValue).joined(separator: ",")))) }
        return fields
    }

    /// Of the events.
    var scalars: EventScalars {
        (autoencoder.map { [("train_loss", $0)] } ?? []) + (uniformity.map { [("uniformity", $0)] } ?? [])
            + masking.map { ("masker/\($0.name)", $0.value) }
            + (meanScore.map { [("masker/mean_score", $0)] } ?? [])
    }
}

/// Numbers of one iteration that the schedule decides.
package struct IterationSettings: Sendable, Equatable {
    package var learningRate: Double
    /// λ_cl
    package var curriculum: Double
    /// Of the removed patches, the share that goes by the scores of a masker that ranks, 0 ... 1.
    package var hardShare: Double
    /// Whether step B is done.
    package var trainsMasker: Bool
    package init(learningRate: Double, curriculum: Double, hardShare: Double = 0, trainsMasker: Bool = true) {
        self.learningRate = learningRate
        self.curriculum = curriculum
        self.hardShare = hardShare
        self.trainsMasker = trainsMasker
    }
}

/// Runs joint iterations: step A of a group of batches with its update, then step B with the parameters that A wrote.
package final class JointTrainer {
    package let model: ModelRuntime
    package let options: StepOptions
    /// How gradients become updates, and how many there were.
    var updates: ParameterUpdates
    /// Images of the pieces that a batch is computed in, their gradients added up; nil for whole batches.
    package let pieceImages: Int?
    /// Room for step B of batches in pieces: of one that a process has whole, or of each of an update's.
    private var pieces: [MaskerPieces] = []
    /// What step A leaves for a masker that ranks.
    private var ranking: RankedErrors?
    private let shared: SharedUpdate
    /// Whether the stored gradients hold a part of a batch that was left out, so that no update may use them.
    private var isSpoiled = false

    /// - Parameters:
    ///   - clip: largest norm of a step's gradient; nil for none.
    ///   - accumulates: groups of more than one batch may come; the model must store gradients, as it must for pieces.
    package convenience init(
        model: ModelRuntime, options: StepOptions, adamw: AdamW, clip: Float? = nil, accumulates: Bool = false, pieceImages: Int? = nil
    ) {
        self.init(
            model: model, options: options, adamw: adamw, clip: clip, accumulates: accumulates, pieceImages: pieceImages,
            groups: 1, ranks: nil)
    }

    /// - Parameters:
    ///   - groups: how many groups gradients of batches are added in; of more than one, `accumulates`.
    ///   - ranks: who computes them besides; nil where nobody does.
    package init(
        model: ModelRuntime, options: StepOptions, adamw: AdamW, clip: Float?, accumulates: Bool, pieceImages: Int?, groups: Int,
        ranks: Ranks?
    ) {
        shared = SharedUpdate(groups: groups, ranks: ranks, model: model)
        self.model = model
        self.options = options
        self.pieceImages = pieceImages
        updates = ParameterUpdates(
            adamw, clip: clip, stores: accumulates || clip != nil || pieceImages != nil, moments: model.session.moments,
            groups: [.autoencoder, .masker])
    }

    /// How many of an update's batches this rank computes.
    package func ownBatches(of all: Int) -> Int { shared.own(of: all).count }

    /// Whether a leaf of an epoch's, so many an update, is one that this rank computes.
    func isOwn(batches: Int, leaves: Int) -> @Sendable (_ batch: Int) -> Bool { shared.isOwn(batches: batches, leaves: leaves) }

    /// Seconds that this rank waited for others so far.
    package var waited: Double { shared.waited }

    /// Compiles and prepares everything that batches of this size, the largest to come, need.
    /// - Parameters:
    ///   - batches: how many batches an update has at most on this rank.
    ///   - leafImages: images of its leaves, where those are pieces of batches; `batches` counts them then.
    package func prepare(images: Int, batches: Int = 1, leafImages: Int? = nil) throws {
        try shared.prepare()
        if options.ranks {
            ranking = try RankedErrors(
                images: (leafImages ?? images) * batches, patches: model.configuration.patches,
                removed: model.configuration.patches - model.configuration.kept(maskRatio: options.maskRatio))
        }
        let keys = StepPrograms(images: images, pieceImages: pieceImages, options, update: updates.update(adding: false))
        for key in keys.autoencoder + keys.masker { _ = try model.executable(key) }
        if pieceImages != nil, leafImages == nil, !options.masking.isGiven, !options.ranks { _ = try pieces(1, images: images) }
    }

    /// One joint iteration on a group of batches.
    /// - Parameters:
    ///   - own: the leaves of this rank.
    ///   - shape: the update's, on all ranks; nil for these as batches.
    ///   - mayContinue: called where a loss is not finite, with the step's group: false ends the iteration there.
    package func iterate(
        _ own: [TrainingBatch], of shape: UpdateShape? = nil, _ settings: IterationSettings,
        mayContinue: (ParameterGroup) -> Bool = { _ in false }
    ) throws -> IterationLosses {
        let shape = shape ?? UpdateShape(batches: own.map(\.images))
        var losses = IterationLosses()
        ranking?.clear()
        defer { shared.settle() }  // whoever looks at the weights then finds them whole
        let a = try half(.autoencoder, own, of: shape, settings, &losses, mayContinue)
        losses.autoencoder = a.map { $0[0] }
        if losses.skipped.contains(.autoencoder), a == nil, !mayContinue(.autoencoder) { return losses }
        if !options.masking.isGiven, settings.trainsMasker {
            losses.masker = try half(.masker, own, of: shape, settings, &losses, mayContinue)
        }
        return losses
    }

    /// One half on all batches, then its update; returns the losses' mean over the batches that were finite.
    private func half(
        _ group: ParameterGroup, _ own: [TrainingBatch], of shape: UpdateShape, _ settings: IterationSettings,
        _ losses: inout IterationLosses,
        _ mayContinue: (ParameterGroup) -> Bool
    ) throws -> [Float]? {
        var first = 0
        let leaves = shape.leaves, firstOwn = shared.own(of: leaves.count).lowerBound
        let cut = group == .masker && shape.cutsBatches && !options.ranks ? try cutBatches(own, shape, settings) : nil
        let reports = try shared.compute(group, of: leaves.count, LeafReport()) { index, adding in
            let batch = own[index], leaf = leaves[firstOwn + index]
            defer { first += batch.images }
            isSpoiled = false
            let done =
                switch group {
                case .autoencoder: try autoencoder(batch, of: shape.batches[leaf.batch], settings, adding: adding, first: first)
                default: try masker(batch, leaf, of: shape.batches[leaf.batch], cut, settings, adding: adding, first: first)
                }
            guard let done else {
                // A batch that lacks a piece is no batch.
                let outcome = isSpoiled || shape.cutsBatches ? LeafReport.Outcome.spoiled : .skipped
                return SharedUpdate.Leaf(report: LeafReport(outcome: outcome), isStored: false, endsUpdate: !mayContinue(group))
            }
            return SharedUpdate.Leaf(report: LeafReport(done), isStored: true)
        }
        var sums: [Float] = [], scores: Float = 0, count = 0, uniformity: Float = 0
        for report in reports {
            guard report.outcome == .done else {
                losses.skipped.append(group)
                if mayContinue(group) { continue }
                shared.drop()
                return nil
            }
            sums = sums.isEmpty ? report.numbers : zip(sums, report.numbers).map { $0 + $1 }
            scores += report.meanScore
            uniformity += report.uniformity
            count += 1
        }
        guard count > 0, !reports.contains(where: { $0.outcome == .spoiled }) else {
            shared.drop()
            return nil
        }
        if shape.cutsBatches { count = shape.batches.count }  // losses and gradients of pieces count what they are of theirs
        let norm = try shared.finish(group, &updates, rate: settings.learningRate, batches: count)
        if let norm { losses.gradientNorms[group] = norm }
        if group == .masker { losses.meanScore = scores / Float(count) }
        if group == .autoencoder, options.uniformity > 0 { losses.uniformity = uniformity / Float(count) }
        return sums.map { $0 / Float(count) }
    }

    /// What became of a batch, as ranks tell each other.
    private struct LeafReport: BitwiseCopyable {
        enum Outcome: Int32, BitwiseCopyable { case notDone, done, skipped, spoiled }
        private static let most = 5
        let outcome: Outcome
        private var count: Int32 = 0
        private var values: (Float, Float, Float, Float, Float) = (0, 0, 0, 0, 0)
        var meanScore: Float = 0
        var uniformity: Float = 0

        init(outcome: Outcome = .notDone) { self.outcome = outcome }
        init(_ done: Done) {
            outcome = .done
            count = Int32(done.losses.count)
            (meanScore, uniformity) = (done.meanScore, done.uniformity)
            let padded = done.losses + Array(repeating: 0, count: LeafReport.most - done.losses.count)
            values = (padded[0], padded[1], padded[2], padded[3], padded[4])
        }
        /// The losses.
        var numbers: [Float] { Array([values.0, values.1, values.2, values.3, values.4].prefix(Int(count))) }
    }

    private struct Done {
        var losses: [Float]
        var meanScore: Float = 0
        var uniformity: Float = 0
    }

    /// A step of a batch, whole or piece by piece, where no loss couples the pieces; nil where a loss is not finite.
    /// - Parameters:
    ///   - whole: images of the batch, where this is a piece of it.
    ///   - executable: of so many images, whose losses count `weight`.
    ///   - inputs: what a piece is given beside its patches and what the update takes.
    ///   - finished: told of each piece's results.
    private func pieceByPiece(
        _ group: ParameterGroup, _ batch: TrainingBatch, of whole: Int, _ settings: IterationSettings, adding: Bool,
        executable: (_ images: Int, _ update: Update, _ weight: Float) throws -> Executable,
        inputs: (TrainingBatch.Piece) -> RunInputs,
        finished: (Executable, TrainingBatch.Piece, _ weight: Float, inout Done) throws -> Void
    ) throws -> Done? {
        var done = Done(losses: [0])
        for piece in batch.pieces(of: pieceImages) {
            let weight = Float(piece.images) / Float(whole)
            let executable = try executable(piece.images, updates.update(adding: adding || piece.first > 0), weight)
            var given = inputs(piece)
            given[.patches] = .memory(piece.patches)
            try updates.complete(&given, group, rate: settings.learningRate)
            guard try shared.run(executable, given, isLast: piece.first + piece.images == batch.images) == .done else {
                isSpoiled = isSpoiled || piece.first > 0
                return nil
            }
            done.losses[0] += weight * (try model.result("losses", of: executable)[0])
            try finished(executable, piece, weight, &done)
        }
        return done
    }

    /// Step A of a leaf; nil where a loss is not finite.
    /// - Parameters:
    ///   - whole: images of its batch.
    ///   - first: the place of its first image among this process's of the update.
    private func autoencoder(_ batch: TrainingBatch, of whole: Int, _ settings: IterationSettings, adding: Bool, first: Int) throws -> Done?
    {
        let done = try pieceByPiece(.autoencoder, batch, of: whole, settings, adding: adding) { images, update, weight in
            try model.autoencoderStep(images: images, options, update: update, weight: weight)
        } inputs: { piece in
            var inputs: RunInputs = [:]
            if let decision = piece.decision { inputs[decision.input] = .memory(decision.memory) }
            if options.ranks { inputs[.hardShare] = .numbers([Float(settings.hardShare)]) }
            return inputs
        } finished: { executable, piece, weight, done in
            if options.uniformity > 0 { done.uniformity += weight * (try model.result("uniformity", of: executable)[0]) }
            try ranking?.keep(model, executable, at: first + piece.first)
        }
        if done != nil { ranking?.complete(batchAt: first) }
        return done
    }

    /// Step B of a leaf.
    /// - Parameter cut: the losses of each batch, where the leaf is a piece of one.
    private func masker(
        _ batch: TrainingBatch, _ leaf: UpdateShape.Leaf, of whole: Int, _ cut: [MaskerPieces.Losses?]?, _ settings: IterationSettings,
        adding: Bool, first: Int
    ) throws -> Done? {
        if options.ranks { return try rankingMasker(batch, of: whole, settings, adding: adding, first: first) }
        if let cut {
            guard let losses = cut[leaf.batch] else { return nil }
            for piece in batch.pieces(of: nil) {
                let step = try pieces[leaf.batch].backward(piece, at: leaf.images, adding: adding)
                guard try shared.run(step.executable, step.inputs) == .done else { return nil }
            }
            // The batch's losses are told of once, with its first piece.
            return leaf.images.lowerBound == 0
                ? Done(losses: losses.losses, meanScore: losses.meanScore) : Done(losses: losses.losses.map { _ in 0 })
        }
        if let pieceImages {
            shared.settle()
            let room = try pieces(1, images: batch.images)[0], all = batch.pieces(of: pieceImages)
            guard let losses = try room.losses(of: all, in: batch.images, curriculum: Float(settings.curriculum)) else { return nil }
            for piece in all {
                let images = piece.first..<(piece.first + piece.images)
                let step = try room.backward(piece, at: images, adding: adding || piece.first > 0)
                guard try shared.run(step.executable, step.inputs, isLast: images.upperBound == batch.images) == .done else { return nil }
            }
            return Done(losses: losses.losses, meanScore: losses.meanScore)
        }
        let executable = try model.maskerStep(images: batch.images, options, update: updates.update(adding: adding))
        var inputs: RunInputs = [.patches: .memory(batch.patches), .curriculum: .numbers([Float(settings.curriculum)])]
        try updates.complete(&inputs, .masker, rate: settings.learningRate)
        guard try shared.run(executable, inputs) == .done else { return nil }
        let scores = try model.result("scores", of: executable)
        return Done(losses: try model.result("losses", of: executable), meanScore: scores.reduce(0, +) / Float(scores.count))
    }

    /// The losses of batches whose pieces are on several ranks, and the gradients that reach their scores; nil for a batch where one is not finite.
    private func cutBatches(
        _ own: [TrainingBatch], _ shape: UpdateShape, _ settings: IterationSettings
    ) throws -> [MaskerPieces.Losses?] {
        shared.settle()
        let mine = shared.own(of: shape.leaves.count), rooms = try pieces(shape.batches.count, images: shape.batches.max() ?? 1)
        return try shape.batches.indices.map { batch in
            let all = shape.leaves.indices.filter { shape.leaves[$0].batch == batch }
            let here = all.filter(mine.contains).flatMap { leaf in
                own[leaf - mine.lowerBound].pieces(of: nil).map { $0.moved(to: shape.leaves[leaf].images.lowerBound) }
            }
            let ranges = all.map { (leaf: $0, images: shape.leaves[$0].images) }
            return try rooms[batch].losses(
                of: here, in: shape.batches[batch], curriculum: Float(settings.curriculum),
                complete: { memory, values in
                    shared.complete(
                        memory, ranges.map { ($0.leaf, ($0.images.lowerBound * values)..<($0.images.upperBound * values)) },
                        of: shape.leaves.count)
                }, anywhere: { shared.ranks?.any($0) ?? $0 })
        }
    }

    /// Step B of a batch for a masker that ranks, from what step A left; no loss couples images, so that pieces are added up as step A's are.
    private func rankingMasker(
        _ batch: TrainingBatch, of whole: Int, _ settings: IterationSettings, adding: Bool, first: Int
    ) throws -> Done? {
        guard let ranking else { throw GraphError(operation: "step B", problem: "the trainer was not prepared") }
        guard ranking.isComplete(batchAt: first) else { return nil }
        return try pieceByPiece(.masker, batch, of: whole, settings, adding: adding) { images, update, weight in
            try model.executable(.ranking(images: images, options, update, weight: weight))
        } inputs: { piece in
            ranking.inputs(images: piece.images, at: first + piece.first)
        } finished: { executable, _, weight, done in
            let scores = try model.result("scores", of: executable)
            done.meanScore += weight * scores.reduce(0, +) / Float(scores.count)
        }
    }

    /// Room for step B of batches in pieces; made anew where it is too small.
    private func pieces(_ count: Int, images: Int) throws -> [MaskerPieces] {
        if pieces.count < count || pieces.contains(where: { $0.most < images }) {
            pieces = try (0..<count).map { _ in try MaskerPieces(model, options, most: images) }
        }
        return pieces
    }
}
