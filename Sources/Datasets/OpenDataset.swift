import CurricleVision

/// Opens a dataset.
///
/// - Parameters:
///   - path: a file, one of
///     - a JPEG, PNG or WebP file: a dataset of one image;
///     - `.txt`, `.csv`: a list of image files, a path a line as seen from the list's folder, for classes a tab and a name; `#` begins a comment;
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
///     `train/`, `test/`, `val/` and their other spellings (`DatasetRole`) below a folder are taken for parts, and may hold any of these;
///     but where a folder of images beside them is none, all of them are classes. Where nothing is at the path it is read as WebDataset's
///     users write shards: `{000..009}` and `{a,b}` are expanded, and `::` stands between several.
///   - role: which part, where there are parts.
///   - decoding: how image files become pictures.
/// - Returns: the images of a folder in the order of their paths' bytes, those of a file in the file's order.
///
/// - Throws: nothing there, unreadable, no image, the other role's part only, or files that are cut short or lie about themselves.
package func openDataset(
    at path: ByteName, role: DatasetRole, decoding: DecodeOptions = DecodeOptions()
) throws(VisionError) -> any ImageSource {
    guard !path.isEmpty else { throw .notFound(path: "an empty path") }
    if let facts = FileFacts(path) { return facts.isFolder ? try openFolder(path, role: role, decoding) : try openFile(path, decoding) }
    let shards = path.split("::").flatMap(expandedBraces)
    guard shards.count > 1 else { throw .notFound(path: "\(path)") }
    if shards.allSatisfy(isTarName) { return try TarSource(files: shards, decoding: decoding) }
    return try openDataset(at: shards, role: role, decoding: decoding)
}

package func openDataset(
    at path: String, role: DatasetRole, decoding: DecodeOptions = DecodeOptions()
) throws(VisionError) -> any ImageSource {
    try openDataset(at: ByteName(path), role: role, decoding: decoding)
}

/// Opens several datasets as one: the images of the first, of the second, …; classes of the same name are one.
package func openDataset(
    at paths: [ByteName], role: DatasetRole, decoding: DecodeOptions = DecodeOptions()
) throws(VisionError) -> any ImageSource {
    var parts: [any ImageSource] = []
    for path in paths { parts.append(try openDataset(at: path, role: role, decoding: decoding)) }
    return JoinedSource.of(parts)
}

private func openFile(_ path: ByteName, _ decoding: DecodeOptions) throws(VisionError) -> any ImageSource {
    if isImageName(path) { return FolderSource(file: path, decoding: decoding) }
    if isArrayName(path) { return try NpySource(path: path) }
    if isTarName(path) || isCompressedTarName(path) { return try TarSource(files: [path], decoding: decoding) }
    if path.hasSuffix(".txt") || path.hasSuffix(".csv") { return try FolderSource(list: path, decoding: decoding) }
    if let source = try RecordSource.file(path) { return source }
    return try IndexedSource(images: path, labels: labelsBeside(path))
}

private func openFolder(_ path: ByteName, role: DatasetRole, _ decoding: DecodeOptions) throws(VisionError) -> any ImageSource {
    let found = try entries(in: path)
    if let source = try binaryFiles(in: path, found, role: role) { return source }
    let folders = found.filter { $0.facts?.isFolder == true }.map(\.name)
    let named = folders.filter { DatasetRole.all.rank(of: $0) != nil }
    guard !named.isEmpty else { return try imagesOrShards(in: path, found, role: role, decoding) }
    for beside in folders where DatasetRole.all.rank(of: beside) == nil {
        guard try holdsImages(path.appending(beside)) else { continue }
        let classes = try imagesOrShards(in: path, found, role: role, decoding)
        return NotedSource(
            classes,
            notes: [
                "\(path): \(named[0])/ is a folder like \(beside)/ beside it and no part: pass \(path)/\(named[0]) where it is meant alone"
            ])
    }
    let parts = named.compactMap { name in role.rank(of: name).map { (rank: $0, name: name) } }.sorted {
        ($0.rank, $0.name) < ($1.rank, $1.name)
    }.map(\.name)
    let loose = found.filter { $0.facts?.isRegular == true && (isImageName($0.name) || isArrayName($0.name)) }
    var notes =
        loose.isEmpty
        ? [] : ["\(path): \(loose[0].name)\(loose.count > 1 ? " and \(loose.count - 1) more" : "") beside the parts: left out"]
    if role == .all {
        var sources: [any ImageSource] = []
        for part in parts { sources.append(try openPart(path.appending(part), role: role, decoding)) }
        return NotedSource(JoinedSource.of(sources), notes: notes)
    }
    guard let part = parts.first else {
        // No part of this role, but one of another: where it is the unlabelled one there is nothing to tell apart.
        throw .missingRole(
            path: "\(path)", wanted: role.name,
            found: "\(named.first { name in role.others.contains { $0.rank(of: name) != nil } } ?? named[0])/")
    }
    if parts.count > 1 {
        notes.append(
            "\(path): \(part)/ is taken for the \(role.name) part; \(parts.dropFirst().map { "\($0)/" }.joined(separator: ", ")) left out")
    }
    return NotedSource(try openPart(path.appending(part), role: role, decoding), notes: notes)
}

private func openPart(_ folder: ByteName, role: DatasetRole, _ decoding: DecodeOptions) throws(VisionError) -> any ImageSource {
    let found = try entries(in: folder)
    if let source = try binaryFiles(in: folder, found, role: role) { return source }
    return try imagesOrShards(in: folder, found, role: role, decoding)
}

/// Datasets that are told by the names of their files.
private func binaryFiles(in folder: ByteName, _ found: [FolderEntry], role: DatasetRole) throws(VisionError) -> (any ImageSource)? {
    guard role != .all else {
        var parts: [any ImageSource] = []
        for part in [DatasetRole.train, .test] {
            do throws(VisionError) {
                if let source = try binaryFiles(in: folder, found, role: part) { parts.append(source) }
            } catch {
                guard case .missingRole = error else { throw error }
            }
        }
        return parts.isEmpty ? nil : JoinedSource.of(parts)
    }
    if let source = try indexedSource(in: folder, found, role: role) { return source }
    return try RecordSource.inFolder(folder, entries: found.filter { $0.facts?.isRegular == true }.map(\.name), role: role)
}

/// Image files first: the archive that a folder of images came in often lies beside them.
private func imagesOrShards(
    in folder: ByteName, _ found: [FolderEntry], role: DatasetRole, _ decoding: DecodeOptions
) throws(VisionError) -> any ImageSource {
    do throws(VisionError) {
        return try FolderSource(root: folder, decoding: decoding)
    } catch {
        let files = found.filter { $0.facts?.isRegular == true }.map(\.name)
        guard case .emptyFolder = error, let shards = try TarSource.inFolder(folder, entries: files, role: role, decoding: decoding) else {
            throw error
        }
        return shards
    }
}

/// The IDX pair for the role among a folder's files; nil when it has no IDX images at all.
private func indexedSource(in folder: ByteName, _ found: [FolderEntry], role: DatasetRole) throws(VisionError) -> IndexedSource? {
    // Sorted, so a plain file comes before its .gz.
    func images(_ role: DatasetRole) -> ByteName? {
        found.lazy.filter { entry in entry.name.contains("idx3") && role.indexPrefixes.contains { entry.name.hasPrefix($0) } }
            .compactMap { fileItself(folder.appending($0.name)) }.first
    }
    if let path = images(role) { return try IndexedSource(images: path, labels: labelsBeside(path)) }
    if let other = role.others.lazy.compactMap(images).first {
        throw .missingRole(path: "\(folder)", wanted: role.name, found: "\(other.last)")
    }
    return nil
}

/// A file's path; Kaggle's MNIST unpacks each file into a folder of the file's own name. Nil where there is no such file.
private func fileItself(_ path: ByteName) -> ByteName? {
    guard let facts = FileFacts(path) else { return nil }
    if facts.isRegular { return path }
    let inside = path.appending(path.last)
    return FileFacts(inside)?.isRegular == true ? inside : nil
}

/// The labels file that belongs to an images file by its name, packed or not.
private func labelsBeside(_ images: ByteName) -> ByteName? {
    guard let name = images.last.replacing("images", by: "labels") else { return nil }
    let labels = name.replacing("idx3", by: "idx1") ?? name
    let plain = labels.hasSuffix(".gz") ? ByteName(labels.bytes.dropLast(3)) : labels
    // A file that lies in a folder of its own name has its labels beside that folder.
    let folders = images.folder.last == images.last ? [images.folder, images.folder.folder] : [images.folder]
    return folders.lazy.flatMap { folder in [plain, ByteName(plain.bytes + ".gz".utf8)].map { folder.appending($0) } }.compactMap(
        fileItself
    ).first
}
