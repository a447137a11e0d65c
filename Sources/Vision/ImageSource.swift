import Foundation

/// A dataset: images by index, always in the same order.
public protocol ImageSource: Sendable {
    var count: Int { get }
    /// Empty when unlabelled.
    var classNames: [String] { get }
    /// An index into `classNames`, nil when unlabelled.
    func label(at index: Int) -> Int?
    /// The files that are read one after another, as ranges of indices that follow each other from 0 to `count`. Empty for a source in which any
    /// image is as near as any other; where there are several, `BatchLoader` shuffles them and then through a buffer, see `EpochPlan.shardOrder`.
    var shards: [Range<Int>] { get }
    /// The file's path, or `train-images…#17`.
    func name(at index: Int) -> String
    /// The path of the file that holds an image, with others or alone.
    func file(of index: Int) -> String
    /// RGB for JPEG and PNG, one channel for IDX, the array's for .npy. May be called from several threads at once.
    func image(at index: Int) throws(VisionError) -> PixelImage
}

extension ImageSource {
    public var shards: [Range<Int>] { [] }
    /// For names of the form `PATH#INDEX`.
    public func file(of index: Int) -> String {
        let name = name(at: index)
        return name.lastIndex(of: "#").map { String(name[..<$0]) } ?? name
    }
}

/// Which part of a dataset is meant.
public enum DatasetRole: Sendable {
    case train, test

    /// Folders that hold this part.
    var folders: [String] {
        switch self {
        case .train: ["train"]
        case .test: ["test", "val"]
        }
    }

    /// How the names of MNIST-style image files begin.
    var indexPrefixes: [String] {
        switch self {
        case .train: ["train-images"]
        case .test: ["t10k-images", "test-images"]
        }
    }

    var name: String { self == .train ? "train" : "test" }
    var other: DatasetRole { self == .train ? .test : .train }
}

/// Opens a dataset.
///
/// - Parameters:
///   - path: a file, one of
///     - a JPEG, PNG or WebP file: a dataset of one image;
///     - `.txt`: a list of image files, a path a line as seen from the list's folder, for classes a tab and a name; `#` begins a comment;
///     - `.npy`: many images, bytes of [N, H, W, C] or [N, H, W];
///     - `.tar`: a WebDataset shard, samples as `KEY.jpg` (.jpeg, .png, .webp) and perhaps `KEY.cls`; not compressed;
///     - `data_batch_1.bin`, `train.bin`, `unlabeled_X.bin` or another file of CIFAR-10, CIFAR-100 or STL-10's binary versions;
///     - any other: an IDX images file, plain or gzip; labels are found beside it (`…images…idx3…` → `…labels…idx1…`) if present;
///
///     or a folder of
///     - MNIST-style IDX files: the pair of the role is taken;
///     - CIFAR-10, CIFAR-100 (fine labels) or STL-10's binary files: those of the role;
///     - JPEG, PNG, WebP or .npy files (one image each: [H, W] or [H, W, C]), flat, nested or one folder per class.
///       When every image lies at least one folder deep, the first folder is the class (sorted); otherwise the images are unlabelled;
///     - and no such file, but `.tar` shards, in the order of their names; where these tell the roles apart, those of the role.
///
///     `train/` or else `test/` or `val/` below a folder is taken for the role, and may hold any of these.
///   - role: which part, where there are parts.
///   - decoding: how image files become pictures.
/// - Returns: the images of a folder in the order of their paths' UTF-8 bytes, those of a file in the file's order.
///
/// Errors: nothing there, unreadable, no image, the other role's part only, or files that are cut short or lie about themselves.
public func openDataset(at path: String, role: DatasetRole, decoding: DecodeOptions = DecodeOptions()) throws(VisionError) -> any ImageSource {
    let (exists, isFolder) = kind(of: path)
    guard exists else { throw .notFound(path: path) }
    return isFolder ? try openFolder(path, role: role, decoding) : try openFile(path, decoding)
}

private func openFile(_ path: String, _ decoding: DecodeOptions) throws(VisionError) -> any ImageSource {
    if isImageName(path) { return FolderSource(root: "", files: [path], classNames: [], labels: [], decoding: decoding) }
    if isArrayName(path) { return try NpySource(path: path) }
    if isTarName(path) || isCompressedTarName(path) { return try TarSource(files: [path], decoding: decoding) }
    if path.lowercased().hasSuffix(".txt") { return try FolderSource(list: path, decoding: decoding) }
    if let source = try RecordSource.file(path) { return source }
    return try IndexedSource(images: path, labels: labelsBeside(path))
}

private func openFolder(_ path: String, role: DatasetRole, _ decoding: DecodeOptions) throws(VisionError) -> any ImageSource {
    let entries = try names(in: path)
    if let source = try binaryFiles(in: path, entries: entries, role: role) { return source }
    func holds(_ role: DatasetRole) -> String? { role.folders.first { entries.contains($0) && kind(of: join(path, $0)).isFolder } }
    if let part = holds(role) {
        let folder = join(path, part), entries = try names(in: folder)
        if let source = try binaryFiles(in: folder, entries: entries, role: role) { return source }
        return try imagesOrShards(in: folder, entries: entries, role: role, decoding)
    }
    if let other = holds(role.other) { throw .missingRole(path: path, wanted: role.name, found: other + "/") }
    return try imagesOrShards(in: path, entries: entries, role: role, decoding)
}

/// Datasets that are told by the names of their files.
private func binaryFiles(in folder: String, entries: [String], role: DatasetRole) throws(VisionError) -> (any ImageSource)? {
    if let source = try indexedSource(in: folder, entries: entries, role: role) { return source }
    return try RecordSource.inFolder(folder, entries: entries, role: role)
}

/// Image files first: the archive that a folder of images came in often lies beside them.
private func imagesOrShards(in folder: String, entries: [String], role: DatasetRole, _ decoding: DecodeOptions) throws(VisionError) -> any ImageSource {
    do throws(VisionError) {
        return try FolderSource(root: folder, decoding: decoding)
    } catch {
        guard case .emptyFolder = error, let shards = try TarSource.inFolder(folder, entries: entries, role: role, decoding: decoding) else { throw error }
        return shards
    }
}

/// The IDX pair for the role among a folder's files; nil when it has no IDX images at all.
private func indexedSource(in folder: String, entries: [String], role: DatasetRole) throws(VisionError) -> IndexedSource? {
    // Sorted, so a plain file comes before its .gz.
    func images(_ role: DatasetRole) -> String? {
        entries.first { entry in entry.contains("idx3") && role.indexPrefixes.contains { entry.hasPrefix($0) } }
    }
    if let found = images(role) {
        let path = join(folder, found)
        return try IndexedSource(images: path, labels: labelsBeside(path))
    }
    if let other = images(role.other) { throw .missingRole(path: folder, wanted: role.name, found: other) }
    return nil
}

/// The labels file that belongs to an images file by its name, packed or not.
private func labelsBeside(_ images: String) -> String? {
    let parts = images.split(separator: "/", omittingEmptySubsequences: false)
    guard let file = parts.last else { return nil }
    let folder = images.dropLast(file.count)
    var name = String(file)
    guard let word = name.range(of: "images") else { return nil }
    name.replaceSubrange(word, with: "labels")
    if let dimensions = name.range(of: "idx3") { name.replaceSubrange(dimensions, with: "idx1") }
    let plain = name.hasSuffix(".gz") ? String(name.dropLast(3)) : name
    return [plain, plain + ".gz"].map { folder + $0 }.first { kind(of: $0).exists }
}

extension ImageSource {
    /// Errors: `indexOutOfRange` unless 0 ≤ index < count.
    func check(_ index: Int) throws(VisionError) {
        guard index >= 0 && index < count else { throw .indexOutOfRange(index: index, count: count) }
    }
}
