import Foundation

/// Where a writer's bytes end up: what stands at a path decides.
///
/// Renaming is for regular files and free names. Over a device or a pipe it would leave a file in their place, and over a link it would
/// cut the name off from what it stands for.
enum Destination: Sendable, Equatable {
    /// A regular file or a free name, links to it followed: the new file takes its place.
    case place(String)
    /// A pipe or a character device: bytes are written into it.
    case stream

    private static let mostLinks = 40

    /// - Throws: ``FileError``: `.unnamed`, `.occupied`, or `.refused` where the path cannot be followed.
    init(_ path: String) throws(FileError) {
        guard !path.isEmpty else { throw .unnamed }
        var status = stat()
        if stat(path, &status) == 0 {
            switch status.st_mode & S_IFMT {
            case S_IFREG, S_IFDIR: break  // a folder refuses what is renamed over it
            case S_IFIFO, S_IFCHR:
                self = .stream
                return
            case S_IFBLK: throw .occupied(path: path, by: "a block device")
            case S_IFSOCK: throw .occupied(path: path, by: "a socket")
            default: throw .occupied(path: path, by: "something that is no file")
            }
        }
        self = .place(try Destination.followed(path))
    }

    /// The path behind links, which may be free itself.
    private static func followed(_ path: String) throws(FileError) -> String {
        var target = path
        for _ in 0..<mostLinks {
            var status = stat()
            guard lstat(target, &status) == 0, status.st_mode & S_IFMT == S_IFLNK else { return target }
            var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
            let count = readlink(target, &bytes, bytes.count)
            guard count > 0 else { throw .refused(.open, path: path, code: errno) }
            let next = String(decoding: bytes[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
            target = next.hasPrefix("/") ? next : joined(split(target).folder, next)
        }
        throw .refused(.open, path: path, code: ELOOP)
    }

    static func split(_ path: String) -> (folder: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        let folder = slash == path.startIndex ? "/" : String(path[..<slash])
        return (folder, String(path[path.index(after: slash)...]))
    }

    static func joined(_ folder: String, _ name: String) -> String {
        folder.hasSuffix("/") ? folder + name : folder + "/" + name
    }
}

/// A pipe or device that is written into: what was gathered in a file without a name goes there in order.
final class StreamWriter: Sendable {
    private let path: String
    private let descriptor: Int32

    /// Waits for a pipe's reader, as every writer does.
    init(path: String) throws(FileError) {
        self.path = path
        var descriptor: Int32
        repeat { descriptor = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY) } while descriptor < 0 && errno == EINTR
        guard descriptor >= 0 else { throw .refused(.open, path: path, code: errno) }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Writes a file's bytes from its beginning.
    func take(_ file: Int32) throws(FileError) {
        var bytes = [UInt8](repeating: 0, count: 1 << 20), offset = 0
        while true {
            let count = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, off_t(offset)) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .refused(.read, path: path, code: errno) }
            guard count > 0 else { return }
            let code = bytes.withUnsafeBytes {
                FileOperations.system.writeFully(descriptor, UnsafeRawBufferPointer(rebasing: $0[..<count]))
            }
            guard code == 0 else { throw .refused(.write, path: path, code: code) }
            offset += count
        }
    }
}
