import Foundation

/// A file that grows in hiding and appears whole, and whose writer may be killed: the next one that writes the same goes on where it ended.
///
/// Bytes go to `.NAME.KEY.part` in the same folder, where the key stands for everything that decides them; ``publish()`` flushes it and
/// puts it in its place. Unlike a ``DurableFile``'s, what was written stays when a writer fails.
struct ResumableFile: ~Copyable {
    let path: String
    let temporaryPath: String
    /// Bytes that stand in it, an earlier writer's included.
    private(set) var count: Int
    /// A part of no more bytes holds nothing yet, and goes with its writer.
    var emptyBytes = 0
    private var isPublished = false
    private let descriptor: Int32

    /// What is replaced; nil where bytes go into a stream, of which nothing is taken up.
    private let place: String?
    private let stream: StreamWriter?

    /// Begins, or takes up what stands under this key; what stands under others is out of date and removed.
    /// - Throws: ``FileError``; `.busy` where another process writes it now, `.foreign` where it is another user's.
    init(replacing path: String, key: UInt32) throws(FileError) {
        let begun = try ResumableFile.begin(path, key)
        self.path = path
        (place, stream, temporaryPath, descriptor) = (begun.place, begun.stream, begun.hidden, begun.descriptor)
        count = max(0, Int(lseek(descriptor, 0, Int32(SEEK_END))))
    }

    private typealias Beginning = (place: String?, stream: StreamWriter?, hidden: String, descriptor: Int32)

    private static func begin(_ path: String, _ key: UInt32) throws(FileError) -> Beginning {
        switch try Destination(path) {
        case .place(let target):
            let (folder, name) = Destination.split(target)
            var status = stat()
            let isFolder = stat(target, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            guard !isFolder, !name.isEmpty, name != ".", name != ".." else { throw .notAFile(path: path) }
            let own = hiddenName(name, key)
            for other in try names(in: folder) where other != own && isHiddenName(other, of: name) {
                // One that is in use would be published in this one's place, or take its place.
                if !DurableFile.removeIfUnlocked(Destination.joined(folder, other)) { throw .busy(path: path) }
            }
            let hidden = Destination.joined(folder, own)
            return (target, nil, hidden, try open(hidden, for: path))
        case .stream:
            let stream = try StreamWriter(path: path)
            let hidden = Destination.joined(DurableFile.temporaryFolder, hiddenName("curricle-\(UInt64.random(in: 0...UInt64.max))", key))
            let descriptor = try open(hidden, for: path)
            unlink(hidden)  // nobody else is to see it, and no kill leaves it
            return (nil, stream, hidden, descriptor)
        }
    }

    /// Opens and locks a hidden file, which may stand there; not one that somebody else put there.
    private static func open(_ hidden: String, for path: String) throws(FileError) -> Int32 {
        let descriptor = Foundation.open(hidden, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o666)
        guard descriptor >= 0 else { throw errno == ELOOP ? .foreign(path: hidden) : .refused(.create, path: path, code: errno) }
        guard DurableFile.isOwn(descriptor) else {
            close(descriptor)
            throw .foreign(path: hidden)
        }
        guard FileLock.isFree(descriptor) else {
            close(descriptor)
            throw .busy(path: path)
        }
        return descriptor
    }

    private static func hiddenName(_ name: String, _ key: UInt32) -> String {
        let digits = String(key, radix: 16)
        return ".\(name)." + String(repeating: "0", count: 8 - digits.count) + digits + ".part"
    }

    private static func isHiddenName(_ other: String, of name: String) -> Bool {
        guard other.hasPrefix(".\(name)."), other.hasSuffix(".part") else { return false }
        let digits = other.dropFirst(name.count + 2).dropLast(".part".count)
        return digits.utf8.count == 8 && UInt32(digits, radix: 16) != nil
    }

    deinit {
        if stream == nil, !isPublished, count <= emptyBytes { unlink(temporaryPath) }
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

    /// The bytes at its beginning.
    func bytes(_ count: Int) throws(FileError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, count, 0) }
        guard got == count else { throw .refused(.read, path: path, code: got < 0 ? errno : EIO) }
        return bytes
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

    /// Flushes the bytes and puts the file in its place, or into its stream.
    mutating func publish() throws(FileError) {
        if let stream { return try stream.take(descriptor) }
        guard let place else { return }
        let system = FileOperations.system
        try system.flushFile(descriptor, for: path)
        try system.move(temporaryPath, to: place, for: path)
        isPublished = true
        try system.flushFolder(of: place)
    }
}
