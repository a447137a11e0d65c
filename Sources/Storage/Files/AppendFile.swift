import Foundation

/// A file that grows at its end: what is appended is gathered in memory and written by ``flush()``.
struct AppendFile: ~Copyable, Sendable {
    private static let bufferSize = 1 << 16

    let path: String
    private let descriptor: Int32
    private var buffer: [UInt8] = []

    /// Opens a file, or makes it.
    init(path: String) throws(FileError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0o666)
        guard descriptor >= 0 else { throw .refused(.open, path: path, code: errno) }
    }

    deinit {
        // The last words of a run that stops early; there is nobody left to tell of a failure.
        _ = buffer.withUnsafeBytes { FileOperations.system.writeFully(descriptor, $0) }
        close(descriptor)
    }

    mutating func append(_ bytes: [UInt8]) throws(FileError) {
        buffer += bytes
        if buffer.count >= AppendFile.bufferSize { try flush() }
    }

    /// Hands everything to the system: a kill can no longer take it back.
    mutating func flush() throws(FileError) {
        guard !buffer.isEmpty else { return }
        let end = lseek(descriptor, 0, Int32(SEEK_END))
        let code = buffer.withUnsafeBytes { FileOperations.system.writeFully(descriptor, $0) }
        // A log may lose lines where a run goes on, but must not keep half a line: later ones would be glued to it.
        buffer.removeAll(keepingCapacity: true)
        guard code == 0 else {
            if end >= 0 { _ = ftruncate(descriptor, end) }
            throw .refused(.write, path: path, code: code)
        }
    }

    /// Cuts a file to its first `size` bytes, durably. Does nothing if it is no longer than that.
    static func cut(path: String, to size: Int) throws(FileError) {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .refused(.truncate, path: path, code: errno) }
        defer { close(descriptor) }
        guard lseek(descriptor, 0, Int32(SEEK_END)) > off_t(size) else { return }
        guard ftruncate(descriptor, off_t(size)) == 0, fsync(descriptor) == 0 else {
            throw .refused(.truncate, path: path, code: errno)
        }
    }

    /// Cuts a file to the bytes that `keptPrefix` says; a file that does not exist is left so.
    static func cut(path: String, keptPrefix: (UnsafeRawBufferPointer) -> Int) throws(FileError) {
        let contents: FileContents
        do {
            contents = try FileReader(path: path).contents()
        } catch {
            if case .refused(_, _, code: ENOENT) = error { return }
            throw error
        }
        let kept = contents.withBytes { keptPrefix($0) }
        if kept < contents.count { try cut(path: path, to: kept) }
    }
}
