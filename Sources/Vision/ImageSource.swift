import Foundation

/// A dataset: images by index, always in the same order.
public protocol ImageSource: Sendable {
    var count: Int { get }
    /// Empty when unlabelled.
    var classNames: [String] { get }
    /// An index into `classNames`, nil when unlabelled.
    func label(at index: Int) -> Int?
    /// The file's path, or `train-images…#17`.
    func name(at index: Int) -> String
    /// RGB for files, one channel for IDX. May be called from several threads at once.
    func image(at index: Int) throws(VisionError) -> PixelImage
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
///   - path: one of
///     - an IDX images file, plain or gzip; labels are found beside it (`…images…idx3…` → `…labels…idx1…`) if present;
///     - a single JPEG, PNG or WebP file;
///     - a folder of MNIST-style IDX files: the pair of the role is taken;
///     - a folder of JPEG, PNG or WebP files, flat, nested or one folder per class; `train/` or else `test/` or `val/` below it is taken for the role.
///       When every image lies at least one folder deep, the first folder is the class (sorted); otherwise the images are unlabelled.
///   - role: which part, where there are parts.
///   - decoding: how image files become pictures.
/// - Returns: the images in the order of their paths' UTF-8 bytes.
///
/// Errors: nothing there, unreadable, no image, the other role's part only, or IDX files that are cut short or lie about themselves.
public func openDataset(at path: String, role: DatasetRole, decoding: DecodeOptions = DecodeOptions()) throws(VisionError) -> any ImageSource {
    let (exists, isFolder) = kind(of: path)
    guard exists else { throw .notFound(path: path) }
    guard isFolder else {
        if isImageName(path) { return FolderSource(root: "", files: [path], classNames: [], labels: [], decoding: decoding) }
        return try IndexedSource(images: path, labels: labelsBeside(path))
    }
    if let source = try indexedSource(in: path, role: role) { return source }
    let entries = try names(in: path)
    func holds(_ role: DatasetRole) -> String? { role.folders.first { entries.contains($0) && kind(of: join(path, $0)).isFolder } }
    if let part = holds(role) {
        let folder = join(path, part)
        if let source = try indexedSource(in: folder, role: role) { return source }
        return try FolderSource(root: folder, decoding: decoding)
    }
    if let other = holds(role.other) { throw .missingRole(path: path, wanted: role.name, found: other + "/") }
    return try FolderSource(root: path, decoding: decoding)
}

/// The IDX pair for the role among a folder's files; nil when it has no IDX images at all.
private func indexedSource(in folder: String, role: DatasetRole) throws(VisionError) -> IndexedSource? {
    let entries = try names(in: folder)
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
