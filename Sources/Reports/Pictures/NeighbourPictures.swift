import CurricleDatasets
import CurricleEngine
import CurricleFeatures
import CurricleModels
import CurricleRuntime
import CurricleVision

/// Images beside those whose features are nearest: what an encoder takes for alike.
package struct NeighbourPictures {
    /// A row an image: the image, and its nearest neighbours among others, nearest first. Where there are labels, neighbours of the
    /// same class have a green frame and others a red one.
    package let picture: Picture
    /// Images that neighbours were looked for among.
    package let compared: Int
    /// Share of the shown neighbours that are of the image's class; nil without labels.
    package let sameClass: Double?
    package static let rows = 8, neighbours = 5
    private static let most = 2000
    /// Pixels of an image's width on the picture.
    private static let widest = 112
    private static let frames: [[UInt8]] = [[209, 73, 91], [58, 157, 93]]

    /// - Parameters:
    ///   - training: where neighbours are looked for, in 2,000 images at most, spread over it.
    ///   - test: where the images are from that they are neighbours of; nil to take them from `training`, each apart from itself.
    ///   - report: told of each broken image, which is left out.
    /// - Throws: `LearningError.configuration` where there are too few images.
    package init(
        _ extractor: FeatureExtractor, training: any ImageSource, test: (any ImageSource)?, report: (String) -> Void = { _ in },
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws {
        let known = ImageSelection(training, most: NeighbourPictures.most),
            queries = ImageSelection(test ?? known, most: NeighbourPictures.rows)
        // An image that is looked for among itself is its own first neighbour.
        let own = test == nil ? 1 : 0
        // Of each row, the image that it is: broken ones have none.
        func features(_ images: ImageSelection, _ done: Int) throws -> (rows: LabelledFeatures, samples: [Int]) {
            let computed = try extractor.compute(images, .mean, 64, nil, strict: false, report) { now, _ in
                progress(done + now, known.count + queries.count)
            }
            let rows = try LabelledFeatures(
                features: computed.features, width: extractor.width(.mean), labels: Array(repeating: 0, count: computed.samples.count))
            return (rows, computed.samples)
        }
        let others = try features(known, 0), asked = try features(queries, known.count)
        let count = min(NeighbourPictures.neighbours, others.samples.count - own)
        guard count > 0 else { throw LearningError.configuration("nearest neighbours need more than \(others.samples.count) images") }
        let found = try NearestNeighbours(training: others.rows, k: count + own, threads: extractor.threads, isa: extractor.isa).neighbours(
            of: asked.rows)
        let grid = try extractor.description.model.grid
        let pipeline = ImagePipeline(grid: grid, augmentation: .none, normalization: extractor.description.normalization, seed: 0),
            sheet = PictureSheet(grid)
        func drawn(_ images: ImageSelection, _ index: Int) throws -> PixelImage {
            narrowed(
                scaled(pipeline.prepared(try images.image(at: index), epoch: 0, sample: index), by: sheet.factor),
                to: NeighbourPictures.widest)
        }
        var same = 0, labelled = 0
        let rows = try asked.samples.enumerated().map { row, query -> [PixelImage] in
            let itself = test == nil ? queries.indices[query] : nil,
                nearest = found[row].map { others.samples[$0] }.filter { $0 != itself }.prefix(count)
            return [try drawn(queries, query)]
                + (try nearest.map { neighbour in
                    let image = try drawn(known, neighbour)
                    guard let label = queries.label(at: query), let other = known.label(at: neighbour) else { return image }
                    labelled += 1
                    same += label == other ? 1 : 0
                    return framed(image, by: max(2, image.height / 32), NeighbourPictures.frames[label == other ? 1 : 0])
                })
        }
        picture = try Picture(tile(rows, padding: PictureSheet.padding))
        compared = others.samples.count
        sameClass = labelled > 0 ? Double(same) / Double(labelled) : nil
    }
}

/// An image with its border painted, as RGB.
private func framed(_ image: PixelImage, by width: Int, _ colour: [UInt8]) -> PixelImage {
    let pixels = (0..<(image.width * image.height)).flatMap { place -> [UInt8] in
        let x = place % image.width, y = place / image.width
        if min(x, y, image.width - 1 - x, image.height - 1 - y) < width { return colour }
        return (0..<3).map { image.pixels[place * image.channels + min($0, image.channels - 1)] }
    }
    return PixelImage(width: image.width, height: image.height, channels: 3, pixels: pixels)
}
