import Foundation

/// An open file that is read piece by piece. What is mapped ends the process where somebody cuts the file meanwhile; what is read gives an
/// error.
package final class FileReader: Sendable {
    package let path: String
    /// Bytes of the file, as it was opened.
    package let count: Int
    private let descriptor: Int32
    private let changed: timespec

    /// - Throws: ``FileError`` if it cannot be opened or is not a regular file.
    package init(path: String) throws(FileError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .refused(.open, path: path, code: errno) }
        var status = stat()
        let isKnown = fstat(descriptor, &status) == 0, code = errno
        guard isKnown, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw isKnown ? .notAFile(path: path) : .refused(.read, path: path, code: code)
        }
        self.path = path
        self.descriptor = descriptor
        count = Int(status.st_size)
        changed = status.st_mtim
    }

    deinit { close(descriptor) }

    /// - Throws: ``FileError``: `.changed` where the file is no longer what was opened.
    package func read(_ range: Range<Int>) throws(FileError) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { buffer, done in
            failure = fill(UnsafeMutableRawBufferPointer(buffer), from: range.lowerBound, done: &done)
        }
        try check(isWhole: bytes.count == range.count, failure)
        return bytes
    }

    /// A part of the file, or the whole, as programs must lie.
    /// - Throws: as ``read(_:)``.
    package func contents(_ part: Range<Int>? = nil) throws(FileError) -> FileContents {
        let range = part ?? 0..<count, contents = FileContents(count: range.count)
        var done = 0
        let failure = fill(contents.memory, from: range.lowerBound, done: &done)
        try check(isWhole: done == range.count, failure)
        return contents
    }

    private func fill(_ buffer: UnsafeMutableRawBufferPointer, from start: Int, done: inout Int) -> Int32 {
        while done < buffer.count {
            let got = pread(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done, off_t(start + done))
            if got < 0, errno == EINTR { continue }
            if got < 0 { return errno }
            if got == 0 { return 0 }
            done += got
        }
        return 0
    }

    private func check(isWhole: Bool, _ failure: Int32) throws(FileError) {
        guard failure == 0 else { throw .refused(.read, path: path, code: failure) }
        var status = stat()
        guard isWhole, fstat(descriptor, &status) == 0, Int(status.st_size) == count, status.st_mtim.tv_sec == changed.tv_sec,
            status.st_mtim.tv_nsec == changed.tv_nsec
        else { throw .changed(path: path) }
    }
}

/// The bytes of a file in memory, 64-byte aligned. Never written once they are read.
package final class FileContents: @unchecked Sendable {
    fileprivate let memory: UnsafeMutableRawBufferPointer
    fileprivate init(count: Int) { memory = .allocate(byteCount: count, alignment: 64) }

    /// What a file of these parts, one behind the other, would hold.
    package init(_ parts: [UnsafeRawBufferPointer]) {
        memory = .allocate(byteCount: parts.reduce(0) { $0 + $1.count }, alignment: 64)
        var end = 0
        for part in parts {
            UnsafeMutableRawBufferPointer(rebasing: memory[end...]).copyMemory(from: part)
            end += part.count
        }
    }
    deinit { memory.deallocate() }

    package var count: Int { memory.count }

    /// Lends the bytes for the length of `body`.
    package func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(memory))
    }
}
