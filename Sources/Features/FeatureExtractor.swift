import CurricleDatasets
import CurricleEngine
import CurricleModels
import CurricleRuntime
import CurricleTensors
import CurricleVision
import CurricleWeights

/// Computes features of whole images (no mask) with an encoder's weights.
package final class FeatureExtractor {
    package let description: WeightsDescription
    /// How images get the model's size.
    package var preprocessing = Preprocessing.reference
    /// Which pass of a resize comes first.
    package var passOrder = PassOrder.pillow13
    package let model: ModelRuntime
    /// Which patches are looked at; nil for all.
    private let keeping: KeptPatches?
    /// Whether the encoder ends with a norm of the mean, for ``Pooling/normalizedMean``, though its file does not say so.
    private let isForNormalizedMean: Bool
    package var threads: Int { model.session.threads }
    package var isa: ISA { model.session.isa }

    /// - Parameters:
    ///   - weights: a file of any layout that ``Checkpoint`` reads.
    ///   - pool: what is wanted: it decides which norm ends the encoder.
    ///   - key: which of several models of the file, see ``Checkpoint``.
    ///   - layer: blocks that tokens pass before the final norm, from 1: what comes behind is not even loaded; nil for all.
    ///   - keeping: which patches of an image are looked at; nil for all.
    package convenience init(
        weights path: String, heads: Int? = nil, imageHeight: Int? = nil, imageWidth: Int? = nil, mean: [Float]? = nil,
        deviation: [Float]? = nil, layer: Int? = nil,
        pool: Pooling? = nil, key: String? = nil, precision: Precision = .float32, keeping: PatchKeeping? = nil, threads: Int, isa: ISA
    ) throws {
        let file = try Checkpoint(path: path, key: key, image: imageHeight.flatMap { height in imageWidth.map { (height, $0) } })
        var description = try WeightsDescription(
            file, heads: heads, imageHeight: imageHeight, imageWidth: imageWidth, mean: mean, deviation: deviation)
        if let layer {
            try description.requireLayer(layer)
            description.model.depth = layer
        }
        if pool == .normalizedMean { description.model.normalizesPooled = true }
        let position = try WeightsFile.encoderPosition(file, description.model)
        let model = try ModelRuntime(
            description.model, parts: keeping?.parts ?? .encoder, precision: precision, encoderPosition: position, trains: false,
            threads: threads, isa: isa)
        try WeightsFile.load(file, into: model, beginsOptional: pool == .normalizedMean, masker: try keeping?.masker())
        self.init(model, description, try keeping?.patches(of: description.model), isForNormalizedMean: pool == .normalizedMean)
    }

    /// With weights that stand in memory already: those of a run that goes on, or fresh ones.
    package convenience init(_ model: ModelRuntime, _ description: WeightsDescription) {
        self.init(model, description, nil, isForNormalizedMean: false)
    }

    private init(_ model: ModelRuntime, _ description: WeightsDescription, _ keeping: KeptPatches?, isForNormalizedMean: Bool) {
        self.model = model
        self.keeping = keeping
        self.description = description
        self.isForNormalizedMean = isForNormalizedMean
    }

    /// Features and labels of all images of a labelled source, in its order.
    /// - Parameters:
    ///   - strict: whether to stop at a broken image; else it is left out, with its label.
    ///   - report: told of each broken image.
    /// - Throws: `LearningError.configuration` where an image has no label.
    package func labelled(
        _ source: any ImageSource, pool: Pooling, batchSize: Int = 64, augmented: FeatureAugmentation? = nil, strict: Bool = false,
        report: (String) -> Void = { _ in }, progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> LabelledFeatures {
        guard (0..<source.count).allSatisfy({ source.label(at: $0) != nil }) else {
            if let reason = source.missingLabels { throw LearningError.configuration("images have no labels: \(reason)") }
            let name = source.count > 0 ? "\(source.name(at: 0))" : "the data"
            throw LearningError.configuration(
                """
                \(name): images have no labels: give a folder per class, a list with classes, shards with .cls members, or a \
                dataset's own label files
                """
            )
        }
        let computed = try compute(source, pool, batchSize, augmented, strict: strict, report, progress)
        return try LabelledFeatures(
            features: computed.features, width: width(pool), labels: computed.samples.map { source.label(at: $0) ?? -1 },
            samples: computed.samples)
    }

    /// Numbers that stand for an image.
    package func width(_ pool: Pooling) -> Int {
        let m = description.model
        return switch pool {
        case .cls, .mean, .normalizedMean: m.embedWidth
        case .clsAndMean: 2 * m.embedWidth
        case .pixels: m.patches * m.patchWidth
        case .colour: ColourHistogram.width(channels: m.channels)
        }
    }

    /// Features [images, width], row-major.
    /// - Throws: the first broken image's `VisionError`: rows are images.
    package func features(
        _ source: any ImageSource, pool: Pooling, batchSize: Int = 64, progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> [Float] {
        try compute(source, pool, batchSize, nil, strict: true, { _ in }, progress).features
    }

    /// Features, and the source's index of each: broken images have none.
    package func compute(
        _ source: any ImageSource, _ pool: Pooling, _ batchSize: Int, _ augmented: FeatureAugmentation?, strict: Bool,
        _ report: (String) -> Void,
        _ progress: (Int, Int) -> Void
    ) throws -> (features: [Float], samples: [Int]) {
        let kind = pool.ofEncoder
        guard kind == nil || (pool == .normalizedMean) == isForNormalizedMean else {
            throw LearningError.configuration("this encoder was not opened for the features \(pool.rawValue)")
        }
        if kind == .cls || kind == .clsAndMean { try description.requireClassToken() }
        let histogram = pool == .colour ? try ColourHistogram(description.normalization, channels: description.model.channels) : nil
        var features: [Float] = [], samples: [Int] = []
        features.reserveCapacity(source.count * width(pool))
        try description.model.forEachBatch(
            of: source, description.normalization, images: batchSize, augmented: augmented, preprocessing: preprocessing,
            passOrder: passOrder, strict: strict, report: report
        ) { batch in
            samples += batch.images.map(\.sample)
            if let kind {
                let executable = try model.features(images: batch.samples.count, [kind], keeping: keeping)
                _ = try model.session.run(executable, [.patches: .memory(UnsafeRawBufferPointer(batch.patches))])
                features += batch.rows(of: try model.result(kind.rawValue, of: executable))
            } else if let histogram {
                features += batch.rows(of: histogram.features(Array(batch.patches), images: batch.samples.count))
            } else {  // pixels
                features += batch.rows(of: Array(batch.patches))
            }
            progress(samples.count, source.count)
            return true
        }
        return (features, samples)
    }

    /// The encoder as a program for `images` images a run.
    /// - Throws: `LearningError.configuration` for sizes that the format does not take.
    package func program(images: Int, pool: FeaturePooling) throws -> EncoderProgram {
        if pool == .cls || pool == .clsAndMean { try description.requireClassToken() }
        if pool == .tokens, keeping != nil {
            throw LearningError.configuration("\(.pool, FeaturePooling.tokens.rawValue) is of all patches: leave out \(.keep)")
        }
        return try EncoderProgram(
            model, normalization: description.normalization, images: images, output: .features(pool), keeping: keeping)
    }
}
