import Foundation

/// The bytes of a file, mapped read-only: pages are read when touched and never count twice.
///
/// A file that is cut while it is mapped ends the process where it is touched: this is for a look at a file's beginning. What is used is
/// read (``FileReader``).
package final class FileMapping: Sendable {
    // Never written after init, and the pages are read-only: sharing them is safe.
    private nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

    /// - Throws: ``FileError`` if it cannot be opened or is not a regular file.
    package init(path: String) throws(FileError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .refused(.open, path: path, code: errno) }
        defer { close(descriptor) }
        var information = stat()
        guard fstat(descriptor, &information) == 0 else { throw .refused(.read, path: path, code: errno) }
        guard information.st_mode & S_IFMT == S_IFREG else { throw .notAFile(path: path) }
        let size = Int(information.st_size)
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0)
        guard let address, address != MAP_FAILED else { throw .refused(.read, path: path, code: errno) }
        bytes = UnsafeRawBufferPointer(start: address, count: size)
    }

    deinit {
        if let address = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: address), bytes.count) }
    }

    package var count: Int { bytes.count }

    /// Lends the bytes for the length of `body`.
    package func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(bytes)
    }
}
