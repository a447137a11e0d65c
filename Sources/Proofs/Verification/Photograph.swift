import CurricleEngine
import Foundation
import CurricleStorage
import CurricleVision

/// A photograph's golden file (`clmae-preprocess/1`): what the reference decodes, crops and shows to the model in evaluation.
package struct Photograph {
    /// The metadata's `format`.
    package static let format = "clmae-preprocess/1"

    package let path: String
    private let file: TensorFile
    private let boxes: [Box]

    /// A crop: the part of the photograph, the side it is resized to, whether it is then mirrored.
    private struct Box: Decodable {
        let top, left, height, width, flip, size: Int
    }

    /// - Throws: `TensorFileError`, or `LearningError.file` for metadata that is not such a file's.
    package init(path: String) throws {
        file = try TensorFile(path: path)
        self.path = path
        guard file.metadata["format"] == Photograph.format, let text = file.metadata["boxes"] else {
            throw LearningError.file(path: path, reason: "is no photograph's file: its metadata lacks format \(Photograph.format) or boxes")
        }
        do { boxes = try JSONDecoder().decode([Box].self, from: Data(text.utf8)) } catch {
            throw LearningError.file(path: path, reason: "its metadata's boxes cannot be read: \(error)")
        }
        guard !boxes.isEmpty, boxes.allSatisfy({ (1...4096).contains($0.size) }) else {
            throw LearningError.file(path: path, reason: "its boxes are none, or resized to sides out of 1…4096")
        }
    }

    /// Whether a safetensors file says that it is of this kind.
    package static func isMeant(by path: String) -> Bool {
        let file = try? TensorFile(path: path)
        return file?.metadata["format"] == format
    }

    /// Decodes the photograph and compares. Resampling rounds between its two passes, and decoders their cosine transform: bytes match
    /// within one level almost everywhere (all but 1 in 1,000), and never more than two apart.
    package func verify(image photograph: String) throws -> VerificationReport {
        var bytes = ByteComparison()
        let image = try loadImage(at: photograph)
        let decoded = try expected("decoded", shape: [image.height, image.width, 3])
        bytes.note(image.pixels, decoded, "decoded")
        for (number, box) in boxes.enumerated() {
            let part = CropBox(top: box.top, left: box.left, height: box.height, width: box.width)
            var crop = resizeBicubic(image, box: part, width: box.size, height: box.size)
            if box.flip != 0 { flipHorizontally(&crop) }
            bytes.note(crop.pixels, try expected("crop\(number)", shape: [box.size, box.size, 3]), "crop\(number)")
        }
        let values = try evaluation(of: image, &bytes)
        return VerificationReport(path: path, comparisons: [bytes.largest, bytes.further, values])
    }

    /// The view for evaluation [3, H, W]: its bytes are found again from the expected numbers; where they are equal, so must be the
    /// numbers.
    private func evaluation(of image: PixelImage, _ bytes: inout ByteComparison) throws -> Comparison {
        var values = Comparison("evaluation", "for equal bytes", tolerance: 1e-5)
        let shape = try file.entry("eval224").shape
        guard shape.count == 3, shape[0] == 3 else {
            throw LearningError.file(path: path, reason: "eval224 has shape \(shape), not [3, H, W]")
        }
        let grid = try PatchGrid.validated(imageHeight: shape[1], imageWidth: shape[2], patchSize: 1, channels: 3)
        let pipeline = ImagePipeline(grid: grid, augmentation: .none, normalization: .imageNet, seed: 0)
        let view = pipeline.prepared(image, epoch: 0, sample: 0).pixels
        // Patches of one pixel: [H · W, 3], in the order of the bytes.
        var ours = [Float](repeating: 0, count: view.count)
        ours.withUnsafeMutableBufferPointer { pipeline.patches(of: image, epoch: 0, sample: 0, into: $0) }
        let planes = try file.floats("eval224"), area = grid.count
        let wanted = view.indices.map { planes[$0 % 3 * area + $0 / 3] }
        let mean = PixelNormalization.imageNet.mean, deviation = PixelNormalization.imageNet.std
        let wantedBytes = wanted.enumerated().map { place, value in
            value.isFinite ? Int(min(max((value * deviation[place % 3] + mean[place % 3]) * 255, -1e6), 1e6).rounded()) : -1_000_000
        }
        bytes.note(view, wantedBytes, "eval224")
        for place in view.indices where Int(view[place]) == wantedBytes[place] {
            values.note(abs(Double(ours[place]) - Double(wanted[place])), "eval224")
        }
        return values
    }

    private func expected(_ name: String, shape: [Int]) throws -> [Int] {
        let entry = try file.entry(name)
        guard entry.shape == shape else {
            throw LearningError.file(path: path, reason: "\(name) has shape \(entry.shape), not \(shape): is it another photograph's?")
        }
        return try file.integers(name)
    }
}

/// Pictures against expected ones, byte by byte.
private struct ByteComparison {
    var largest = Comparison("pictures", "levels apart", tolerance: 2)
    var further = Comparison("more than a level", "of its bytes", tolerance: 1e-3)

    mutating func note(_ ours: [UInt8], _ expected: [Int], _ name: String) {
        guard ours.count == expected.count, !ours.isEmpty else { return largest.note(.infinity, name) }
        let differences = zip(ours, expected).map { abs(Int($0) - $1) }
        let equal = Double(differences.count { $0 == 0 }) / Double(ours.count)
        let label = "\(name) (\(String(format: "%.4g", 100 * equal)) % of bytes equal)"
        largest.note(Double(differences.max() ?? 0), label)
        further.note(Double(differences.count { $0 > 1 }) / Double(ours.count), label)
    }
}
