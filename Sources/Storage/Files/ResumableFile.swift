import Foundation

/// A file that grows in hiding and appears whole, and whose writer may be killed: the next one that writes the same goes on where it ended.
///
/// Bytes go to `.NAME.KEY.part` in the same folder, where the key stands for everything that decides them; ``publish()`` flushes it and puts it
/// in its place. Unlike a ``DurableFile``'s, what was written stays when a writer fails.
struct ResumableFile: ~Copyable {
    let path: String
    let temporaryPath: String
    /// Bytes that stand in it, an earlier writer's included.
    private(set) var count: Int
    /// A part of no more bytes holds nothing yet, and goes with its writer.
    var emptyBytes = 0
    private var isPublished = false
    private let descriptor: Int32

    /// Begins, or takes up what stands under this key; what stands under others is out of date and removed.
    /// - Throws: ``FileError``; `.busy` where another process writes it now.
    init(replacing path: String, key: UInt32) throws(FileError) {
        let url = URL(fileURLWithPath: path), folder = url.deletingLastPathComponent().path, name = url.lastPathComponent
        let hexadecimal = String(key, radix: 16), prefix = ".\(name).", own = prefix + String(repeating: "0", count: 8 - hexadecimal.count) + hexadecimal + ".part"
        var status = stat()
        let isFolder = stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
        guard !isFolder, !path.isEmpty, !path.hasSuffix("/"), name != ".", name != ".." else { throw .notAFile(path: path) }
        let hidden = "\(folder)/\(own)"
        for other in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where other.hasPrefix(prefix) && other.hasSuffix(".part") && other != own {
            // One that is in use would be published in this one's place, or take its place.
            if other.count == own.count, !DurableFile.removeIfUnlocked("\(folder)/\(other)") { throw .busy(path: path) }
        }
        let descriptor = open(hidden, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
        guard descriptor >= 0 else { throw .refused(.create, path: path, code: errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw .busy(path: path)
        }
        self.path = path
        self.descriptor = descriptor
        temporaryPath = hidden
        count = max(0, Int(lseek(descriptor, 0, Int32(SEEK_END))))
    }

    deinit {
        if !isPublished, count <= emptyBytes { unlink(temporaryPath) }
        close(descriptor)
    }

    /// Leaves so many bytes.
    mutating func cut(to size: Int) throws(FileError) {
        guard ftruncate(descriptor, off_t(size)) == 0, lseek(descriptor, 0, Int32(SEEK_END)) == off_t(size) else {
            throw .refused(.truncate, path: path, code: errno)
        }
        count = size
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        let code = FileOperations.system.writeFully(descriptor, bytes)
        guard code == 0 else { throw .refused(.write, path: path, code: code) }
        count += bytes.count
    }

    mutating func write(_ bytes: [UInt8]) throws(FileError) {
        let code = bytes.withUnsafeBytes { FileOperations.system.writeFully(descriptor, $0) }
        guard code == 0 else { throw .refused(.write, path: path, code: code) }
        count += bytes.count
    }

    /// Numbers that stand in it.
    func read(at offset: Int, count: Int) throws(FileError) -> [Float] {
        var failure: Int32 = 0
        let values = [Float](unsafeUninitializedCapacity: count) { buffer, done in
            let got = pread(descriptor, buffer.baseAddress, count * 4, off_t(offset))
            if got < 0 { failure = errno }
            done = max(0, got) / 4
        }
        guard failure == 0, values.count == count else { throw .refused(.read, path: path, code: failure == 0 ? EIO : failure) }
        return values
    }

    /// Flushes the bytes and puts the file in its place.
    mutating func publish() throws(FileError) {
        guard fsync(descriptor) == 0 else { throw .refused(.flush, path: path, code: errno) }
        guard rename(temporaryPath, path) == 0 else { throw .refused(.publish, path: path, code: errno) }
        isPublished = true
        _ = FileOperations.system.flushFolder(URL(fileURLWithPath: path).deletingLastPathComponent().path)
    }
}
