import Foundation
import CurricleTestSupport
import Testing
@testable import CurricleStorage

@Suite struct ResumableFileTests {
    private func rows(_ range: Range<Int>) -> [Float] { range.flatMap { [Float($0), Float($0) + 0.5] } }

    private func append(_ range: Range<Int>, to array: inout NumpyFile) throws {
        try rows(range).withUnsafeBufferPointer { try array.append($0) }
    }

    @Test("what was written is taken up") func whatWasWrittenIsTakenUp() throws {
        let folder = try TemporaryFolder(), path = folder.file("f.npy")
        do {
            var array = try NumpyFile(path: path, shape: [5, 2], key: 7)
            try append(0..<3, to: &array)
        }  // as if killed
        #expect(!FileManager.default.fileExists(atPath: path))
        // Half a row, as a full disk may leave it.
        let part = try #require(try FileManager.default.contentsOfDirectory(atPath: folder.path).first { $0.hasSuffix(".part") })
        let handle = try #require(FileHandle(forWritingAtPath: folder.file(part)))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data([1, 2, 3]))
        try handle.close()

        var array = try NumpyFile(path: path, shape: [5, 2], key: 7)
        #expect(array.rows == 3)
        let busy = #expect(throws: FileError.self) { _ = try NumpyFile(path: path, shape: [5, 2], key: 7) }
        #expect(busy == .busy(path: path))
        try append(3..<5, to: &array)
        var seen: [Float] = []
        for row in 0..<5 { seen += try array.row(row) }
        #expect(seen == rows(0..<5))
        try array.publish()

        let whole = folder.file("whole.npy")
        var other = try NumpyFile(path: whole, shape: [5, 2], key: 7)
        try append(0..<5, to: &other)
        try other.publish()
        #expect(try Data(contentsOf: URL(filePath: path)) == Data(contentsOf: URL(filePath: whole)))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["f.npy", "whole.npy"])
    }

    @Test("other questions begin afresh") func otherQuestionsBeginAfresh() throws {
        let folder = try TemporaryFolder(), path = folder.file("f.npy")
        do {
            var array = try NumpyFile(path: path, shape: [5, 2], key: 7)
            try append(0..<3, to: &array)
        }
        let array = try NumpyFile(path: path, shape: [5, 2], key: 8)
        #expect(array.rows == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 1)  // the old part is gone
        // Nobody takes the place of one that is being written, whatever he writes.
        let other = #expect(throws: FileError.self) { _ = try NumpyFile(path: path, shape: [5, 2], key: 9) }
        #expect(other == .busy(path: path))
        let folderInstead = #expect(throws: FileError.self) { _ = try NumpyFile(path: folder.path, shape: [5, 2], key: 9) }
        #expect(folderInstead == .notAFile(path: folder.path))
    }

    @Test("a part that is a link, or has another name elsewhere, is not taken up")
    func plantedParts() throws {
        let folder = try TemporaryFolder(), path = folder.file("f.npy")
        do {
            var array = try NumpyFile(path: path, shape: [5, 2], key: 7)
            try append(0..<3, to: &array)
        }
        let part = folder.file(try #require(try folder.names().first))
        #expect(link(part, folder.file("mine")) == 0)
        #expect(throws: FileError.foreign(path: part)) { _ = try NumpyFile(path: path, shape: [5, 2], key: 7) }
        #expect(unlink(part) == 0 && symlink(folder.file("mine"), part) == 0)
        let before = try folder.bytes("mine")
        #expect(throws: FileError.foreign(path: part)) { _ = try NumpyFile(path: path, shape: [5, 2], key: 7) }
        #expect(try folder.bytes("mine") == before)
    }

    @Test("an array goes into a pipe whole, and leaves nothing in the folder")
    func pipe() throws {
        let folder = try TemporaryFolder(), whole = folder.file("whole.npy"), path = folder.file("pipe")
        var file = try NumpyFile(path: whole, shape: [5, 2], key: 7)
        try append(0..<5, to: &file)
        try file.publish()
        #expect(mkfifo(path, 0o600) == 0)
        let reader = PipeReader(path)
        var array = try NumpyFile(path: path, shape: [5, 2], key: 7)
        try append(0..<5, to: &array)
        try array.publish()
        #expect(reader.bytes() == (try folder.bytes("whole.npy")))
        #expect(try folder.names() == ["pipe", "whole.npy"])
    }
}
