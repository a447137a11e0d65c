import CurricleVision

/// Image files (JPEG, PNG, WebP, .npy) below a folder or in a list; each is read when it is asked for.
struct FolderSource: ImageSource {
    /// Put before each file that is not an absolute path; empty when files are whole paths.
    let root: ByteName
    /// Paths in the source's order.
    let files: [ByteName]
    let classNames: [ByteName]
    /// [files], or empty when unlabelled.
    let labels: [Int]
    let decoding: DecodeOptions
    var notes: [String] = []
    var missingLabels: String?

    /// One file.
    init(file: ByteName, decoding: DecodeOptions) {
        self.init(root: "", files: [file], classesOfFiles: [], decoding: decoding)
    }

    init(root: ByteName, decoding: DecodeOptions) throws(VisionError) {
        let walk = try FolderWalk(root: root)
        guard !walk.files.isEmpty else {
            throw .emptyFolder(path: "\(root)", passedOver: walk.notes.map { String($0.dropFirst("\(root): ".count)) })
        }
        let classes = walk.files.map(\.first)
        self.init(root: root, files: walk.files, classesOfFiles: classes.contains(nil) ? [] : classes.compactMap { $0 }, decoding: decoding)
        notes = walk.notes
        missingLabels = walk.missingLabels
    }

    /// - Parameter classes: the name of each file's class, or empty when unlabelled. Names are numbered in the order of their bytes.
    init(root: ByteName, files: [ByteName], classesOfFiles classes: [ByteName], decoding: DecodeOptions) {
        let names = Set(classes).sorted()
        let numbers = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        (self.root, self.files, self.decoding) = (root, files, decoding)
        (classNames, labels) = (names, classes.compactMap { numbers[$0] })
    }

    var count: Int { files.count }

    func label(at index: Int) -> Int? { labels.indices.contains(index) ? labels[index] : nil }

    func name(at index: Int) -> ByteName {
        guard files.indices.contains(index) else { return ByteName(root.bytes + "#\(index)".utf8) }
        return root.isEmpty || files[index].isAbsolute ? files[index] : root.appending(files[index])
    }

    func file(of index: Int) -> ByteName { name(at: index) }

    func identity(at index: Int) -> ImageIdentity? { FileFacts(name(at: index)).map { ImageIdentity(file: $0.identity, place: 0) } }

    func bytesToRead(at index: Int) -> Int? {
        let path = name(at: index)
        if isArrayName(path) { return nil }
        return try? withFile(path) { (file, facts) throws(VisionError) in
            try bytesToDecode(file, at: 0, size: facts.version.size, path: path, decoding)
        }
    }

    func image(at index: Int) throws(VisionError) -> PixelImage {
        try check(index)
        let path = name(at: index)
        return try isArrayName(path) ? loadArray(at: path) : loadImage(at: path, options: decoding)
    }
}

/// Bytes of a picture in a file and of its pixels, by its header; nil where that is not to be found.
func bytesToDecode(
    _ file: Int32, at offset: Int, size: Int, path: ByteName, _ decoding: DecodeOptions
) throws(VisionError) -> Int? {
    // Previews and colour profiles may stand before the sizes: a second look takes more.
    for count in [4096, 1 << 20] {
        let start = try readBytes(of: file, at: offset, count: min(count, size), path: path)
        if let pixels = decodedBytes(start: start, options: decoding) { return size + pixels }
    }
    return nil
}
