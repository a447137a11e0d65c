import Foundation
import CurricleVision

/// A dataset: images by index, always in the same order.
package protocol ImageSource: Sendable {
    var count: Int { get }
    /// Empty when unlabelled.
    var classNames: [ByteName] { get }
    /// An index into `classNames`, nil when unlabelled.
    func label(at index: Int) -> Int?
    /// The files that are read one after another, as ranges of indices that follow each other from 0 to `count`. Empty for a source in
    /// which any image is as near as any other; where there are several, `BatchLoader` shuffles them and then through a buffer, see
    /// `EpochPlan.shardOrder`.
    var shards: [Range<Int>] { get }
    /// The file's path, or `train-images…#17`.
    func name(at index: Int) -> ByteName
    /// The path of the file that holds an image, with others or alone.
    func file(of index: Int) -> ByteName
    /// Which image it is, by whatever path it is reached; nil where it comes from no file.
    func identity(at index: Int) -> ImageIdentity?
    /// RGB for JPEG and PNG, one channel for IDX, the array's for .npy. May be called from several threads at once.
    func image(at index: Int) throws(VisionError) -> PixelImage
    /// Bytes that reading an image takes: its file's, where it has one, and its pixels'; nil where it cannot be told without decoding it, or
    /// the image is broken.
    func bytesToRead(at index: Int) -> Int?
    /// What was passed over when the dataset was opened, counted: a line a reason, to be said once.
    var notes: [String] { get }
    /// Why images have no labels though others seem to; nil where there is nothing to say.
    var missingLabels: String? { get }
}

extension ImageSource {
    package var shards: [Range<Int>] { [] }
    package func bytesToRead(at index: Int) -> Int? { nil }
    package var notes: [String] { [] }
    package var missingLabels: String? { nil }
    package func identity(at index: Int) -> ImageIdentity? { nil }
    /// For names of the form `PATH#INDEX`.
    package func file(of index: Int) -> ByteName {
        let name = name(at: index)
        return name.bytes.lastIndex(of: UInt8(ascii: "#")).map { ByteName(name.bytes[..<$0]) } ?? name
    }
}

/// An image of a dataset, whatever path leads to its file: two that are equal are the same bytes on the disk.
package struct ImageIdentity: Sendable, Hashable {
    let file: FileIdentity
    /// Where in the file: its row, record or offset; 0 for a file of one image.
    let place: Int
}

extension ImageSource {
    /// Of each image, the places in another source of the images that are the same; empty where there are none.
    package func places(in other: any ImageSource) -> [[Int]] {
        var found: [ImageIdentity: [Int]] = [:]
        for index in 0..<other.count {
            if let identity = other.identity(at: index) { found[identity, default: []].append(index) }
        }
        return (0..<count).map { identity(at: $0).flatMap { found[$0] } ?? [] }
    }
}

extension ImageSource {
    /// - Throws: `indexOutOfRange` unless 0 ≤ index < count.
    func check(_ index: Int) throws(VisionError) {
        guard index >= 0 && index < count else { throw .indexOutOfRange(index: index, count: count) }
    }
}
