import Foundation

/// The few system calls that publishing a file needs. Each gives its result, or the negated `errno`.
///
/// A value rather than free functions, so that tests can make the k-th call fail and look at what is left.
package struct FileOperations: Sendable {
    /// Creates a file that must not exist yet, for reading and writing.
    package var create: @Sendable (_ path: String) -> Int32
    package var write: @Sendable (_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int
    package var writeAt: @Sendable (_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, _ offset: Int) -> Int
    package var flush: @Sendable (_ descriptor: Int32) -> Int32
    package var close: @Sendable (_ descriptor: Int32) -> Int32
    package var rename: @Sendable (_ from: String, _ to: String) -> Int32
    package var remove: @Sendable (_ path: String) -> Int32
    /// Makes the names in a folder durable.
    package var flushFolder: @Sendable (_ path: String) -> Int32

    /// The system's own calls.
    package static let system = FileOperations(
        // 0666 less the umask, as every other program does: checkpoints are there to be shared.
        create: { negatedOnFailure(open($0, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o666)) },
        write: { descriptor, bytes in
            let count = Foundation.write(descriptor, bytes.baseAddress, bytes.count)
            return count < 0 ? -Int(errno) : count
        },
        writeAt: { descriptor, bytes, offset in
            let count = pwrite(descriptor, bytes.baseAddress, bytes.count, off_t(offset))
            return count < 0 ? -Int(errno) : count
        },
        flush: { negatedOnFailure(fsync($0)) },
        close: { negatedOnFailure(Foundation.close($0)) },
        rename: { negatedOnFailure(Foundation.rename($0, $1)) },
        remove: { negatedOnFailure(unlink($0)) },
        flushFolder: { path in
            let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else { return -errno }
            defer { _ = Foundation.close(descriptor) }
            let result = negatedOnFailure(fsync(descriptor))
            // Some network file systems cannot flush a folder; there is nothing better to do there.
            return result == -EINVAL || result == -ENOTSUP ? 0 : result
        })

    private static func negatedOnFailure(_ result: Int32) -> Int32 { result < 0 ? -errno : result }

    /// Writes all of `bytes`, taking up again after interruptions and short writes.
    /// - Parameter offset: where to write, or nil for the current end.
    /// - Returns: 0, or the `errno` of the failure.
    package func writeFully(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, at offset: Int? = nil) -> Int32 {
        var written = 0
        while written < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
            let count = if let offset { writeAt(descriptor, rest, offset + written) } else { write(descriptor, rest) }
            if count == -Int(EINTR) { continue }
            if count < 0 { return Int32(truncatingIfNeeded: -count) }
            // A write of nothing that is no error would loop for ever.
            if count == 0 { return ENOSPC }
            written += count
        }
        return 0
    }

    /// Repeats a call that a signal interrupted.
    package func uninterrupted(_ call: () -> Int32) -> Int32 {
        while true {
            let result = call()
            if result != -EINTR { return result }
        }
    }
}

/// The steps that end in a published file, for every writer; errors name the `path` that the user gave.
extension FileOperations {
    func flushFile(_ descriptor: Int32, for path: String) throws(FileError) {
        let flushed = uninterrupted { flush(descriptor) }
        guard flushed >= 0 else { throw .refused(.flush, path: path, code: -flushed) }
    }

    func move(_ temporary: String, to place: String, for path: String) throws(FileError) {
        let renamed = uninterrupted { rename(temporary, place) }
        guard renamed >= 0 else { throw .refused(.publish, path: path, code: -renamed) }
    }

    /// Makes the name of a file durable.
    func flushFolder(of place: String) throws(FileError) {
        let folder = Destination.split(place).folder, flushed = uninterrupted { flushFolder(folder) }
        guard flushed >= 0 else { throw .refused(.flush, path: folder, code: -flushed) }
    }
}
