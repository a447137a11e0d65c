import Foundation

/// A file or folder, whatever paths lead to it.
package struct FileIdentity: Sendable, Hashable {
    package let device: UInt64
    package let inode: UInt64
}

/// What a file was when it was looked at: another size or time of change means that it is not what it was.
package struct FileVersion: Sendable, Hashable {
    package let size: Int
    package let seconds: Int
    package let nanoseconds: Int
}

/// What the system says of a file.
package struct FileFacts {
    package let identity: FileIdentity
    package let version: FileVersion
    package let isFolder: Bool
    package let isRegular: Bool
    /// Names that the file has.
    package let links: Int

    package init(_ status: stat) {
        identity = FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        version = FileVersion(size: Int(status.st_size), seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
        isFolder = status.st_mode & S_IFMT == S_IFDIR
        isRegular = status.st_mode & S_IFMT == S_IFREG
        links = Int(status.st_nlink)
    }

    /// Of what is at a path, links followed; nil where nothing is, or it cannot be looked at.
    package init?(_ path: ByteName) {
        var status = stat()
        guard path.withCString({ stat($0, &status) }) == 0 else { return nil }
        self.init(status)
    }
}

/// Size and time of change of the file at a path; nil where there is none.
package func fileVersion(of path: ByteName) -> FileVersion? { FileFacts(path)?.version }

extension ByteName {
    /// As C takes it. (A zero byte ends it: lists are checked for it, and no other name can hold one.)
    package func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
        (bytes + [0]).withUnsafeBytes { buffer in
            guard let base = buffer.assumingMemoryBound(to: CChar.self).baseAddress else { preconditionFailure("a zero byte was added") }
            return body(base)
        }
    }
}

/// The whole of a regular file, or a `VisionError` that says why not.
package func readFile(_ path: ByteName, limit: Int) throws(VisionError) -> [UInt8] {
    try withFile(path) { (file, facts) throws(VisionError) in
        guard facts.version.size <= limit else {
            throw .unreadable(path: "\(path)", reason: "its \(facts.version.size) bytes are above the limit of \(limit)")
        }
        return try readBytes(of: file, at: 0, count: facts.version.size, path: path)
    }
}

/// `count` bytes of a regular file from `offset` on.
/// - Parameter version: what the file was when its places were looked up.
/// - Throws: `changed` where it is another now, or shorter.
package func readFile(_ path: ByteName, at offset: Int, count: Int, of version: FileVersion) throws(VisionError) -> [UInt8] {
    try withFile(path) { (file, facts) throws(VisionError) in
        guard facts.version == version else { throw .changed(path: "\(path)") }
        let bytes = try readBytes(of: file, at: offset, count: count, path: path)
        guard bytes.count == count else { throw .changed(path: "\(path)") }
        return bytes
    }
}

/// Opens a regular file for as long as `body` runs.
/// - Parameter body: what to do with its descriptor and what is known of it.
package func withFile<Result>(
    _ path: ByteName, _ body: (_ file: Int32, _ facts: FileFacts) throws(VisionError) -> Result
) throws(VisionError) -> Result {
    let file = path.withCString { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
    guard file >= 0 else {
        let reason = errno
        if reason == ENOENT { throw .notFound(path: "\(path)") }
        throw .unreadable(path: "\(path)", reason: String(cString: strerror(reason)))
    }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw .unreadable(path: "\(path)", reason: String(cString: strerror(errno))) }
    let facts = FileFacts(status)
    guard facts.isRegular else { throw .unreadable(path: "\(path)", reason: "it is not a regular file") }
    return try body(file, facts)
}

/// Up to `count` bytes of an open file, fewer only at its end. Its own position stays where it is.
package func readBytes(of file: Int32, at offset: Int, count: Int, path: ByteName) throws(VisionError) -> [UInt8] {
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
    if failure != 0 { throw .unreadable(path: "\(path)", reason: String(cString: strerror(failure))) }
    return bytes
}

/// Something in a folder.
package struct FolderEntry {
    package let name: ByteName
    /// Of what a link leads to; nil where it leads nowhere.
    package let facts: FileFacts?
    package let isLink: Bool
}

/// What is visible in a folder, in the order of the names.
package func entries(in folder: ByteName) throws(VisionError) -> [FolderEntry] {
    func failed(_ reason: Int32) -> VisionError { .unreadable(path: "\(folder)", reason: String(cString: strerror(reason))) }
    guard let directory = folder.withCString({ opendir($0) }) else { throw failed(errno) }
    defer { closedir(directory) }
    var found: [FolderEntry] = []
    while true {
        errno = 0
        guard let entry = readdir(directory) else {
            if errno != 0 { throw failed(errno) }
            break
        }
        let isHidden = withUnsafeBytes(of: &entry.pointee.d_name) { $0[0] == UInt8(ascii: ".") }
        if isHidden { continue }
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { ByteName($0.prefix { $0 != 0 }) }
        var status = stat(), facts: FileFacts?
        if name.withCString({ fstatat(dirfd(directory), $0, &status, 0) }) == 0 {
            facts = FileFacts(status)
        } else if ![ENOENT, ELOOP].contains(errno) {
            throw .unreadable(path: "\(folder.appending(name))", reason: String(cString: strerror(errno)))
        }
        found.append(FolderEntry(name: name, facts: facts, isLink: isLink(name, entry.pointee.d_type, in: directory)))
    }
    return found.sorted { $0.name < $1.name }
}

/// Not every file system tells the kind with the name.
private func isLink(_ name: ByteName, _ kind: UInt8, in directory: OpaquePointer) -> Bool {
    if Int(kind) != Int(DT_UNKNOWN) { return Int(kind) == Int(DT_LNK) }
    var status = stat()
    return name.withCString { fstatat(dirfd(directory), $0, &status, AT_SYMLINK_NOFOLLOW) } == 0 && status.st_mode & S_IFMT == S_IFLNK
}
