import Foundation
import Testing
@testable import CurricleDatasets
@testable import CurricleVision

@Suite struct DatasetTests {
    let folder: TemporaryFolder
    let png = Fixture.bytes("rgb.png")
    let jpeg = Fixture.bytes("420.jpg")
    init() throws { folder = try TemporaryFolder() }

    func opened(_ name: String = "", _ role: DatasetRole = .train) throws(VisionError) -> any ImageSource {
        try openDataset(at: name.isEmpty ? folder.path : folder.path + "/" + name, role: role)
    }
    func failure(_ name: String = "", _ role: DatasetRole = .train) -> VisionError? {
        error { () throws(VisionError) in try opened(name, role) }
    }
    func relative(_ source: any ImageSource) -> [String] {
        (0..<source.count).map { String("\(source.name(at: $0))".dropFirst(folder.path.count + 1)) }
    }

    // Folders of files

    @Test("flat folder") func flatFolder() throws {
        for name in ["ä.jpg", "a.jpeg", "Z.jpg", "notes.txt", ".hidden.png"] { try folder.write(name, jpeg) }
        try folder.write("b.PNG", png)
        let source = try opened()
        #expect(relative(source) == ["Z.jpg", "a.jpeg", "b.PNG", "ä.jpg"])
        #expect(source.classNames.isEmpty && source.label(at: 0) == nil)
        #expect(try source.image(at: 2) == decodeImage(bytes: png, name: ""))
        #expect(error { () throws(VisionError) in try source.image(at: 4) } == .indexOutOfRange(index: 4, count: 4))
    }

    @Test("class folders") func classFolders() throws {
        for name in ["dog/2.png", "dog/deep/1.png", "cat/9.png", "Ant/1.png"] { try folder.write(name, png) }
        let source = try opened()
        #expect(relative(source) == ["Ant/1.png", "cat/9.png", "dog/2.png", "dog/deep/1.png"])
        #expect(source.classNames == ["Ant", "cat", "dog"])
        #expect((0..<5).map { source.label(at: $0) } == [0, 1, 2, 2, nil])
    }

    @Test("nested with a loose file is unlabelled") func nestedWithALooseFileIsUnlabelled() throws {
        for name in ["dog/2.png", "cat/9.png", "loose.png"] { try folder.write(name, png) }
        let source = try opened()
        #expect(source.count == 3 && source.classNames.isEmpty)
    }

    @Test("parts by role") func partsByRole() throws {
        for name in ["train/a/1.png", "train/b/1.png", "val/a/7.png", "val/b/8.png"] { try folder.write(name, png) }
        #expect(relative(try opened("", .train)) == ["train/a/1.png", "train/b/1.png"])
        #expect(relative(try opened("", .test)) == ["val/a/7.png", "val/b/8.png"])
        #expect(try opened("", .test).classNames == ["a", "b"])
        try folder.write("test/a/9.png", png)
        #expect(relative(try opened("", .test)) == ["test/a/9.png"])
    }

    @Test("missing part is named") func missingPartIsNamed() throws {
        try folder.write("train/1.png", png)
        #expect(failure("", .test) == .missingRole(path: folder.path, wanted: "test", found: "train/"))
        #expect(isOneLine(failure("", .test)))
    }

    @Test("single file and links") func singleFileAndLinks() throws {
        let path = try folder.write("x/one.png", png)
        #expect(try openDataset(at: path, role: .train).count == 1)
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/x/loop", withDestinationPath: folder.path)
        try folder.folder("elsewhere")
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/elsewhere/link", withDestinationPath: folder.path + "/x")
        #expect(relative(try opened("x")) == ["x/one.png"])
        #expect(try opened("elsewhere").count >= 1)
    }

    @Test("nothing to open") func nothingToOpen() throws {
        #expect(failure("nowhere") == .notFound(path: folder.path + "/nowhere"))
        try folder.folder("empty/deep")
        #expect(failure("empty") == .emptyFolder(path: folder.path + "/empty", passedOver: []))
        #expect(isOneLine(failure("nowhere")) && isOneLine(failure("empty")))
        try folder.write("broken/a.jpg", [1, 2, 3])
        let source = try opened("broken")
        #expect(isOneLine(error { () throws(VisionError) in try source.image(at: 0) }))
        try folder.folder("broken/folder.png")
        #expect(try opened("broken").count == 1)
    }

    // IDX

    @Test("index folder", arguments: [("-", ""), (".", ""), ("-", ".gz")]) func indexFolder(_ separator: String, _ suffix: String) throws {
        try writePair("train", 7, separator, suffix)
        try writePair("t10k", 3, separator, suffix)
        for (role, count, prefix) in [(DatasetRole.train, 7, "train"), (.test, 3, "t10k")] {
            let source = try opened("", role)
            #expect(source.count == count && source.classNames == (0..<count).map { ByteName("\($0)") })
            #expect((0..<count).map { source.label(at: $0) } == Array((0..<count).reversed()))
            #expect(source.label(at: count) == nil)
            let image = try source.image(at: 2)
            #expect(image == PixelImage(width: 5, height: 4, channels: 1, pixels: (0..<20).map { UInt8(62 + $0) }))
            #expect(source.name(at: 2) == ByteName("\(folder.path)/\(prefix)-images\(separator)idx3-ubyte\(suffix)#2"))
        }
    }

    func writePair(_ prefix: String, _ count: Int, _ separator: String, _ suffix: String) throws {
        let images = indexImages(count)
        let labels = indexLabels((0..<count).reversed().map { UInt8($0) })
        try folder.write("\(prefix)-images\(separator)idx3-ubyte\(suffix)", suffix.isEmpty ? images : gzip(images))
        try folder.write("\(prefix)-labels\(separator)idx1-ubyte\(suffix)", suffix.isEmpty ? labels : gzip(labels))
    }

    @Test("index roles") func indexRoles() throws {
        try folder.write("train-images-idx3-ubyte", indexImages(2))
        #expect(failure("", .test) == .missingRole(path: folder.path, wanted: "test", found: "train-images-idx3-ubyte"))
        try folder.write("test-images-idx3-ubyte", indexImages(4))
        #expect(try opened("", .test).count == 4)
        let unlabelled = try opened()
        #expect(unlabelled.classNames.isEmpty && unlabelled.label(at: 0) == nil)
    }

    @Test("index file by path") func indexFileByPath() throws {
        try folder.write("my-images", indexImages(5))
        #expect(try opened("my-images").classNames.isEmpty)
        try folder.write("my-labels.gz", gzip(indexLabels([0, 1, 0, 2, 1])))
        let source = try opened("my-images")
        #expect(source.classNames == ["0", "1", "2"] && source.label(at: 3) == 2)
    }

    @Test("index lies") func indexLies() throws {
        let sound = indexImages(3)
        func plain(_ bytes: [UInt8]) throws -> VisionError? {
            try folder.write("images", bytes)
            return failure("images")
        }
        func packed(_ bytes: [UInt8]) throws -> VisionError? { try plain(gzip(bytes)) }
        for write in [plain, packed] {
            guard case .truncated = try write(Array(sound.dropLast())) else { Issue.record("cut pixels"); continue }
            guard case .truncated = try write(Array(sound.prefix(9))) else { Issue.record("cut header"); continue }
            guard case .badIndexFile = try write(sound + [0]) else { Issue.record("one byte more"); continue }
            guard case .badIndexFile = try write([0, 0, 9, 3] + sound.dropFirst(4)) else { Issue.record("signed bytes"); continue }
            guard case .badIndexFile = try write(indexImages(0)) else { Issue.record("no images"); continue }
            let many = [UInt8]([0, 0, 8, 3]) + bigEndian(0xFFFF_FFFF) + bigEndian(16384) + bigEndian(4096)
            guard case .badIndexFile = try write(many) else { Issue.record("more than memory"); continue }
            let wide = [UInt8]([0, 0, 8, 3]) + bigEndian(1) + bigEndian(0xFFFF_FFFF) + bigEndian(0xFFFF_FFFF)
            guard case .badDimensions = try write(wide) else { Issue.record("60000 wide"); continue }
        }
        guard case .truncated = try plain(Array(gzip(sound).dropLast(4))) else { Issue.record("cut gzip"); return }
        guard case .foreignFile(_, "empty", _) = try plain([]) else { Issue.record("empty"); return }
        var damaged = gzip(sound)
        damaged[damaged.count - 6] ^= 1
        guard case .corrupt = try plain(damaged) else { Issue.record("checksum"); return }
        // A bomb: little data, a small promise, a lot behind it. Only the promise is unpacked.
        guard case .badIndexFile = try packed(sound + [UInt8](repeating: 0, count: 3_000_000)) else { Issue.record("bomb"); return }
    }

    @Test("labels must match") func labelsMustMatch() throws {
        let images = try folder.write("images", indexImages(3))
        let labels = try folder.write("labels", indexLabels([1, 2]))
        #expect(failure("images") == .labelCountMismatch(images: images, imageCount: 3, labels: labels, labelCount: 2))
        #expect(isOneLine(failure("images")))
        try folder.write("labels", indexLabels([1, 2, 3]).dropLast())
        guard case .truncated = failure("images") else { Issue.record("cut labels"); return }
    }

    /// gzip with stored blocks, which needs no compressor: independent of the reader under test.
    func gzip(_ bytes: [UInt8]) -> [UInt8] {
        var file: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255]
        var start = 0
        repeat {
            let length = min(bytes.count - start, 65535)
            let last: UInt8 = start + length == bytes.count ? 1 : 0
            file += [last, UInt8(length & 255), UInt8(length >> 8), UInt8(~length & 255), UInt8(~length >> 8 & 255)]
            file += bytes[start..<(start + length)]
            start += length
        } while start < bytes.count
        let crc = Int(DecodeTests().checksum(bytes))
        return file + bigEndian(crc).reversed() + bigEndian(bytes.count).reversed()
    }
}

extension TemporaryFolder {
    func write(_ name: String, _ bytes: ArraySlice<UInt8>) throws { try write(name, Array(bytes)) }
}
