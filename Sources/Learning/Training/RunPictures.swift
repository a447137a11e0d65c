import Models
import Runtime
import Vision

/// Masks and reconstructions of a fixed handful of images, drawn the same way at each epoch.
///
/// A row an image: original, masked, reconstruction, reconstruction with the visible patches, and the masker's scores.
/// Of a model that predicts normalised patches, the reconstruction is shown with the true patches' mean and deviation.
struct RunPictures {
    private let grid: PatchGrid
    private let settings: PretrainSettings
    private let samples: [Int]
    private let patches: Memory
    static let most = 8

    /// The first images of the data that can be read, resized and not augmented.
    init?(source: any ImageSource, pipeline: ImagePipeline, settings: PretrainSettings) throws {
        let plain = ImagePipeline(grid: pipeline.grid, augmentation: .none, normalization: pipeline.normalization, seed: pipeline.seed)
        grid = pipeline.grid
        self.settings = settings
        let each = grid.count * grid.patchWidth
        patches = try Memory(bytes: RunPictures.most * each * 4, purpose: "pictures")
        var samples: [Int] = []
        for index in 0..<source.count where samples.count < RunPictures.most {
            guard let image = try? source.image(at: index), (try? plain.check(image, name: source.name(at: index))) != nil else { continue }
            let place = UnsafeMutableBufferPointer(rebasing: patches.floats[(samples.count * each)..<((samples.count + 1) * each)])
            plain.patches(of: plain.prepared(image, epoch: 0, sample: index), epoch: 0, sample: index, into: place)
            samples.append(index)
            if index > 1000 { break }
        }
        self.samples = samples
        if samples.isEmpty { return nil }
    }

    struct Picture {
        let png: [UInt8]
        let height: Int
        let width: Int
    }

    func draw(_ model: ModelRuntime, epoch: Int) throws -> Picture {
        let count = samples.count, each = grid.count * grid.patchWidth
        let kept = settings.model.kept(maskRatio: settings.step.maskRatio)
        let executable = try model.autoencoderStep(images: count, settings.step, update: nil, examined: true)
        let batch = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: patches.floats[0..<(count * each)]))
        let random = try Memory(bytes: count * grid.count * 4, purpose: "masks")
        let order = RandomOrders(seed: settings.seed, patches: grid.count).fill(random, row: 0, samples: samples, epoch: 0)
        _ = try model.session.run(executable, batch: batch, order: order)
        let ranks = executable.program.result("order").map { model.session.integerResult($0) } ?? random.integers.prefix(count * grid.count).map(Int.init)
        let predictions = model.result("pred", of: executable), scores = model.result("scores", of: executable)
        let rows = (0..<count).map { i -> [PixelImage] in
            let truth = Array(patches.floats[(i * each)..<((i + 1) * each)])
            let visible = Set(ranks[(i * grid.count)..<(i * grid.count + kept)])
            var predicted = Array(predictions[(i * each)..<((i + 1) * each)])
            if settings.step.normalizedTargets {
                truth.withUnsafeBufferPointer { t in
                    predicted.withUnsafeMutableBufferPointer {
                        denormalizePatches($0, patchWidth: grid.patchWidth, statistics: PatchStatistics(of: t, patchWidth: grid.patchWidth))
                    }
                }
            }
            let both = zip(truth, predicted).enumerated().map { visible.contains($0.offset / grid.patchWidth) ? $0.element.0 : $0.element.1 }
            var panels = [image(truth), masked(image(truth), visible), image(predicted), image(both)]
            if !scores.isEmpty {
                panels.append(heatmap(values: Array(scores[(i * grid.count)..<((i + 1) * grid.count)]), rows: grid.rows, columns: grid.columns, cell: grid.patchSize))
            }
            return panels
        }
        let factor = max(1, 96 / max(grid.imageHeight, grid.imageWidth))
        let picture = tile(rows.map { $0.map { scaled($0, by: factor) } }, padding: 4)
        return Picture(png: try encodePNG(picture), height: picture.height, width: picture.width)
    }

    private func image(_ patches: [Float]) -> PixelImage {
        patches.withUnsafeBufferPointer { unpatchify($0, grid: grid, normalization: settings.normalization) }
    }

    /// Removed patches in grey.
    private func masked(_ image: PixelImage, _ visible: Set<Int>) -> PixelImage {
        var out = image
        for patch in 0..<grid.count where !visible.contains(patch) {
            for y in 0..<grid.patchSize {
                let row = (patch / grid.columns * grid.patchSize + y) * image.width + patch % grid.columns * grid.patchSize
                for i in (row * image.channels)..<((row + grid.patchSize) * image.channels) { out.pixels[i] = 128 }
            }
        }
        return out
    }
}
