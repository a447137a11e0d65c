import Foundation
import CurricleTestSupport
import Testing
@testable import CurricleStorage

/// Files that somebody changes while they are read.
@Suite("Files that change underfoot") struct FileReaderTests {
    private func weights(_ folder: TemporaryFolder) throws -> String {
        let path = folder.file("w.safetensors")
        var writer = try TensorFileWriter(path: path, tensors: [.init(name: "a", shape: [3000]), .init(name: "b", shape: [2])])
        try writer.write("a", (0..<3000).map(Float.init))
        try writer.write("b", [7, 8])
        try writer.finish()
        return path
    }

    @Test("weights that are cut short or rewritten give an error, where a mapping ends the process")
    func cutAndRewritten() throws {
        let folder = try TemporaryFolder(), path = try weights(folder)
        let cut = try TensorFile(path: path)
        #expect(try cut.floats("b") == [7, 8])
        #expect(truncate(path, 64) == 0)
        for name in ["a", "b"] { #expect(throws: TensorFileError.file(.changed(path: path))) { try cut.floats(name) } }

        let whole = try weights(folder), rewritten = try TensorFile(path: whole)
        let handle = try #require(FileHandle(forUpdatingAtPath: whole))
        try handle.seek(toOffset: 400)
        try handle.write(contentsOf: Data([1, 2, 3]))
        try handle.close()
        #expect(throws: TensorFileError.file(.changed(path: whole))) { try rewritten.floats("a") }
    }

    @Test("what is replaced by renaming stays as it was for those who have it open")
    func replaced() throws {
        let folder = try TemporaryFolder(), path = try weights(folder), file = try TensorFile(path: path)
        try DurableFile.write([1, 2, 3], to: path)
        #expect(try file.floats("b") == [7, 8])
    }

    @Test("a checksum is compared as a file is opened, unless that is not wanted")
    func checksum() throws {
        let folder = try TemporaryFolder(), path = try weights(folder)
        var bytes = try folder.bytes("w.safetensors")
        bytes[bytes.count - 2] ^= 1
        try folder.write("w.safetensors", bytes)
        let error = #expect(throws: TensorFileError.self) { try TensorFile(path: path) }
        guard case .torn? = error else {
            Issue.record("not torn: \(String(describing: error))")
            return
        }
        #expect(try TensorFile(path: path, verifyChecksum: false).floats("a").count == 3000)
    }
}
