import Foundation

/// A file that appears whole or not at all.
///
/// Bytes go to a temporary file `.NAME.tmp.RANDOM` in the same folder; ``publish()`` flushes it, renames it over the
/// destination and flushes the folder. After a crash, a kill or a power cut there is the old file or the new one.
/// Whatever fails, the temporary is removed and the old file stays; a flush that failed is never tried again on the
/// same file, since a second one may claim success for lost pages (PostgreSQL's "fsyncgate").
///
///     var file = try DurableFile(replacing: "run/state.safetensors")
///     try file.write(bytes)
///     try file.publish()
///
/// A value that goes out of use unpublished takes its temporary with it.
public struct DurableFile: ~Copyable, Sendable {
    /// Where the file will stand.
    public let path: String
    /// Bytes written so far.
    public private(set) var count = 0

    private let temporaryPath: String
    private let operations: FileOperations
    private var descriptor: Int32
    private var isRenamed = false

    /// Begins a new version of `path`, which may or may not exist.
    /// - Throws: ``FileError`` if the temporary file cannot be made.
    public init(replacing path: String) throws(FileError) {
        try self.init(replacing: path, operations: .system)
    }

    package init(replacing path: String, operations: FileOperations) throws(FileError) {
        self.path = path
        self.operations = operations
        let (folder, name) = DurableFile.split(path)
        guard !name.isEmpty, name != ".", name != ".." else { throw .notAFile(path: path) }
        var attempts = 0
        while true {
            let candidate = DurableFile.join(folder, DurableFile.temporaryPrefix(of: name) + DurableFile.randomSuffix())
            let result = operations.uninterrupted { operations.create(candidate) }
            attempts += 1
            if result == -EEXIST && attempts < 100 { continue }
            guard result >= 0 else { throw .refused(.create, path: path, code: -result) }
            temporaryPath = candidate
            descriptor = result
            break
        }
        // Held for as long as this process lives: it tells a temporary in use from one left by a killed process.
        _ = flock(descriptor, LOCK_EX | LOCK_NB)
    }

    deinit {
        if descriptor >= 0 { _ = operations.close(descriptor) }
        if !isRenamed { _ = operations.remove(temporaryPath) }
    }

    /// Appends bytes.
    public mutating func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        let code = operations.writeFully(descriptor, bytes)
        guard code == 0 else { throw .refused(.write, path: path, code: code) }
        count += bytes.count
    }

    /// Appends bytes.
    public mutating func write(_ bytes: [UInt8]) throws(FileError) {
        let code = bytes.withUnsafeBytes { operations.writeFully(descriptor, $0) }
        guard code == 0 else { throw .refused(.write, path: path, code: code) }
        count += bytes.count
    }

    /// Replaces bytes already written, beginning `offset` bytes into the file.
    public mutating func overwrite(at offset: Int, _ bytes: [UInt8]) throws(FileError) {
        guard offset >= 0, offset <= count, bytes.count <= count - offset else {
            throw .outsideWrittenBytes(path: path)
        }
        let code = bytes.withUnsafeBytes { operations.writeFully(descriptor, $0, at: offset) }
        guard code == 0 else { throw .refused(.write, path: path, code: code) }
    }

    /// Flushes the bytes, puts the file in its place and makes its name durable.
    /// - Throws: ``FileError``. The old file is untouched, unless it was the folder's flush that failed: then the new
    ///   file stands in its place already, but a power cut might still bring back the old one.
    public consuming func publish() throws(FileError) {
        let flushed = operations.uninterrupted { operations.flush(descriptor) }
        guard flushed >= 0 else { throw .refused(.flush, path: path, code: -flushed) }
        // Whatever close returns, the descriptor is gone: on Linux, closing again could hit another file.
        let closed = operations.close(descriptor)
        descriptor = -1
        guard closed >= 0 || closed == -EINTR else { throw .refused(.write, path: path, code: -closed) }
        let renamed = operations.uninterrupted { operations.rename(temporaryPath, path) }
        guard renamed >= 0 else { throw .refused(.publish, path: path, code: -renamed) }
        isRenamed = true
        let folder = DurableFile.split(path).folder
        let synced = operations.uninterrupted { operations.flushFolder(folder) }
        guard synced >= 0 else { throw .refused(.flush, path: folder, code: -synced) }
    }

    /// Publishes one piece of bytes as `path`.
    public static func write(_ bytes: [UInt8], to path: String) throws(FileError) {
        var file = try DurableFile(replacing: path)
        try file.write(bytes)
        try file.publish()
    }
}

extension DurableFile {
    /// Removes temporaries of `path` that killed processes left; those that a living process writes stay.
    /// - Returns: how many were removed.
    @discardableResult
    public static func removeStaleTemporaries(of path: String) throws(FileError) -> Int {
        let (folder, name) = split(path)
        let prefix = temporaryPrefix(of: name)
        guard let directory = opendir(folder) else {
            let code = errno
            if code == ENOENT { return 0 }
            throw .refused(.list, path: folder, code: code)
        }
        defer { closedir(directory) }
        var removed = 0
        while let entry = readdir(directory) {
            let found = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if found.hasPrefix(prefix), removeIfUnlocked(join(folder, found)) { removed += 1 }
        }
        return removed
    }

    static func removeIfUnlocked(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_EX | LOCK_NB) == 0 && unlink(path) == 0
    }

    private static func temporaryPrefix(of name: String) -> String { ".\(name).tmp." }

    private static func randomSuffix() -> String {
        let digits = String(UInt64.random(in: 0...UInt64.max), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func join(_ folder: String, _ name: String) -> String {
        folder.hasSuffix("/") ? folder + name : folder + "/" + name
    }

    private static func split(_ path: String) -> (folder: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        let folder = slash == path.startIndex ? "/" : String(path[..<slash])
        return (folder, String(path[path.index(after: slash)...]))
    }
}
