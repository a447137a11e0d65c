package import CurricleDatasets
internal import CurricleVision

/// Images on the disk, in one order: a folder (flat, nested, or one folder a class), a list (`.txt`, `.csv`), tar shards, an `.npy` array, MNIST's,
/// CIFAR's or STL-10's files; several of them with `::` between.
public struct Images: Sendable {
    /// Which part of data that has parts.
    public enum Part: Sendable, Hashable {
        /// What is learned from: `train/`, or all where nothing is set apart.
        case training
        /// What is judged: `test/`, `val/`.
        case test
        /// Both.
        case all
    }

    package let source: any ImageSource
    /// Where they were looked for; nil for what is no file's.
    private let place: (path: String, role: DatasetRole)?

    /// Looks for images; none is decoded.
    /// - Parameters:
    ///   - path: where they lie.
    ///   - part: of a dataset with `train/` and `test/`, or files of both.
    /// - Throws: ``CurricleError`` where there is no image, or what is there cannot be read.
    public init(_ path: String, part: Part = .training) throws(CurricleError) {
        let role: DatasetRole =
            switch part {
            case .training: .train
            case .test: .test
            case .all: .all
            }
        place = (path, role)
        source = try CurricleError.wrapping { try openDataset(at: ByteName(stored: path), role: role) }
    }

    package init(_ source: any ImageSource) { (self.source, place) = (source, nil) }

    /// The same images, decoded for a model of so many channels.
    package func source(channels: Int) throws -> any ImageSource {
        guard let place, channels != DecodeOptions().channels else { return source }
        return try openDataset(at: ByteName(stored: place.path), role: place.role, decoding: DecodeOptions(channels: channels))
    }

    /// How many there are, from 1.
    public var count: Int { source.count }
    /// Names of the classes, in the order of their labels; empty where images have none.
    public var classes: [String] { source.classNames.map { "\($0)" } }
    /// The file of an image, or `file#number`. Bytes that are no UTF-8 are replaced.
    /// - Parameter index: 0..<count
    public func name(at index: Int) -> String { "\(source.name(at: index))" }
    /// An index into ``classes``; nil where the image has none.
    /// - Parameter index: 0..<count
    public func label(at index: Int) -> Int? { source.label(at: index) }

    /// The label of each image, count numbers: indices into ``classes``.
    /// - Throws: ``CurricleError`` where an image has none.
    public func labels() throws(CurricleError) -> [Int] {
        let found = (0..<count).compactMap(label(at:))
        guard found.count == count else {
            throw CurricleError(
                "\(count - found.count) of \(count) images have no labels: \(source.missingLabels ?? "give a folder a class, or a dataset's own files")"
            )
        }
        return found
    }
}
