import Foundation

/// The whole of a regular file, or a `VisionError` that says why not.
func readFile(_ path: String, limit: Int) throws(VisionError) -> [UInt8] {
    try withFile(path) { (file, size) throws(VisionError) in
        guard size <= limit else { throw .unreadable(path: path, reason: "its \(size) bytes are above the limit of \(limit)") }
        return try readBytes(of: file, at: 0, count: size, path: path)
    }
}

/// `count` bytes of a regular file from `offset` on, fewer where it ends earlier.
func readFile(_ path: String, at offset: Int, count: Int) throws(VisionError) -> [UInt8] {
    try withFile(path) { (file, size) throws(VisionError) in
        try readBytes(of: file, at: offset, count: min(count, max(0, size - offset)), path: path)
    }
}

/// Opens a regular file for as long as `body` runs.
/// - Parameter body: what to do with its descriptor and its size in bytes.
func withFile<Result>(_ path: String, _ body: (_ file: Int32, _ size: Int) throws(VisionError) -> Result) throws(VisionError) -> Result {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else {
        let reason = errno
        if reason == ENOENT { throw .notFound(path: path) }
        throw .unreadable(path: path, reason: String(cString: strerror(reason)))
    }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw .unreadable(path: path, reason: "it is not a regular file") }
    return try body(file, Int(status.st_size))
}

/// Up to `count` bytes of an open file, fewer only at its end. Its own position stays where it is.
func readBytes(of file: Int32, at offset: Int, count: Int, path: String) throws(VisionError) -> [UInt8] {
    var failure: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
        while done < count {
            let got = pread(file, buffer.baseAddress.map { $0 + done }, count - done, off_t(offset + done))
            if got < 0 && errno == EINTR { continue }
            if got < 0 { failure = errno }
            if got <= 0 { break }
            done += got
        }
    }
    if failure != 0 { throw .unreadable(path: path, reason: String(cString: strerror(failure))) }
    return bytes
}

/// Whether there is something at `path`, and whether it is a folder (links are followed).
func kind(of path: String) -> (exists: Bool, isFolder: Bool) {
    var status = stat()
    guard stat(path, &status) == 0 else { return (false, false) }
    return (true, status.st_mode & S_IFMT == S_IFDIR)
}

/// The visible names in a folder, sorted by UTF-8 bytes.
func names(in folder: String) throws(VisionError) -> [String] {
    guard let directory = opendir(folder) else { throw .unreadable(path: folder, reason: String(cString: strerror(errno))) }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
        if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted(by: bytesAscend)
}

/// Order by UTF-8 bytes: the same on every machine and in every locale.
func bytesAscend(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }

func join(_ folder: String, _ name: String) -> String { folder.hasSuffix("/") ? folder + name : folder + "/" + name }

/// What stands before a path's last name, and the name: `("a/b", "c.bin")`; `(".", "c.bin")` for a bare name.
func folderAndName(of path: String) -> (folder: String, name: String) {
    guard let slash = path.lastIndex(of: "/") else { return (".", path) }
    return (slash == path.startIndex ? "/" : String(path[..<slash]), String(path[path.index(after: slash)...]))
}
