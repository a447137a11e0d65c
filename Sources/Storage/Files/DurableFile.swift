import Foundation

/// A file that appears whole or not at all.
///
/// Bytes go to a temporary file `.NAME.tmp.RANDOM` in the same folder; ``publish()`` flushes it, renames it over the
/// destination and flushes the folder. After a crash, a kill or a power cut there is the old file or the new one.
/// Whatever fails, the temporary is removed and the old file stays; a flush that failed is never tried again on the
/// same file, since a second one may claim success for lost pages (PostgreSQL's "fsyncgate").
/// What a link stands for is replaced, and not the link; a pipe or a device is written into, once all bytes are there (``Destination``).
///
///     var file = try DurableFile(replacing: "run/state.safetensors")
///     try file.write(bytes)
///     try file.publish()
///
/// A value that goes out of use unpublished takes its temporary with it.
package struct DurableFile: ~Copyable, Sendable {
    /// Where the file will stand.
    package let path: String
    /// Bytes written so far.
    package private(set) var count = 0

    /// What is replaced; nil where bytes go into a stream.
    private let place: String?
    private let stream: StreamWriter?
    private let temporaryPath: String
    private let operations: FileOperations
    private var descriptor: Int32
    private var hasName: Bool

    /// Begins a new version of `path`, which may or may not exist.
    /// - Throws: ``FileError`` if the temporary file cannot be made.
    package init(replacing path: String) throws(FileError) {
        try self.init(replacing: path, operations: .system)
    }

    package init(replacing path: String, operations: FileOperations) throws(FileError) {
        let begun = try DurableFile.begin(path, operations)
        self.path = path
        self.operations = operations
        (place, stream, temporaryPath, descriptor, hasName) = (
            begun.place, begun.stream, begun.temporaryPath, begun.descriptor, begun.stream == nil
        )
    }

    deinit {
        if descriptor >= 0 { _ = operations.close(descriptor) }
        if hasName { _ = operations.remove(temporaryPath) }
    }

    /// Appends bytes.
    package mutating func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        let code = operations.writeFully(descriptor, bytes)
        guard code == 0 else { throw .refused(.write, path: path, code: code) }
        count += bytes.count
    }

    /// Appends bytes.
    package mutating func write(_ bytes: [UInt8]) throws(FileError) {
        let code = bytes.withUnsafeBytes { operations.writeFully(descriptor, $0) }
        guard code == 0 else { throw .refused(.write, path: path, code: code) }
        count += bytes.count
    }

    /// Replaces bytes already written, beginning `offset` bytes into the file.
    package mutating func overwrite(at offset: Int, _ bytes: [UInt8]) throws(FileError) {
        guard offset >= 0, offset <= count, bytes.count <= count - offset else {
            throw .outsideWrittenBytes(path: path)
        }
        let code = bytes.withUnsafeBytes { operations.writeFully(descriptor, $0, at: offset) }
        guard code == 0 else { throw .refused(.write, path: path, code: code) }
    }

    /// Flushes the bytes, puts the file in its place and makes its name durable.
    /// - Throws: ``FileError``. The old file is untouched, unless it was the folder's flush that failed: then the new
    ///   file stands in its place already, but a power cut might still bring back the old one.
    package consuming func publish() throws(FileError) {
        if let stream { return try stream.take(descriptor) }
        guard let place else { return }
        try operations.flushFile(descriptor, for: path)
        // Whatever close returns, the descriptor is gone: on Linux, closing again could hit another file.
        let closed = operations.close(descriptor)
        descriptor = -1
        guard closed >= 0 || closed == -EINTR else { throw .refused(.write, path: path, code: -closed) }
        try operations.move(temporaryPath, to: place, for: path)
        hasName = false
        try operations.flushFolder(of: place)
    }

    /// Publishes one piece of bytes as `path`.
    package static func write(_ bytes: [UInt8], to path: String) throws(FileError) {
        var file = try DurableFile(replacing: path)
        try file.write(bytes)
        try file.publish()
    }
}

extension DurableFile {
    private typealias Beginning = (place: String?, stream: StreamWriter?, temporaryPath: String, descriptor: Int32)

    private static func begin(_ path: String, _ operations: FileOperations) throws(FileError) -> Beginning {
        switch try Destination(path) {
        case .place(let target):
            let (folder, name) = Destination.split(target)
            guard !name.isEmpty, name != ".", name != ".." else { throw .notAFile(path: path) }
            // Whoever may not list the folder may still write into it: then nothing is cleared away.
            _ = try? removeStaleTemporaries(of: target)
            let made = try make(in: folder, name, for: path, operations)
            return (target, nil, made.path, made.descriptor)
        case .stream:
            let stream = try StreamWriter(path: path), made = try make(in: temporaryFolder, "curricle", for: path, operations)
            _ = operations.remove(made.path)  // nobody else is to see it, and no kill leaves it
            return (nil, stream, made.path, made.descriptor)
        }
    }

    /// Removes temporaries of `path` that killed processes of this user left; those that a living process writes stay.
    /// - Returns: how many were removed.
    @discardableResult
    package static func removeStaleTemporaries(of path: String) throws(FileError) -> Int {
        let (folder, name) = Destination.split(path)
        return try removeStaleTemporaries(in: folder) { $0 == name }
    }

    /// Removes temporaries in a folder that killed processes of this user left, whatever they were to become.
    /// - Returns: how many were removed; 0 where there is no folder.
    @discardableResult
    package static func removeStaleTemporaries(in folder: String, of isMeant: (String) -> Bool = { _ in true }) throws(FileError) -> Int {
        let found: [String]
        do { found = try names(in: folder) } catch {
            if case .refused(_, _, code: ENOENT) = error { return 0 }
            throw error
        }
        return found.count { name in
            guard let destination = destination(ofTemporary: name), isMeant(destination) else { return false }
            return removeIfUnlocked(Destination.joined(folder, name))
        }
    }

    /// Removes a file of this user's that nobody has locked.
    static func removeIfUnlocked(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return isOwn(descriptor) && flock(descriptor, LOCK_EX | LOCK_NB) == 0 && unlink(path) == 0
    }

    /// Whether an open file is a regular one of this user's, under one name at most.
    static func isOwn(_ descriptor: Int32) -> Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && status.st_uid == geteuid() && status.st_nlink <= 1
    }

    /// Makes a temporary that is locked for as long as this process lives: that tells it from one left by a killed process.
    private static func make(
        in folder: String, _ name: String, for path: String, _ operations: FileOperations
    ) throws(FileError) -> (path: String, descriptor: Int32) {
        for _ in 0..<100 {
            let candidate = Destination.joined(folder, ".\(name)\(temporaryMark)\(randomSuffix())")
            let descriptor = operations.uninterrupted { operations.create(candidate) }
            if descriptor == -EEXIST { continue }
            guard descriptor >= 0 else { throw .refused(.create, path: path, code: -descriptor) }
            // Between its making and its lock somebody who clears away may have taken it for a dead one's.
            var status = stat()
            if FileLock.isFree(descriptor), fstat(descriptor, &status) != 0 || status.st_nlink > 0 { return (candidate, descriptor) }
            _ = operations.close(descriptor)
        }
        throw .refused(.create, path: path, code: EEXIST)
    }

    static var temporaryFolder: String { FileManager.default.temporaryDirectory.path }

    private static let temporaryMark = ".tmp."
    private static let suffixDigits = 16

    /// What a temporary's name says it was to become; nil for other names.
    private static func destination(ofTemporary name: String) -> String? {
        guard name.hasPrefix("."), let mark = name.range(of: temporaryMark, options: .backwards) else { return nil }
        let suffix = name[mark.upperBound...]
        guard suffix.utf8.count == suffixDigits, suffix.allSatisfy({ $0.isASCII && $0.isHexDigit && !$0.isUppercase }) else { return nil }
        return String(name[name.index(after: name.startIndex)..<mark.lowerBound])
    }

    private static func randomSuffix() -> String {
        let digits = String(UInt64.random(in: 0...UInt64.max), radix: 16)
        return String(repeating: "0", count: suffixDigits - digits.count) + digits
    }
}
