import Models
import Runtime
import Vision

/// A fixed handful of images that a run looks at after each epoch, resized and not augmented: of the data's test part where it
/// has one, else the first of the training images.
struct HeldImages {
    let grid: PatchGrid
    /// Dataset indices of the images.
    let samples: [Int]
    private let memory: Memory

    /// As many images as a few megabytes hold, at least 8 and at most 64.
    /// Nil where none can be read.
    init?(source: any ImageSource, pipeline: ImagePipeline) throws {
        let plain = ImagePipeline(grid: pipeline.grid, augmentation: .none, normalization: pipeline.normalization, seed: pipeline.seed)
        let each = pipeline.grid.count * pipeline.grid.patchWidth, most = HeldImages.most(values: each)
        memory = try Memory(bytes: most * each * 4, purpose: "images to look at")
        grid = pipeline.grid
        var samples: [Int] = []
        for index in 0..<min(source.count, 1000) where samples.count < most {
            guard let image = try? source.image(at: index), (try? plain.check(image, name: source.name(at: index))) != nil else { continue }
            let place = UnsafeMutableBufferPointer(rebasing: memory.floats[(samples.count * each)..<((samples.count + 1) * each)])
            plain.patches(of: plain.prepared(image, epoch: 0, sample: index), epoch: 0, sample: index, into: place)
            samples.append(index)
        }
        self.samples = samples
        if samples.isEmpty { return nil }
    }

    /// How many images of so many values are looked at.
    private static func most(values: Int) -> Int { max(8, min(64, (4 << 20) / (values * 4))) }

    /// Bytes that looking takes: the images, their predictions as they come and are gathered, and the picture.
    static func bytes(values: Int) -> Int { 4 * most(values: values) * values * 4 }

    /// One image's patches [L, P].
    func patches(of image: Int) -> [Float] {
        let each = grid.count * grid.patchWidth
        return Array(memory.floats[(image * each)..<((image + 1) * each)])
    }

    /// What step A makes of the first images.
    struct Outcome {
        var scores: [Float] = []
        /// Patches in the order of their scores, or of the random masks, [images, L].
        var order: [Int] = []
        /// For every patch, [images, L, P].
        var predictions: [Float] = []
        /// Mean error of the removed patches.
        var loss = 0.0
    }

    /// Runs step A without an update, on as many images at a time as the arena has room for.
    func outcome(images: Int, _ model: ModelRuntime, _ options: StepOptions, seed: UInt64) throws -> Outcome {
        let size = try model.examinedImages(most: min(images, 8), options)
        let orders = try Memory(bytes: size * grid.count * 4, purpose: "masks")
        var outcome = Outcome()
        for first in stride(from: 0, to: images, by: size) {
            let range = first..<min(images, first + size), each = grid.count * grid.patchWidth
            let batch = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: memory.floats[(range.lowerBound * each)..<(range.upperBound * each)]))
            let order = RandomOrders(seed: seed, patches: grid.count).fill(orders, row: 0, samples: Array(samples[range]), epoch: 0)
            let executable = try model.autoencoderStep(images: range.count, options, update: nil, examined: true)
            _ = try model.session.run(executable, batch: batch, order: order)
            outcome.scores += model.result("scores", of: executable)
            outcome.predictions += model.result("pred", of: executable)
            outcome.order += executable.program.result("order").map { model.session.integerResult($0) } ?? orders.integers.prefix(range.count * grid.count).map(Int.init)
            outcome.loss += Double(model.result("losses", of: executable).first ?? .nan) * Double(range.count) / Double(images)
        }
        return outcome
    }
}
