import CurricleDatasets
import Dispatch
import CurricleEngine
import Foundation
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleVision
import CurricleWeights

/// Features of a dataset by a program file, image by image as the library on a device computes them.
package struct ProgramExtraction {
    package let program: ProgramFile
    /// Whether pictures must have the program's size, instead of being resized and cropped to it.
    package let takesPixelsAsTheyAre: Bool
    package init(_ program: ProgramFile, takesPixelsAsTheyAre: Bool = false) {
        self.program = program
        self.takesPixelsAsTheyAre = takesPixelsAsTheyAre
    }

    /// Stands for everything that decides the features of a source: the program, how pictures come to it, and which they are (their
    /// files' names, sizes and times of change).
    package func key(_ source: any ImageSource, _ decoding: DecodeOptions) -> UInt32 {
        var sum = CRC32C()
        sum.update(Array("\(program.checksum) \(program.encoder.isa) \(takesPixelsAsTheyAre) \(decoding) \(source.count)".utf8))
        var last: ByteName?
        for index in 0..<source.count {
            sum.update(source.name(at: index).bytes + [0])
            let file = source.file(of: index)
            if file != last { sum.update(Array(ProgramExtraction.version(of: file).utf8) + [0]) }
            last = file
        }
        return sum.value
    }

    /// Size and time of change of a file; empty where there is none.
    private static func version(of path: ByteName) -> String {
        fileVersion(of: path).map { "\($0.size) \($0.seconds) \($0.nanoseconds)" } ?? ""
    }

    /// Numbers of an image's features: rows times their width.
    package var width: Int { program.encoder.shape.imageOutputs }

    /// Features in the source's order, handed over batch by batch.
    /// - Parameter first: the image to begin with.
    /// - Parameter end: the image to stop before; nil for all.
    /// - Parameter body: the images' range, and their features [images, rows · width].
    /// - Throws: a broken image's `VisionError`; `LearningError.file` for a program whose numbers overflow; or what `body` throws.
    package func run(
        _ source: any ImageSource, from first: Int = 0, to end: Int? = nil,
        _ body: (Range<Int>, UnsafeBufferPointer<Float>) throws -> Void
    ) throws {
        let end = end ?? source.count
        let shape = program.encoder.shape
        let pixels = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: shape.inputBytes)
        let features = UnsafeMutableBufferPointer<Float>.allocate(capacity: shape.outputCount)
        defer {
            pixels.deallocate()
            features.deallocate()
        }
        pixels.initialize(repeating: 0)
        features.initialize(repeating: 0)
        for start in stride(from: first, to: end, by: shape.images) {
            let range = start..<min(start + shape.images, end)
            try load(source, range, into: pixels)
            // A last batch that is not full computes what was there before, too; images do not see one another.
            try program.encoder.run(UnsafeBufferPointer(pixels), into: features)
            let computed = UnsafeBufferPointer(rebasing: features[..<(range.count * shape.imageOutputs)])
            if let place = computed.firstIndex(where: { !$0.isFinite }) {
                let image = source.name(at: range.lowerBound + place / shape.imageOutputs)
                throw LearningError.file(path: program.path, reason: "gives \(image) features that are not finite: check the weights")
            }
            try body(range, computed)
        }
    }

    /// Decodes and resizes several pictures at a time.
    private func load(_ source: any ImageSource, _ range: Range<Int>, into pixels: UnsafeMutableBufferPointer<UInt8>) throws {
        let shape = program.encoder.shape
        var errors = [(any Error)?](repeating: nil, count: range.count)
        errors.withUnsafeMutableBufferPointer { errors in
            // Each picture has its own part of the memory, and its own place for an error.
            nonisolated(unsafe) let slots = errors, target = pixels
            let asIs = takesPixelsAsTheyAre
            DispatchQueue.concurrentPerform(iterations: range.count) { i in
                let part = UnsafeMutableBufferPointer(rebasing: target[(i * shape.imageBytes)..<((i + 1) * shape.imageBytes)])
                do { try ProgramExtraction.place(source, range.lowerBound + i, shape, asIs: asIs, into: part) } catch { slots[i] = error }
            }
        }
        if let error = errors.lazy.compactMap({ $0 }).first { throw error }
    }

    /// One picture at the program's size; a grey one in all channels.
    private static func place(
        _ source: any ImageSource, _ index: Int, _ shape: Encoder.Shape, asIs: Bool, into target: UnsafeMutableBufferPointer<UInt8>
    ) throws {
        let image = try source.image(at: index)
        guard image.channels == shape.channels || image.channels == 1 else {
            throw VisionError.channelMismatch(name: "\(source.name(at: index))", has: image.channels, wants: shape.channels)
        }
        if asIs, (image.width, image.height) != (shape.width, shape.height) {
            throw LearningError.file(
                path: "\(source.name(at: index))",
                reason:
                    "is \(image.width)×\(image.height), not the model's \(shape.width)×\(shape.height): leave out "
                    + "\(.preprocessing, "none") to resize it"
            )
        }
        func fit(_ output: UnsafeMutableBufferPointer<UInt8>) throws(RuntimeError) {
            if asIs { return _ = output.update(fromContentsOf: image.pixels) }
            if image.channels > 4 {  // the library resizes up to four
                let to = evaluationResize(of: image, height: shape.height, width: shape.width)
                return _ = output.update(
                    fromContentsOf: resizeShorterSideAndCentreCrop(image, height: shape.height, width: shape.width, resizeTo: to).pixels)
            }
            try image.pixels.withUnsafeBufferPointer { pixels throws(RuntimeError) in
                try resizeCrop(
                    pixels, width: image.width, height: image.height, channels: image.channels, outputWidth: shape.width,
                    outputHeight: shape.height, into: output)
            }
        }
        if image.channels == shape.channels { return try fit(target) }
        var grey = [UInt8](repeating: 0, count: shape.width * shape.height)
        try grey.withUnsafeMutableBufferPointer { buffer throws(RuntimeError) in try fit(buffer) }
        for i in target.indices { target[i] = grey[i / shape.channels] }
    }
}
