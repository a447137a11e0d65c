import Foundation
import Synchronization
import CurricleTestSupport
import Testing
@testable import CurricleStorage

@Suite struct DurableFileTests {
    @Test("replaces whole and leaves nothing else") func replacesWholeAndLeavesNothingElse() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("state", [1, 2, 3])
        var file = try DurableFile(replacing: path)
        try file.write([9, 8])
        try file.write([7, 6])
        try file.overwrite(at: 1, [0, 0])
        #expect(file.count == 4)
        #expect(try folder.bytes("state") == [1, 2, 3])
        #expect(try folder.names().count == 2)
        try file.publish()
        #expect(try folder.bytes("state") == [9, 0, 0, 6])
        #expect(try folder.names() == ["state"])
    }

    @Test("unpublished leaves the old file") func unpublishedLeavesTheOldFile() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("state", [1, 2, 3])
        do {
            var file = try DurableFile(replacing: path)
            try file.write([9])
        }
        #expect(try folder.names() == ["state"])
        #expect(try folder.bytes("state") == [1, 2, 3])
    }

    @Test("bytes not yet written cannot be replaced") func bytesNotYetWrittenCannotBeReplaced() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("state")
        for offset in [-1, 2, 4, Int.max] {
            #expect(throws: FileError.outsideWrittenBytes(path: path)) {
                var file = try DurableFile(replacing: path)
                try file.write([1, 2, 3])
                try file.overwrite(at: offset, [0, 0])
            }
        }
    }

    @Test("paths without a folder or a place") func pathsWithoutAFolderOrAPlace() throws {
        #expect(throws: FileError.refused(.create, path: "/absent-folder/x", code: ENOENT)) {
            try DurableFile.write([1], to: "/absent-folder/x")
        }
        let folder = try TemporaryFolder()
        #expect(throws: FileError.notAFile(path: folder.path + "/")) { try DurableFile.write([1], to: folder.path + "/") }
        // A folder stands where the file should go.
        try FileManager.default.createDirectory(atPath: folder.file("taken"), withIntermediateDirectories: true)
        #expect(throws: FileError.refused(.publish, path: folder.file("taken"), code: EISDIR)) {
            try DurableFile.write([1], to: folder.file("taken"))
        }
        #expect(try folder.names() == ["taken"])
    }

    /// The kernel's own ENOSPC: the temporary's bytes go to /dev/full.
    @Test("full disk") func fullDisk() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("state", [1, 2, 3])
        var operations = FileOperations.system
        operations.create = { _ in open("/dev/full", O_WRONLY) }
        #expect(throws: FileError.refused(.write, path: path, code: ENOSPC)) {
            var file = try DurableFile(replacing: path, operations: operations)
            try file.write([9])
        }
        #expect(
            FileError.refused(.write, path: "state", code: ENOSPC).description
                == "cannot write state: No space left on device; free some space or choose another folder")
        #expect(try folder.names() == ["state"])
        #expect(try folder.bytes("state") == [1, 2, 3])
    }

    @Test("interruptions and short writes are taken up again") func interruptionsAndShortWritesAreTakenUpAgain() throws {
        let folder = try TemporaryFolder()
        let calls = Atomic(0)
        var operations = FileOperations.system
        let system = FileOperations.system
        operations.write = { descriptor, bytes in
            let call = calls.add(1, ordering: .relaxed).newValue
            if call % 2 == 1 { return -Int(EINTR) }
            return system.write(descriptor, UnsafeRawBufferPointer(rebasing: bytes[..<min(3, bytes.count)]))
        }
        let content = Array(0..<UInt8(100))
        var file = try DurableFile(replacing: folder.file("state"), operations: operations)
        try file.write(content)
        try file.publish()
        #expect(try folder.bytes("state") == content)
        #expect(calls.load(ordering: .relaxed) == 68)
    }

    /// Fails the k-th call of a whole publication, for every k until none is left to fail (as SQLite's tests do).
    @Test("every failure leaves old or new and no temporary", arguments: [ENOSPC, EIO, EACCES, EDQUOT])
    func everyFailureLeavesOldOrNewAndNoTemporary(code: Int32) throws {
        var failures = 0
        for failing in 1...100 {
            let folder = try TemporaryFolder()
            let path = try folder.write("state", [1, 2, 3])
            let counter = Atomic(0)
            let fires: @Sendable () -> Bool = { counter.add(1, ordering: .relaxed).newValue == failing }
            guard let failure = publish(path, failingOperations(code, fires)) else {
                #expect(counter.load(ordering: .relaxed) < failing)
                break
            }
            failures += 1
            #expect(failure.description.contains(String(cString: strerror(code))))
            #expect(try folder.names() == ["state"])
            let isOld = try folder.bytes("state") == [1, 2, 3]
            // Only the folder's flush comes after the renaming.
            let folderFailed = failure == .file(.refused(.flush, path: folder.path, code: code))
            #expect(isOld != folderFailed)
            if !isOld { #expect(try TensorFile(path: path, verifyChecksum: true).floats("b") == [3]) }
        }
        // create, header, two tensors, checksum, flush, close, rename, folder.
        #expect(failures == 9)
    }

    private func publish(_ path: String, _ operations: FileOperations) -> TensorFileError? {
        do throws(TensorFileError) {
            var writer = try TensorFileWriter(
                path: path, tensors: [.init(name: "a", shape: [2]), .init(name: "b", shape: [1])], metadata: [:],
                checksum: true, operations: operations)
            try writer.write("a", [1, 2])
            try writer.write("b", [3])
            try writer.finish()
            return nil
        } catch {
            return error
        }
    }

    private func failingOperations(_ code: Int32, _ fires: @escaping @Sendable () -> Bool) -> FileOperations {
        let system = FileOperations.system
        return FileOperations(
            create: { fires() ? -code : system.create($0) },
            write: { fires() ? -Int(code) : system.write($0, $1) },
            writeAt: { fires() ? -Int(code) : system.writeAt($0, $1, $2) },
            flush: { fires() ? -code : system.flush($0) },
            // A close that fails has closed all the same.
            close: { system.close($0) < 0 ? -EBADF : fires() ? -code : 0 },
            rename: { fires() ? -code : system.rename($0, $1) },
            remove: { system.remove($0) },
            flushFolder: { fires() ? -code : system.flushFolder($0) })
    }

    @Test("temporaries of killed processes go when the same is written again; live ones, and what only looks like one, stay")
    func staleTemporaries() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("state")
        let others = [".other.tmp.0123456789abcdef", ".state.tmp.0123456789ABCDEF", ".state.tmp.x", "state.tmp.1"]
        try folder.write(".state.tmp.0123456789abcdef", [1])
        try folder.write(".state.tmp.fedcba9876543210", [1])
        for name in others { try folder.write(name, [1]) }
        var file = try DurableFile(replacing: path)
        try file.write([5])
        let names = try folder.names()
        #expect(names.count == others.count + 1 && others.allSatisfy(names.contains))
        #expect(try DurableFile.removeStaleTemporaries(of: path) == 0)
        try file.publish()
        #expect(try folder.names() == (others + ["state"]).sorted())
        #expect(try DurableFile.removeStaleTemporaries(in: folder.path) == 1)
        #expect(try folder.names() == (others.dropFirst() + ["state"]).sorted())
        #expect(try DurableFile.removeStaleTemporaries(of: "/absent-folder/state") == 0)
    }
}
