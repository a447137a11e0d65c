import CurricleDatasets
import CurricleEngine
import CurricleModels
import CurricleRuntime
import CurricleTensors
import CurricleVision
import CurricleWeights

/// A fixed handful of images to look at, resized and not augmented: a run's after each epoch, of the data's test part where it
/// has one, else the first of the training images; and those that pictures are drawn of.
package struct HeldImages {
    package let grid: PatchGrid
    /// Dataset indices of the images.
    package let samples: [Int]
    package var count: Int { samples.count }
    /// A line for each image that cannot be read and is left out.
    package let broken: [String]
    private let memory: Memory

    /// The first images that can be read, as many as a few megabytes hold: at least 8 and at most 64. Nil where none can be.
    /// - Parameter strict: whether to stop at a broken image instead of leaving it out.
    package init?(source: any ImageSource, pipeline: ImagePipeline, strict: Bool) throws {
        try self.init(
            source: source, pipeline: pipeline, most: HeldImages.most(values: pipeline.grid.count * pipeline.grid.patchWidth),
            strict: strict)
        if samples.isEmpty { return nil }
    }

    /// The first images of a source as a model takes them.
    /// - Throws: `VisionError` of the first image where none can be read.
    package init(first count: Int, of source: any ImageSource, for description: WeightsDescription) throws {
        let m = description.model
        let grid = try m.grid
        let pipeline = ImagePipeline(grid: grid, augmentation: .none, normalization: description.normalization, seed: 0)
        try self.init(source: source, pipeline: pipeline, most: min(count, source.count))
        guard samples.isEmpty else { return }
        try pipeline.check(source.image(at: 0), name: "\(source.name(at: 0))")
        throw LearningError.configuration("\(source.name(at: 0)): none of the images can be read")
    }

    private init(source: any ImageSource, pipeline: ImagePipeline, most: Int, strict: Bool = false) throws {
        let plain = ImagePipeline(grid: pipeline.grid, augmentation: .none, normalization: pipeline.normalization, seed: pipeline.seed)
        let each = pipeline.grid.count * pipeline.grid.patchWidth
        memory = try Memory(floats: most * each, purpose: "images to look at")
        grid = pipeline.grid
        var samples: [Int] = [], broken: [String] = []
        for index in 0..<min(source.count, 1000 + most) where samples.count < most {
            do {
                let image = try source.image(at: index)
                try plain.check(image, name: "\(source.name(at: index))")
                let place = UnsafeMutableBufferPointer(rebasing: memory.floats[(samples.count * each)..<((samples.count + 1) * each)])
                plain.patches(of: plain.prepared(image, epoch: 0, sample: index), epoch: 0, sample: index, into: place)
                samples.append(index)
            } catch {
                if strict { throw error }
                broken.append("\(error)")
            }
        }
        self.samples = samples
        self.broken = broken
    }

    /// How many images of so many values are looked at.
    private static func most(values: Int) -> Int { max(8, min(64, (4 << 20) / (values * ElementType.float32.bytes))) }

    /// Bytes that looking takes: the images, their predictions as they come and are gathered, and the picture.
    package static func bytes(values: Int) -> Int { 4 * most(values: values) * values * ElementType.float32.bytes }

    /// One image's patches [L, P].
    package func patches(of image: Int) -> [Float] {
        let each = grid.count * grid.patchWidth
        return Array(memory.floats[(image * each)..<((image + 1) * each)])
    }

    /// Calls `body` with the first images, `size` at a time, as patches [images, L, P].
    package func batches(
        images: Int, of size: Int, progress: (Int, Int) -> Void = { _, _ in }, _ body: (Range<Int>, UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let each = grid.count * grid.patchWidth
        for first in stride(from: 0, to: images, by: size) {
            let range = first..<min(images, first + size)
            try body(
                range,
                UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: memory.floats[(range.lowerBound * each)..<(range.upperBound * each)])))
            progress(range.upperBound, images)
        }
    }

    /// What step A makes of the first images.
    package struct Outcome {
        package var scores: [Float] = []
        /// Patches in the order of their scores, or of the random masks, [images, L].
        package var order: [Int] = []
        /// For every patch, [images, L, P].
        package var predictions: [Float] = []
        /// Mean error of the removed patches.
        package var loss = 0.0
        /// L, P, and how many patches are kept.
        package let patches: Int, patchWidth: Int, kept: Int

        package func scores(of image: Int) -> ArraySlice<Float> { scores[(image * patches)..<((image + 1) * patches)] }
        package func visible(of image: Int) -> Set<Int> { Set(order[(image * patches)..<(image * patches + kept)]) }
        package func predictions(of image: Int) -> [Float] {
            Array(predictions[(image * patches * patchWidth)..<((image + 1) * patches * patchWidth)])
        }
    }

    /// Runs step A without an update, on as many images at a time as the arena has room for.
    package func outcome(
        images: Int, _ model: ModelRuntime, _ options: StepOptions, seed: UInt64, progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> Outcome {
        let size = try model.examinedImages(most: min(images, 8), options)
        let orders = try Memory(integers: size * grid.count, purpose: "masks")
        let draws = MaskDraws(model.configuration, maskRatio: options.maskRatio, seed: seed)
        var outcome = Outcome(
            patches: grid.count, patchWidth: grid.patchWidth, kept: model.configuration.kept(maskRatio: options.maskRatio))
        try batches(images: images, of: size, progress: progress) { range, batch in
            let executable = try model.autoencoderStep(images: range.count, options, update: nil, examined: true)
            if options.masking.isGiven {
                let order = draws.orders(options.masking, in: orders, row: 0, samples: Array(samples[range]), epoch: 0)
                _ = try model.session.run(executable, [.patches: .memory(batch), .order: .memory(order)])
                outcome.order += orders.integers.prefix(range.count * grid.count).map(Int.init)
            } else {
                _ = try model.session.run(executable, [.patches: .memory(batch)])
                outcome.scores += try model.result("scores", of: executable)
                outcome.order += try model.session.integerResult(executable.program.result("order"))
            }
            outcome.predictions += try model.result("pred", of: executable)
            outcome.loss += Double(try model.result("losses", of: executable)[0]) * Double(range.count) / Double(images)
        }
        return outcome
    }

    /// Each image's mean error of its removed patches, from what was predicted.
    package func errors(_ outcome: Outcome, normalized: Bool) -> [Double] {
        (0..<(outcome.order.count / grid.count)).map { image in
            var truth = patches(of: image)
            let predicted = outcome.predictions(of: image), visible = outcome.visible(of: image)
            if normalized { _ = truth.withUnsafeMutableBufferPointer { normalizePatches($0, patchWidth: grid.patchWidth) } }
            var sum = 0.0
            for i in truth.indices where !visible.contains(i / grid.patchWidth) {
                let difference = Double(predicted[i]) - Double(truth[i])
                sum += difference * difference
            }
            return sum / Double((grid.count - visible.count) * grid.patchWidth)
        }
    }
}
