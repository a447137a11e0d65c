import Engine
import Models
import Runtime
import Settings
import Tensors
import Datasets
import Vision

/// kNN accuracy of an encoder that is being trained, by the reference's protocol: what `curricle knn` gives for its saved weights.
public struct FeatureWatch: Sendable {
    public struct Reading: Sendable, Equatable {
        /// Share of test images whose neighbours' most frequent class is right: by class tokens, and by means of patch tokens.
        public let cls: Double, mean: Double
        /// Test images that were judged, and training images they were compared with: broken ones are left out.
        public let images: Int, known: Int
    }

    /// The reference's k.
    package static let neighbours = 5
    /// Images of either part that are used where there are more, spread evenly over it.
    public static let most = 5000
    package static let batch = 64

    package let training: ImageSubset
    package let test: ImageSubset

    /// - Parameters training, test: labelled images to compare with, and to judge on.
    /// - Throws: `LearningError.configuration` where labels are missing, the classes differ, or there are too few images.
    public init(training: any ImageSource, test: any ImageSource) throws {
        self.training = ImageSubset(training, most: FeatureWatch.most)
        self.test = ImageSubset(try test.labelled(byNames: training.classNames), most: FeatureWatch.most)
        for part in [self.training, self.test] {
            guard part.count > 0, (0..<part.count).allSatisfy({ part.label(at: $0) != nil }) else {
                throw LearningError.configuration("\(part.missingLabels ?? (part.count > 0 ? "\(part.name(at: 0))" : "the data")): \(FeatureWatch.need)")
            }
        }
        guard training.count >= FeatureWatch.neighbours else {
            throw LearningError.configuration("\(.knnEpochs) needs at least \(FeatureWatch.neighbours) training images, not \(training.count)")
        }
    }

    /// What to do where the data has no labels or no second part.
    public static let need: Message = "\(.knnEpochs) needs labelled images in two parts: give \(.knnTraining, "PATH") and \(.knnTest, "PATH")"

    /// How many images are used, and of how many.
    public var text: String {
        func part(_ images: ImageSubset) -> String { images.count == images.all ? "\(images.count)" : "\(images.count) of \(images.all)" }
        return "kNN on \(part(test)) test images, against \(part(training))"
    }

    /// - Parameters:
    ///   - model: as it is after an epoch; nothing of it changes. Its arena is used, and does not grow where one image fits.
    ///   - isInterrupted: asked between batches.
    ///   - strict: whether to stop at a broken image; else it is left out.
    ///   - report: told of each broken image.
    ///   - progress: images done and images in all.
    /// - Returns: nil where it was interrupted.
    package func look(
        _ model: ModelRuntime, _ normalization: PixelNormalization, isInterrupted: () -> Bool = { false }, strict: Bool = false, report: (String) -> Void = { _ in },
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> Reading? {
        let total = training.count + test.count
        guard let known = try features(training, model, normalization, strict, isInterrupted, report, { progress($0, total) }),
            let judged = try features(test, model, normalization, strict, isInterrupted, report, { progress(training.count + $0, total) })
        else { return nil }
        let width = model.configuration.embedWidth
        func accuracy(_ known: [Float], _ knownLabels: [Int], _ judged: [Float], _ judgedLabels: [Int]) throws -> Double {
            let neighbours = try NearestNeighbours(
                training: LabelledFeatures(features: known, width: width, labels: knownLabels), k: FeatureWatch.neighbours,
                threads: model.session.threads, isa: model.session.isa)
            return try neighbours.accuracy(on: LabelledFeatures(features: judged, width: width, labels: judgedLabels)).top1
        }
        return Reading(
            cls: try accuracy(known.cls, known.labels, judged.cls, judged.labels), mean: try accuracy(known.mean, known.labels, judged.mean, judged.labels),
            images: judged.labels.count, known: known.labels.count)
    }

    private func features(
        _ images: ImageSubset, _ model: ModelRuntime, _ normalization: PixelNormalization, _ strict: Bool, _ isInterrupted: () -> Bool,
        _ report: (String) -> Void, _ progress: (Int) -> Void
    ) throws -> (cls: [Float], mean: [Float], labels: [Int])? {
        let width = model.configuration.embedWidth
        var cls: [Float] = [], mean: [Float] = [], labels: [Int] = [], wasInterrupted = false
        cls.reserveCapacity(images.count * width)
        mean.reserveCapacity(images.count * width)
        try model.configuration.forEachBatch(
            of: images, normalization, images: model.featureImages(most: min(FeatureWatch.batch, images.count)), strict: strict, report: report
        ) { batch in
            wasInterrupted = isInterrupted()
            if wasInterrupted { return false }
            let executable = try model.features(images: batch.samples.count)
            _ = try model.session.run(executable, [.patches: .memory(UnsafeRawBufferPointer(batch.patches))])
            cls += batch.rows(of: try model.result("cls", of: executable))
            mean += batch.rows(of: try model.result("mean", of: executable))
            labels += batch.images.map { images.label(at: $0.sample) ?? -1 }
            progress(labels.count)
            return true
        }
        if wasInterrupted { return nil }
        return (cls, mean, labels)
    }

    /// Images whose features are compared.
    public var images: Int { training.count + test.count }

    /// Bytes that watching takes beside the arena: features, batches ahead, results, and the blocks of rows whose distances are measured.
    package static func bytes(images: Int, _ m: ModelConfiguration, imageBytes: Int) -> Int {
        let batch = min(batch, images)
        let float = ElementType.float32.bytes
        let features = 2 * images * m.embedWidth * float, ahead = 3 * batch * m.patches * m.patchWidth * float + 2 * imageBytes
        let search = NeighbourSearch.bytes(training: images, test: images, width: m.embedWidth) + images * (neighbours * 16 + 64)
        return features + ahead + 4 * batch * m.embedWidth * float + search
    }
}
