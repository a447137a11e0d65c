internal import CurricleFeatures
internal import Foundation
package import CurricleModels
internal import CurricleRuntime
internal import CurricleWeights

/// What stands for an image.
public enum FeatureKind: Sendable, Hashable, CaseIterable {
    /// The class token after the final norm: D numbers.
    case classToken
    /// The mean of the patch tokens after the final norm: D numbers. The better one for masked autoencoders.
    case mean
    /// Both, the class token first: 2·D numbers.
    case classTokenAndMean

    package var pooling: FeaturePooling {
        switch self {
        case .classToken: .cls
        case .mean: .mean
        case .classTokenAndMean: .clsAndMean
        }
    }
}

/// An encoder, compiled for this machine. It may be used from several threads; calls wait for one another.
///
/// Features are the same bits for any number of threads, on every CPU with fused multiply-adds, and those of `curricle extract`.
public final class ImageEncoder: Sendable {
    /// Of what it was made.
    public let weights: EncoderWeights
    /// What its features are.
    public let kind: FeatureKind
    /// Numbers of an image's features.
    public let width: Int
    /// Pixels, height and width of the images that go in.
    public let imageSize: (height: Int, width: Int)
    /// Of the images that go in: 1 for grey, 3 for colour.
    public let channels: Int

    private let lock = NSLock()
    // Both hold an arena and are used under the lock alone.
    nonisolated(unsafe) private let program: ProgramFile
    private static let batch = 16

    /// Reads the weights and compiles the encoder.
    /// - Parameters:
    ///   - weights: of any layout.
    ///   - kind: what features are.
    ///   - imageSize: pixels, height and width, multiples of the patch; nil for the weights' own. Positions are interpolated.
    ///   - threads: 1…256; nil for all processors that the process may use.
    /// - Throws: ``CurricleError`` where the weights are not whole, or memory is lacking.
    public init(
        _ weights: EncoderWeights, kind: FeatureKind = .mean, imageSize: (height: Int, width: Int)? = nil, threads: Int? = nil
    ) throws(CurricleError) {
        (self.weights, self.kind) = (weights, kind)
        program = try CurricleError.wrapping {
            let extractor = try FeatureExtractor(
                weights: weights.path, heads: weights.heads, imageHeight: imageSize?.height, imageWidth: imageSize?.width, key: weights.key,
                threads: 1,
                isa: .best)
            return try extractor.program(images: ImageEncoder.batch, pool: kind.pooling).opened(
                as: weights.path, threads: threads ?? min(256, Machine.processors))
        }
        let shape = program.encoder.shape
        (width, channels, self.imageSize) = (shape.rowWidth, shape.channels, (shape.height, shape.width))
    }

    /// Features of images, each made the encoder's size as for evaluation: the shorter side resized, the centre cropped.
    /// - Parameters:
    ///   - images: what is looked at, in this order.
    ///   - progress: told images done, of all.
    /// - Throws: ``CurricleError`` naming the first image that cannot be read: rows are images.
    public func features(
        of images: Images, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws(CurricleError) -> ImageFeatures {
        try CurricleError.wrapping {
            var values: [Float] = []
            values.reserveCapacity(images.count * width)
            try lock.withLock {
                try ProgramExtraction(program).run(images.source(channels: channels)) { range, rows in
                    values += rows
                    progress(range.upperBound, images.count)
                }
            }
            return ImageFeatures(values, width: width)
        }
    }

    /// Features of pictures in memory that have the encoder's size already.
    /// - Parameter pixels: bytes [count, height, width, channels], packed.
    /// - Throws: ``CurricleError`` where they are no whole number of images.
    public func features(ofPixels pixels: [UInt8]) throws(CurricleError) -> ImageFeatures {
        let each = imageSize.height * imageSize.width * channels
        guard pixels.count % each == 0 else {
            throw CurricleError("\(pixels.count) bytes are no whole number of images of \(imageSize.height)×\(imageSize.width)×\(channels)")
        }
        return try CurricleError.wrapping {
            let count = pixels.count / each, batch = ImageEncoder.batch
            var values: [Float] = []
            var input = [UInt8](repeating: 0, count: batch * each), output = [Float](repeating: 0, count: batch * width)
            for first in stride(from: 0, to: count, by: batch) {
                let here = min(batch, count - first)
                input.replaceSubrange(0..<(here * each), with: pixels[(first * each)..<((first + here) * each)])
                try lock.withLock {
                    try input.withUnsafeBufferPointer { input in
                        try output.withUnsafeMutableBufferPointer { try program.encoder.run(input, into: $0) }
                    }
                }
                values += output[..<(here * width)]
            }
            return ImageFeatures(values, width: width)
        }
    }

    /// Writes the encoder as a program file for the C library and devices (docs/EDGE.md).
    /// - Parameters:
    ///   - path: replaced whole, or not at all.
    ///   - images: that a run computes, from 1.
    /// - Throws: ``CurricleError`` where it cannot be written.
    public func write(to path: String, images: Int = 1) throws(CurricleError) {
        try CurricleError.wrapping {
            let extractor = try FeatureExtractor(
                weights: weights.path, heads: weights.heads, imageHeight: imageSize.height, imageWidth: imageSize.width, key: weights.key,
                threads: 1, isa: .best)
            var program = try extractor.program(images: images, pool: kind.pooling)
            try program.addSelfTest()
            try program.write(to: path)
        }
    }
}
