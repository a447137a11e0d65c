import Foundation

/// A lock that its holder's death releases: flock(2) on a file that is made for it and stays.
package final class FileLock: Sendable {
    private let descriptor: Int32

    /// Takes the lock.
    /// - Throws: ``FileError``: `.busy` where somebody else holds it.
    package init(path: String) throws(FileError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
        guard descriptor >= 0 else { throw .refused(.open, path: path, code: errno) }
        guard FileLock.isFree(descriptor) else {
            close(descriptor)
            throw .busy(path: path)
        }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Locks an open file; false where another holds it. A file system without locks refuses nobody.
    static func isFree(_ descriptor: Int32) -> Bool {
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            if errno != EINTR { return errno != EWOULDBLOCK }
        }
        return true
    }
}
