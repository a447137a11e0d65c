/// What can be wrong with pictures and datasets. Every description is one line: the file, the reason, what to do.
package enum VisionError: Error, Sendable, Equatable, CustomStringConvertible {
    case notFound(path: String)
    case unreadable(path: String, reason: String)
    /// - Parameter passedOver: what is there instead.
    case emptyFolder(path: String, passedOver: [String])
    /// Something else than what is read here, told by its first bytes.
    case foreignFile(path: String, what: String, advice: String)
    /// A file that is read by places which were looked up is not what it was then.
    case changed(path: String)
    case wrongSize(name: String, width: Int, height: Int, wantedWidth: Int, wantedHeight: Int)
    /// The folder has another role's part (`train/`, `test/`, IDX files), but not the wanted one's.
    case missingRole(path: String, wanted: String, found: String)
    case unsupportedFormat(name: String, reason: String)
    case badDimensions(name: String, width: Int, height: Int)
    case truncated(name: String, reason: String)
    case corrupt(name: String, reason: String)
    /// An IDX header that is no header, or that does not tell the truth about the file.
    case badIndexFile(path: String, reason: String)
    /// A file of records of one size (CIFAR, STL-10) that does not hold whole, sound records.
    case badRecordFile(path: String, reason: String)
    /// An .npy file that is none, or that holds something else than images.
    case badArrayFile(path: String, reason: String)
    case badArchive(path: String, reason: String)
    /// A line of a list file; lines count from 1.
    case badListEntry(path: String, line: Int, reason: String)
    case labelCountMismatch(images: String, imageCount: Int, labels: String, labelCount: Int)
    /// A class of images to judge that no image to learn from has.
    case unknownClass(String, image: String, known: [String])
    case channelMismatch(name: String, has: Int, wants: Int)
    case indexOutOfRange(index: Int, count: Int)
    case cannotEncode(reason: String)
    case invalidGrid(reason: String)
    case invalidNormalization(reason: String)
    /// Every image of the dataset was tried and none could be used.
    case noReadableImage(count: Int, firstReason: String)

    /// One line, whatever stands in the names and headers that it quotes.
    package var description: String { visible(text) }

    private var text: String {
        switch self {
        case .notFound(let path):
            "\(path): no such file or folder; check the path"
        case .unreadable(let path, let reason):
            "\(path): cannot be read (\(reason)); check permissions and the disk"
        case .emptyFolder(let path, let passedOver):
            "\(path): holds no \(Self.acceptedInFolders)\(passedOver.map { "; " + $0 }.joined()); pass a folder that does"
        case .foreignFile(let path, let what, let advice):
            "\(path): is \(what): \(advice)"
        case .changed(let path):
            "\(path): was changed while it was used; begin again when it stays as it is"
        case .wrongSize(let name, let width, let height, let wantedWidth, let wantedHeight):
            "\(name): is \(width)×\(height), not the model's \(wantedWidth)×\(wantedHeight): leave out --preprocess none to resize it"
        case .missingRole(let path, let wanted, let found):
            "\(path): holds \(found) but nothing for the role '\(wanted)'; add it, or pass the folder of images itself"
        case .unsupportedFormat(let name, let reason):
            "\(name): \(reason); convert it to JPEG, PNG or WebP"
        case .badDimensions(let name, let width, let height):
            "\(name): is \(width)×\(height); sides must be 1…\(PixelImage.maximumSide) and the area at most 64 megapixels: resize it"
        case .truncated(let name, let reason):
            "\(name): is cut short (\(reason)); copy or download it again"
        case .corrupt(let name, let reason):
            "\(name): is damaged (\(reason)); replace or remove it"
        case .badIndexFile(let path, let reason):
            "\(path): is not a sound IDX file (\(reason)); pass an intact one, or a folder of images, a list (.txt), .tar shards, .npy"
        case .badRecordFile(let path, let reason):
            "\(path): is not a sound CIFAR or STL-10 file (\(reason)); download the binary version again"
        case .badArrayFile(let path, let reason):
            "\(path): cannot be used as images (\(reason)); save bytes (uint8) with numpy.save: "
                + "[N, H, W] or [N, H, W, C] for many, [H, W] or [H, W, C] for one in a folder"
        case .badArchive(let path, let reason):
            "\(path): cannot be used as a shard (\(reason)); pass intact, uncompressed .tar files, samples as KEY.jpg and KEY.cls"
        case .badListEntry(let path, let line, let reason):
            "\(path):\(line): \(reason); write one image path a line, as seen from the list's folder, and for classes a tab and a name"
        case .labelCountMismatch(let images, let imageCount, let labels, let labelCount):
            "\(labels): has \(labelCount) labels for the \(imageCount) images of \(images); use a pair that belongs together"
        case .unknownClass(let name, let image, let known):
            "\(image): its dataset has a class '\(name)' that the training images do not have "
                + "(\(known.prefix(8).joined(separator: ", "))\(known.count > 8 ? " …" : "")); give parts of the same data"
        case .channelMismatch(let name, let has, let wants):
            "\(name): is read as \(has) \(has == 1 ? "channel" : "channels"), and the model wants \(wants); use a model of \(has), or give "
                + ([1: "grey pictures", 3: "pictures without transparency", 4: "RGBA pictures"][wants] ?? "arrays (.npy) of \(wants)")
        case .indexOutOfRange(let index, let count):
            "image \(index) of a dataset of \(count); pass an index below the count"
        case .cannotEncode(let reason):
            "PNG encoding failed (\(reason)); pass 1 or 3 channels and sides of 1…\(PixelImage.maximumSide)"
        case .invalidGrid(let reason):
            "patch grid: \(reason); choose an image size that is a multiple of the patch size"
        case .invalidNormalization(let reason):
            "pixel normalisation: \(reason); give one value, or one for each channel"
        case .noReadableImage(let count, let firstReason):
            "none of \(count) images could be used, the first because: \(firstReason)"
        }
    }

    /// What a folder may hold to be a dataset.
    private static let acceptedInFolders =
        ".jpg, .jpeg, .png or .webp image, no .npy array, no IDX, CIFAR or STL-10 binary files and no .tar shards"

    /// Whether it is the whole dataset's and not one image's.
    package var endsThePass: Bool {
        switch self {
        case .channelMismatch, .invalidNormalization, .changed, .wrongSize, .noReadableImage: true
        default: false
        }
    }

    /// The file or image the error is about, if it is about one.
    package var subject: String? {
        switch self {
        case .notFound(let path), .unreadable(let path, _), .emptyFolder(let path, _), .foreignFile(let path, _, _), .changed(let path),
            .missingRole(let path, _, _), .badIndexFile(let path, _),
            .badRecordFile(let path, _), .badArrayFile(let path, _), .badArchive(let path, _), .badListEntry(let path, _, _):
            path
        case .unsupportedFormat(let name, _), .badDimensions(let name, _, _), .truncated(let name, _), .corrupt(let name, _),
            .wrongSize(let name, _, _, _, _), .channelMismatch(let name, _, _), .unknownClass(_, let name, _),
            .labelCountMismatch(let name, _, _, _):
            name
        case .indexOutOfRange, .cannotEncode, .invalidGrid, .invalidNormalization, .noReadableImage: nil
        }
    }
}
