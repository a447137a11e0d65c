import Foundation
import CurricleTestSupport
import Testing
@testable import CurricleStorage

@Suite struct SafetensorsTests {
    private let reference = fixture("reference.safetensors")

    // MARK: Against the reference implementation

    @Test("reads every type of a file by python") func readsEveryTypeOfAFileByPython() throws {
        let file = try TensorFile(path: reference)
        let ramp = (0..<6).map { Double($0) }
        #expect(file.metadata == ["format": "pt"])
        #expect(file.names.count == 16)
        #expect(try file.floats("f32") == ramp.map { Float($0 * 0.5 - 1) })
        #expect(try file.doubles("f64") == ramp.map { $0 * 0.1 })
        #expect(try file.floats("f64") == ramp.map { Float($0 * 0.1) })
        #expect(try file.floats("f16") == ramp.map { Float($0 - 2.5) })
        #expect(try file.floats("bf16") == ramp.map { Float($0 * 1.5 - 3) })
        for name in ["i64", "i32", "i16", "i8"] { #expect(try file.integers(name) == [-3, -2, -1, 0, 1, 2], "\(name)") }
        #expect(try file.integers("u64") == Array(0..<6))
        #expect(try file.integers("u32") == (0..<6).map { $0 + 4_000_000_000 })
        #expect(try file.integers("u16") == (0..<6).map { $0 + 60_000 })
        #expect(try file.integers("u8") == (0..<6).map { $0 + 250 })
        #expect(try file.integers("bool") == [0, 1, 0, 1, 0, 1])
        #expect(try file.floats("empty") == [])
        #expect(try file.entry("empty").shape == [0, 4])
        #expect(try file.floats("single") == [7.25])
        #expect(try file.entry("single").shape == [])
        #expect(try file.floats("quote \" and λ") == [1, 2])
    }

    @Test("writes the bytes that python writes") func writesTheBytesThatPythonWrites() throws {
        let folder = try TemporaryFolder()
        let source = try TensorFile(path: reference)
        let declarations = source.tensors.map { name, entry in
            TensorFileWriter.Declaration(name: name, element: entry.element, shape: entry.shape)
        }
        var writer = try TensorFileWriter(
            path: folder.file("copy"), tensors: declarations, metadata: ["format": "pt"], checksum: false)
        for tensor in writer.order {
            let bytes = try source.withBytes(tensor.name) { [UInt8]($0) }
            try write(bytes, as: tensor.name, to: &writer)
        }
        try writer.finish()
        #expect(try folder.bytes("copy") == [UInt8](Data(contentsOf: URL(fileURLWithPath: reference))))
    }

    // MARK: Writing

    private func write(_ bytes: [UInt8], as name: String, to writer: inout TensorFileWriter) throws {
        // In two parts, as a streamed tensor comes.
        for part in [bytes.prefix(bytes.count / 3), bytes.dropFirst(bytes.count / 3)] {
            let result: Result<Void, TensorFileError> = Array(part).withUnsafeBytes { part in
                do throws(TensorFileError) { return .success(try writer.write(name, part)) } catch { return .failure(error) }
            }
            try result.get()
        }
    }

    private func writeSample(_ path: String) throws {
        var writer = try TensorFileWriter(
            path: path,
            tensors: [
                .init(name: "step", element: .signed64, shape: [1]), .init(name: "b", shape: [3]), .init(name: "a", shape: [2, 2])
            ],
            metadata: ["format": "pt", "zeta": "1", "alpha": "line\nbreak \"λ\" \u{1}"])
        #expect(writer.order.map(\.name) == ["step", "a", "b"])
        try write([9, 0, 0, 0, 0, 0, 0, 0], as: "step", to: &writer)
        try writer.write("a", [1, 2, 3, 4])
        try writer.write("b", [-1, .infinity, 0.5])
        try writer.finish()
    }

    @Test("same content gives same bytes and reads back") func sameContentGivesSameBytesAndReadsBack() throws {
        let folder = try TemporaryFolder()
        try writeSample(folder.file("one"))
        try writeSample(folder.file("two"))
        #expect(try folder.bytes("one") == folder.bytes("two"))
        let file = try TensorFile(path: folder.file("one"), verifyChecksum: true)
        #expect(file.metadata["alpha"] == "line\nbreak \"λ\" \u{1}")
        #expect(file.metadata["crc32c"]?.count == 8)
        #expect(try file.integers("step") == [9])
        #expect(try file.floats("a") == [1, 2, 3, 4])
        #expect(try file.floats("b") == [-1, .infinity, 0.5])
        #expect(file.tensors.values.allSatisfy { $0.byteRange.lowerBound % 4 == 0 })
    }

    @Test("checksum is that of the file with zeroed digits") func checksumIsThatOfTheFileWithZeroedDigits() throws {
        let folder = try TemporaryFolder()
        try writeSample(folder.file("one"))
        var bytes = try folder.bytes("one")
        let key = Array("\"crc32c\":\"".utf8)
        let start = try #require((0..<200).first { Array(bytes[$0..<($0 + key.count)]) == key }) + key.count
        let stored = String(decoding: bytes[start..<(start + 8)], as: UTF8.self)
        bytes.replaceSubrange(start..<(start + 8), with: [UInt8](repeating: 0x30, count: 8))
        #expect(UInt32(stored, radix: 16) == CRC32C.checksum(bytes))
    }

    @Test("every flipped byte is noticed") func everyFlippedByteIsNoticed() throws {
        let folder = try TemporaryFolder()
        try writeSample(folder.file("one"))
        let bytes = try folder.bytes("one")
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 0x04
            let path = try folder.write("damaged", damaged)
            // A flip in the checksum's key takes away the checksum itself: no longer a state file.
            guard let file = try? TensorFile(path: path) else { continue }
            guard file.metadata["crc32c"] != nil else { continue }
            #expect(throws: TensorFileError.self, "byte \(index)") { try TensorFile(path: path, verifyChecksum: true) }
        }
    }

    @Test("misuse leaves the old file") func misuseLeavesTheOldFile() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("file", [1, 2, 3])
        #expect(throws: TensorFileError.misuse(path: path, reason: "tensor 'b' comes out of order: 'a' is due")) {
            var writer = try TensorFileWriter(path: path, tensors: [.init(name: "a", shape: [1]), .init(name: "b", shape: [1])])
            try writer.write("b", [1])
        }
        #expect(throws: TensorFileError.misuse(path: path, reason: "tensor 'a' has more than the 4 bytes declared")) {
            var writer = try TensorFileWriter(path: path, tensors: [.init(name: "a", shape: [1])])
            try writer.write("a", [1, 2])
        }
        #expect(throws: TensorFileError.misuse(path: path, reason: "tensor 'a' was not written")) {
            let writer = try TensorFileWriter(path: path, tensors: [.init(name: "a", shape: [1])])
            try writer.finish()
        }
        for shapes in [[[1], [1]], [[-1], [2]], [[Int.max, 2], [1]]] {
            #expect(throws: TensorFileError.self) {
                _ = try TensorFileWriter(path: path, tensors: shapes.map { .init(name: "a", shape: $0) })
            }
        }
        #expect(try folder.names() == ["file"])
        #expect(try folder.bytes("file") == [1, 2, 3])
    }

    @Test("empty file of tensors reads back") func emptyFileOfTensorsReadsBack() throws {
        let folder = try TemporaryFolder()
        var writer = try TensorFileWriter(path: folder.file("none"), tensors: [.init(name: "void", shape: [0])])
        try writer.write("void", [])
        try writer.finish()
        #expect(try TensorFile(path: folder.file("none"), verifyChecksum: true).floats("void") == [])
    }

    // MARK: What the system and the caller do wrong

    @Test("names file and reason") func namesFileAndReason() throws {
        let folder = try TemporaryFolder()
        let absent = folder.file("absent")
        #expect(throws: TensorFileError.file(.refused(.open, path: absent, code: ENOENT))) { try TensorFile(path: absent) }
        #expect(throws: TensorFileError.file(.notAFile(path: folder.path))) { try TensorFile(path: folder.path) }
        #expect(
            TensorFileError.file(.refused(.open, path: "x", code: ENOENT)).description
                == "cannot open x: No such file or directory; check the path")
        let file = try TensorFile(path: reference)
        #expect(throws: TensorFileError.missingTensor(path: reference, name: "w")) { try file.floats("w") }
        #expect(throws: TensorFileError.unsuitable(path: reference, name: "i8", element: .signed8, wanted: "a type of floating point")) {
            try file.floats("i8")
        }
        #expect(throws: TensorFileError.self) { try file.integers("f32") }
    }
}
