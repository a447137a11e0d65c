import Foundation
import Synchronization
import CurricleTestSupport
import Testing
@testable import CurricleStorage

/// Reads a pipe to its end in a thread of its own.
final class PipeReader: Sendable {
    private let found = Mutex<[UInt8]>([])
    private let group = DispatchGroup()

    init(_ path: String) {
        DispatchQueue.global().async(group: group) { [self] in
            let bytes = (try? FileHandle(forReadingAtPath: path)?.readToEnd()).map { [UInt8]($0) } ?? []
            found.withLock { $0 = bytes }
        }
    }

    func bytes() -> [UInt8] {
        group.wait()
        return found.withLock { $0 }
    }
}

/// What a writer does to what stands at its path; open(2), cp and torch.save are the measure.
@Suite("Destinations of writers") struct DestinationTests {
    @Test("a link's target is replaced, through links to links, and the links stay")
    func links() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder.file("disk"), withIntermediateDirectories: true)
        try folder.write("disk/target", [1, 2, 3])
        #expect(symlink("disk/target", folder.file("inner")) == 0 && symlink(folder.file("inner"), folder.file("outer")) == 0)
        try DurableFile.write([9], to: folder.file("outer"))
        #expect(try folder.bytes("disk/target") == [9])
        for name in ["inner", "outer"] {
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.file(name)).isEmpty == false)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("disk")) == ["target"])
    }

    @Test("a link to a name that is free makes that file")
    func danglingLink() throws {
        let folder = try TemporaryFolder()
        #expect(symlink("later", folder.file("link")) == 0)
        try DurableFile.write([7], to: folder.file("link"))
        #expect(try folder.bytes("later") == [7])
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: folder.file("link")) == "later")
    }

    @Test("links in a circle are refused by the system's own reason")
    func circle() throws {
        let folder = try TemporaryFolder()
        #expect(symlink("b", folder.file("a")) == 0 && symlink("a", folder.file("b")) == 0)
        #expect(throws: FileError.refused(.open, path: folder.file("a"), code: ELOOP)) { try DurableFile.write([7], to: folder.file("a")) }
    }

    @Test("a device is written into and stays one")
    func device() throws {
        let folder = try TemporaryFolder()
        // A link to it, so that a writer that fails this test cannot harm the machine's own.
        #expect(symlink("/dev/null", folder.file("null")) == 0)
        try DurableFile.write([7], to: folder.file("null"))
        var status = stat()
        #expect(stat(folder.file("null"), &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
        #expect(symlink("/dev/full", folder.file("full")) == 0)
        #expect(throws: FileError.refused(.write, path: folder.file("full"), code: ENOSPC)) {
            try DurableFile.write([7], to: folder.file("full"))
        }
    }

    @Test("a pipe's reader gets the bytes, those that were replaced included, and the pipe stays")
    func pipe() throws {
        let folder = try TemporaryFolder(), path = folder.file("pipe")
        #expect(mkfifo(path, 0o600) == 0)
        let reader = PipeReader(path)
        var file = try DurableFile(replacing: path)
        let content = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        try file.write(content)
        try file.overwrite(at: 1, [200, 201])
        try file.publish()
        #expect(reader.bytes() == [content[0], 200, 201] + content[3...])
        #expect(try folder.names() == ["pipe"])
    }

    @Test("an empty name and a socket are refused with the reason")
    func refused() throws {
        #expect(throws: FileError.unnamed) { try DurableFile.write([1], to: "") }
        let folder = try TemporaryFolder(), path = folder.file("s")
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8).prefix($0.count - 1)) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
        }
        try #require(bound == 0)
        #expect(throws: FileError.occupied(path: path, by: "a socket")) { try DurableFile.write([1], to: path) }
    }

    @Test("folders are made with those above them, and a file in the way is named")
    func folders() throws {
        let folder = try TemporaryFolder()
        try makeFolder(folder.file("a/b/c"))
        try makeFolder(folder.file("a/b/c"))
        #expect(try names(in: folder.file("a/b")) == ["c"])
        try folder.write("file", [1])
        #expect(throws: FileError.refused(.create, path: folder.file("file"), code: EEXIST)) { try makeFolder(folder.file("file")) }
        let below = #expect(throws: FileError.self) { try makeFolder(folder.file("file/below")) }
        #expect(below?.description.contains("a file is in the way") == true)
    }

    @Test("a lock has one holder, and its end frees it")
    func lock() throws {
        let folder = try TemporaryFolder(), path = folder.file(".lock")
        var held: FileLock? = try FileLock(path: path)
        #expect(throws: FileError.busy(path: path)) { _ = try FileLock(path: path) }
        #expect(held != nil)
        held = nil
        _ = try FileLock(path: path)
    }
}
