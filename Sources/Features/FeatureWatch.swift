import CurricleDatasets
import CurricleEngine
import CurricleModels
import CurricleRuntime
import CurricleSettings
import CurricleTensors
import CurricleVision

/// kNN accuracy of an encoder that is being trained, by the reference's protocol: what `curricle knn` gives for its saved weights.
package struct FeatureWatch: Sendable {
    package struct Reading: Sendable, Equatable {
        /// Share of test images whose neighbours' most frequent class is right: by class tokens, and by means of patch tokens.
        package let cls: Double, mean: Double
        /// Test images that were judged: broken ones are left out.
        package let judged: JudgedImages
        /// Training images they were compared with, likewise.
        package let known: Int
        package var images: Int { judged.images }
    }

    /// The reference's k.
    package static let neighbours = 5
    /// Images of either part that are used where there are more, spread evenly over it.
    package static let most = 5000
    package static let batch = 64

    package let training: ImageSelection
    package let test: ImageSelection
    /// How images get the model's size.
    package var preprocessing = Preprocessing.reference
    /// Which pass of a resize comes first.
    package var passOrder = PassOrder.pillow13
    /// Of each test image, its places among the training images: it is no neighbour of itself.
    private let places: [[Int]]

    /// - Parameters training, test: labelled images to compare with, and to judge on.
    /// - Throws: `LearningError.configuration` where labels are missing, the classes differ, or there are too few images.
    package init(training: any ImageSource, test: any ImageSource) throws {
        self.training = ImageSelection(training, most: FeatureWatch.most)
        self.test = ImageSelection(try test.labelled(byNames: training.classNames), most: FeatureWatch.most)
        places = self.test.places(in: self.training)
        for part in [self.training, self.test] {
            guard part.count > 0, (0..<part.count).allSatisfy({ part.label(at: $0) != nil }) else {
                throw LearningError.configuration(
                    "\(part.missingLabels ?? (part.count > 0 ? "\(part.name(at: 0))" : "the data")): \(FeatureWatch.need)")
            }
        }
        guard Set((0..<self.training.count).map { self.training.label(at: $0) }).count > 1 else {
            throw LearningError.configuration(
                "\(.knnEpochs): the training images are of one class, so that whatever is named is right; give \(.knnTraining) a "
                    + "folder whose folders are the classes"
            )
        }
        guard training.count >= FeatureWatch.neighbours else {
            throw LearningError.configuration(
                "\(.knnEpochs) needs at least \(FeatureWatch.neighbours) training images, not \(training.count)")
        }
    }

    /// What to do where the data has no labels or no second part.
    package static let need: Message =
        "\(.knnEpochs) needs labelled images in two parts: give \(.knnTraining, "PATH") and \(.knnTest, "PATH")"

    /// How many images are used, and of how many.
    package var text: String {
        func part(_ images: ImageSelection) -> String {
            images.count == images.source.count ? "\(images.count)" : "\(images.count) of \(images.source.count)"
        }
        let shared = places.count { !$0.isEmpty }
        return "kNN on \(part(test)) test images, against \(part(training))"
            + (shared == 0 ? "" : "; \(shared) of them are training images too: each is left out of its own neighbours")
    }

    /// - Parameters:
    ///   - model: as it is after an epoch; nothing of it changes. Its arena is used, and does not grow where one image fits.
    ///   - isInterrupted: asked between batches.
    ///   - strict: whether to stop at a broken image; else it is left out.
    ///   - report: told of each broken image.
    ///   - progress: images done and images in all.
    /// - Returns: nil where it was interrupted.
    package func look(
        _ model: ModelRuntime, _ normalization: PixelNormalization, isInterrupted: () -> Bool = { false }, strict: Bool = false,
        report: (String) -> Void = { _ in },
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> Reading? {
        let total = training.count + test.count
        guard let known = try features(training, model, normalization, strict, isInterrupted, report, { progress($0, total) }),
            let judged = try features(test, model, normalization, strict, isInterrupted, report, { progress(training.count + $0, total) })
        else { return nil }
        let width = model.configuration.embedWidth
        func accuracy(_ features: KeyPath<Looked, [Float]>) throws -> Double {
            let training = try LabelledFeatures(
                features: known[keyPath: features], width: width, labels: known.labels, samples: known.samples)
            let test = try LabelledFeatures(
                features: judged[keyPath: features], width: width, labels: judged.labels, samples: judged.samples)
            let neighbours = try NearestNeighbours(
                training: training, k: FeatureWatch.neighbours, threads: model.session.threads, isa: model.session.isa)
            return try neighbours.accuracy(on: test, leavingOut: test.rows(of: training, at: places)).top1
        }
        let images = JudgedImages(labels: judged.labels, classes: Set(known.labels + judged.labels).count)
        return Reading(cls: try accuracy(\.cls), mean: try accuracy(\.mean), judged: images, known: known.labels.count)
    }

    /// Features of a part, their labels and images.
    private struct Looked {
        var cls: [Float] = [], mean: [Float] = [], labels: [Int] = [], samples: [Int] = []
    }

    private func features(
        _ images: ImageSelection, _ model: ModelRuntime, _ normalization: PixelNormalization, _ strict: Bool, _ isInterrupted: () -> Bool,
        _ report: (String) -> Void, _ progress: (Int) -> Void
    ) throws -> Looked? {
        let width = model.configuration.embedWidth
        var looked = Looked(), wasInterrupted = false
        looked.cls.reserveCapacity(images.count * width)
        looked.mean.reserveCapacity(images.count * width)
        try model.configuration.forEachBatch(
            of: images, normalization, images: model.featureImages(most: min(FeatureWatch.batch, images.count)),
            preprocessing: preprocessing, passOrder: passOrder, strict: strict,
            report: report
        ) { batch in
            wasInterrupted = isInterrupted()
            if wasInterrupted { return false }
            let executable = try model.features(images: batch.samples.count)
            _ = try model.session.run(executable, [.patches: .memory(UnsafeRawBufferPointer(batch.patches))])
            looked.cls += batch.rows(of: try model.result("cls", of: executable))
            looked.mean += batch.rows(of: try model.result("mean", of: executable))
            looked.labels += batch.images.map { images.label(at: $0.sample) ?? -1 }
            looked.samples += batch.images.map(\.sample)
            progress(looked.labels.count)
            return true
        }
        if wasInterrupted { return nil }
        return looked
    }

    /// Images whose features are compared.
    package var images: Int { training.count + test.count }

    /// Bytes that watching takes beside the arena: features, batches ahead, results, and the blocks of rows whose distances are measured.
    package static func bytes(images: Int, _ m: ModelConfiguration, imageBytes: Int) -> Int {
        let batch = min(batch, images)
        let float = ElementType.float32.bytes
        let features = 2 * images * m.embedWidth * float, ahead = 3 * batch * m.patches * m.patchWidth * float + 2 * imageBytes
        let search = NeighbourSearch.bytes(training: images, test: images, width: m.embedWidth) + images * (neighbours * 16 + 64)
        return features + ahead + 4 * batch * m.embedWidth * float + search
    }
}
