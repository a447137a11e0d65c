import Foundation

/// Image files (JPEG, PNG, WebP, .npy) below a folder or in a list; each is read when it is asked for.
struct FolderSource: ImageSource {
    /// Put before each file that is not an absolute path; empty when files are whole paths.
    let root: String
    /// Paths in the source's order.
    let files: [String]
    let classNames: [String]
    /// [files], or empty when unlabelled.
    let labels: [Int]
    let decoding: DecodeOptions

    init(root: String, files: [String], classNames: [String], labels: [Int], decoding: DecodeOptions) {
        self.root = root
        self.files = files
        self.classNames = classNames
        self.labels = labels
        self.decoding = decoding
    }

    init(root: String, decoding: DecodeOptions) throws(VisionError) {
        var files: [String] = []
        try collectImages(root: root, below: "", ancestors: [], into: &files)
        guard !files.isEmpty else { throw .emptyFolder(path: root) }
        files.sort(by: bytesAscend)
        let classes = files.map { file in file.firstIndex(of: "/").map { String(file[..<$0]) } }
        self.init(root: root, files: files, classesOfFiles: classes.contains(nil) ? [] : classes.compactMap { $0 }, decoding: decoding)
    }

    var count: Int { files.count }

    func label(at index: Int) -> Int? { labels.indices.contains(index) ? labels[index] : nil }

    func name(at index: Int) -> String {
        guard files.indices.contains(index) else { return "\(root)#\(index)" }
        return root.isEmpty || files[index].hasPrefix("/") ? files[index] : join(root, files[index])
    }

    func file(of index: Int) -> String { name(at: index) }

    func image(at index: Int) throws(VisionError) -> PixelImage {
        try check(index)
        let path = name(at: index)
        return try isArrayName(path) ? loadArray(at: path) : loadImage(at: path, options: decoding)
    }
}

func isImageName(_ name: String) -> Bool {
    let lower = name.lowercased()
    return [".jpg", ".jpeg", ".png", ".webp"].contains { lower.hasSuffix($0) }
}

/// All images below `root/folder`, links to folders followed, but never into a folder that is being walked already.
private func collectImages(root: String, below folder: String, ancestors: [String], into files: inout [String]) throws(VisionError) {
    let path = folder.isEmpty ? root : join(root, folder)
    guard let real = realpath(path, nil) else { throw .unreadable(path: path, reason: String(cString: strerror(errno))) }
    defer { free(real) }
    let place = String(cString: real)
    if ancestors.contains(place) { return }
    for name in try names(in: path) {
        let relative = folder.isEmpty ? name : folder + "/" + name
        if isImageName(name) || isArrayName(name) {
            files.append(relative)
        } else if kind(of: join(root, relative)).isFolder {
            try collectImages(root: root, below: relative, ancestors: ancestors + [place], into: &files)
        }
    }
}
