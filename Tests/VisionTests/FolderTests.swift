import CurricleCZlib
import Foundation
import Testing
@testable import CurricleDatasets
@testable import CurricleVision

@Suite("Folders as people have them") struct FolderTests {
    let folder: TemporaryFolder
    let png = Fixture.bytes("rgb.png")
    init() throws { folder = try TemporaryFolder() }

    private func open(_ name: String = "", _ role: DatasetRole = .train) throws(VisionError) -> any ImageSource {
        try openDataset(at: name.isEmpty ? folder.path : folder.path + "/" + name, role: role)
    }
    private func relative(_ source: any ImageSource) -> [String] {
        (0..<source.count).map { String("\(source.name(at: $0))".dropFirst(folder.path.count + 1)) }
    }
    private func link(_ name: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/" + name, withDestinationPath: target)
    }
    private func failure(_ name: String = "", _ role: DatasetRole = .train) -> VisionError? {
        error { () throws(VisionError) in try open(name, role) }
    }

    // What is passed over

    @Test("other kinds are counted by suffix, and classes that they leave empty are named")
    func otherKinds() throws {
        for name in ["a/1.jpg", "a/2.jpg", "b/1.bmp", "b/2.BMP", "c/1.png", "d/1.jfif", "c/readme", "c/.hidden"] {
            try folder.write(name, png)
        }
        try folder.folder("e")
        let source = try open()
        #expect(source.count == 3 && source.classNames == ["a", "c"])
        #expect(
            source.notes.contains {
                $0.contains(".bmp 2, .jfif 1, without a suffix 1: not read") || $0.contains(".bmp 2, without a suffix 1, .jfif 1: not read")
            })
        #expect(source.notes.contains { $0.contains("no images in b/, d/, e/") } && source.notes.count == 2)
        for name in ["only/1.heic", "only/2.HEIC", "only/3.tif"] { try folder.write(name, png) }
        let found = failure("only")
        #expect(found?.description.contains(".heic 2, .tif 1: not read") == true && isOneLine(found))
        try folder.write("plain/1.png", png)
        #expect(try open("plain").notes.isEmpty)
    }

    @Test("a folder is walked once, whatever links lead to it, under its own name")
    func links() throws {
        for name in ["real/0.png", "real/1.png", "zoo/2.png"] { try folder.write(name, png) }
        try link("alias", to: "real")
        try link("real/up", to: "..")
        let source = try open()
        #expect(relative(source) == ["real/0.png", "real/1.png", "zoo/2.png"] && source.classNames == ["real", "zoo"])
        #expect(source.notes.contains { $0.contains("alias/") && $0.contains("real/up/") && $0.contains("walked already") })
        #expect(relative(try open("alias")) == ["alias/0.png", "alias/1.png", "alias/up/zoo/2.png"])
    }

    @Test("a file linked twice stays twice and is counted; what is no regular file is left out and named")
    func linkedFiles() throws {
        for name in ["a/0.png", "b/1.png"] { try folder.write(name, png) }
        #expect(try open().notes.isEmpty)
        try FileManager.default.linkItem(atPath: folder.path + "/a/0.png", toPath: folder.path + "/b/again.png")
        try link("b/link.png", to: "../a/0.png")
        try link("b/dangling.png", to: "nowhere")
        try link("b/self.png", to: "self.png")
        #expect(mkfifo(folder.path + "/b/pipe.png", 0o644) == 0)
        let source = try open()
        #expect(source.count == 4)
        #expect(source.notes.contains { $0.contains("2 of 4 images are there under another name") })
        #expect(source.notes.contains { $0.contains("b/dangling.png, b/pipe.png, b/self.png: no regular files") })
    }

    @Test("a folder named like a picture is a folder")
    func foldersNamedLikePictures() throws {
        for name in ["cat/0.jpg", "cat/1.jpg", "cat/@eaDir/0.jpg/SYNOPHOTO_THUMB_M.jpg"] { try folder.write(name, png) }
        try folder.folder("cat/empty.png")
        #expect(relative(try open()) == ["cat/0.jpg", "cat/1.jpg", "cat/@eaDir/0.jpg/SYNOPHOTO_THUMB_M.jpg"])
        for role in ["train", "t10k"] {  // Kaggle's MNIST: each file in a folder of its own name
            try folder.write("mnist/\(role)-images-idx3-ubyte/\(role)-images-idx3-ubyte", indexImages(role == "train" ? 3 : 2))
            try folder.write("mnist/\(role)-labels-idx1-ubyte/\(role)-labels-idx1-ubyte", indexLabels(role == "train" ? [0, 1, 2] : [1, 0]))
        }
        #expect(try open("mnist").count == 3 && open("mnist", .test).count == 2 && open("mnist").label(at: 2) == 2)
        for role in ["train", "t10k"] {  // … or beside them
            try folder.write("both/\(role)-images.idx3-ubyte", indexImages(4))
            try folder.write("both/\(role)-images-idx3-ubyte/\(role)-images-idx3-ubyte", indexImages(4))
            try folder.write("both/\(role)-labels-idx1-ubyte/\(role)-labels-idx1-ubyte", indexLabels([3, 2, 1, 0]))
        }
        #expect(try open("both").count == 4 && open("both").label(at: 0) == 3)
    }

    @Test("a stray picture among class folders is named where labels are missed")
    func stray() throws {
        for name in ["a/0.png", "b/0.png", "preview.png"] { try folder.write(name, png) }
        let source = try open()
        #expect(
            source.count == 3 && source.classNames.isEmpty
                && source.missingLabels?.contains("preview.png lies beside the class folders") == true)
        for name in ["flat/0.png", "flat/1.png"] { try folder.write(name, png) }
        #expect(try open("flat").missingLabels == nil)
    }

    // Parts

    @Test(
        "parts are known by their usual spellings, whatever their case",
        arguments: [
            ("Train", "Test"), ("training", "validation"), ("Training", "Testing"), ("TRAIN", "VAL"), ("train", "valid"),
            ("training_set", "test_set"), ("train-images", "eval"), ("seg_train", "seg_test"), ("trn", "tst")
        ])
    func spellings(_ train: String, _ test: String) throws {
        for (part, count) in [(train, 3), (test, 2)] {
            for index in 0..<count { try folder.write("\(part)/a/\(index).png", png); try folder.write("\(part)/b/\(index).png", png) }
        }
        #expect(try open("", .train).count == 6 && open("", .test).count == 4)
        #expect(try open("", .train).classNames == ["a", "b"] && open("", .test).name(at: 0) == ByteName("\(folder.path)/\(test)/a/0.png"))
        let all = try open("", .all)
        #expect(all.count == 10 && all.classNames == ["a", "b"] && all.label(at: 9) == 1)
    }

    @Test("a class named train among others is a class")
    func aClassNamedTrain() throws {
        for name in ["boat", "plane", "train"] { for index in 0..<2 { try folder.write("\(name)/\(index).png", png) } }
        for role in DatasetRole.allCases {
            #expect(try open("", role).count == 6 && open("", role).classNames == ["boat", "plane", "train"])
        }
        #expect(try open().notes.contains { $0.contains("train/ is a folder like boat/ beside it") })
        // Folders without images beside the parts change nothing.
        try folder.write("set/train/a/0.png", png)
        try folder.write("set/test/a/0.png", png)
        try folder.write("set/docs/readme.txt", [1])
        #expect(try open("set").count == 1)
        try folder.write("set/preview.png", png)
        #expect(try open("set").notes.contains { $0.contains("preview.png beside the parts") })
        #expect(try open("set", .all).count == 2)
    }

    @Test("of several test parts one is taken and the others are said; all takes them all")
    func severalTestParts() throws {
        for part in ["train", "test", "val"] { try folder.write("\(part)/0.png", png) }
        let test = try open("", .test)
        #expect(relative(test) == ["test/0.png"] && test.notes.contains { $0.contains("val/ left out") })
        #expect(relative(try open("", .all)) == ["train/0.png", "test/0.png", "val/0.png"])
        try folder.write("idx/train-images-idx3-ubyte", indexImages(3))
        try folder.write("idx/t10k-images-idx3-ubyte", indexImages(2))
        #expect(try open("idx", .all).count == 5)
    }

    // Several datasets

    @Test("several folders are one dataset, classes of the same name one class")
    func joined() throws {
        for name in ["x/b/0.png", "x/c/1.png", "y/a/0.png", "y/b/1.png", "z/0.png"] { try folder.write(name, png) }
        func joined(_ names: String...) throws -> any ImageSource {
            try openDataset(at: names.map { ByteName(folder.path + "/" + $0) }, role: .train)
        }
        let source = try joined("x", "y")
        #expect(relative(source) == ["x/b/0.png", "x/c/1.png", "y/a/0.png", "y/b/1.png"] && source.classNames == ["a", "b", "c"])
        #expect((0..<5).map { source.label(at: $0) } == [1, 2, 0, 1, nil] && source.notes.isEmpty)
        #expect(try source.image(at: 3) == decodeImage(bytes: png, name: ""))
        let bare = try joined("x", "z")
        #expect(bare.classNames.isEmpty && bare.label(at: 0) == nil && bare.missingLabels?.contains("z/0.png has no class") == true)
        #expect(try joined("x", "x").notes.contains { $0.hasPrefix("2 of 4 images are in the data more than once") })
    }

    // Which image it is

    @Test("an image is known by its file, whatever path leads to it, and by its row")
    func identities() throws {
        for name in ["a/0.png", "a/1.png", "b/2.png"] { try folder.write(name, png) }
        try link("c", to: "a")
        try FileManager.default.linkItem(atPath: folder.path + "/a/1.png", toPath: folder.path + "/b/again.png")
        #expect(try open("c").places(in: open("a")) == [[0], [1]])
        #expect(try open("b").places(in: open("a")) == [[], [1]])
        let whole = try open(), names = relative(whole)
        #expect(try open("a").places(in: whole).map { $0.map { names[$0] } } == [["a/0.png"], ["a/1.png", "b/again.png"]])
        try folder.write("list.txt", Array("a/1.png\nb/2.png\n".utf8))
        #expect(try open("list.txt").places(in: open("b")) == [[1], [0]])
        try folder.write("i/train-images-idx3-ubyte", indexImages(3))
        try link("i/t10k-images-idx3-ubyte", to: "train-images-idx3-ubyte")
        #expect(try open("i", .test).places(in: open("i")) == [[0], [1], [2]])
        let shard = DatasetCases.path("ustar.tar"), array = DatasetCases.path("nhwc.npy")
        #expect(try openDataset(at: shard, role: .train).places(in: openDataset(at: shard, role: .test)) == (0..<5).map { [$0] })
        let rows = try openDataset(at: array, role: .train), others = try openDataset(at: shard, role: .train)
        #expect(rows.places(in: rows) == (0..<rows.count).map { [$0] } && rows.places(in: others).allSatisfy(\.isEmpty))
    }

    // Files that change

    @Test("arrays, shards and index files that are cut or rewritten while they are used are an error")
    func changes() throws {
        let cases = [
            ("x.npy", Fixture.bytes("datasets/nhwc.npy")), ("x.tar", Fixture.bytes("datasets/ustar.tar")), ("x-images", indexImages(4))
        ]
        for (name, bytes) in cases {
            for change in ["cut", "rewritten", "emptied"] {
                let path = try folder.write(name, bytes), source = try openDataset(at: path, role: .train)
                _ = try source.image(at: 0)
                switch change {
                case "cut": #expect(truncate(path, off_t(bytes.count - 1)) == 0)
                case "emptied": #expect(truncate(path, 0) == 0)
                default:
                    try folder.write(name, bytes)
                    var times = [timespec(tv_sec: 7, tv_nsec: 0), timespec(tv_sec: 7, tv_nsec: 0)]
                    #expect(utimensat(AT_FDCWD, path, &times, 0) == 0)
                }
                let found = error { () throws(VisionError) in try source.image(at: 1) }
                #expect(found == .changed(path: path) && isOneLine(found), "\(name) \(change)")
            }
        }
    }

    // What else a file may be

    /// How files of other kinds begin, in Latin-1; text is all there is of a file.
    @Test(
        "files of other kinds are told what they look like",
        arguments: [
            ("TIFF", "II*\0", false), ("TIFF", "MM\0*", false), ("zip archive", "PK\u{3}\u{4}\u{14}", false),
            ("Parquet", "PAR1\u{15}", false),
            ("HDF5", "\u{89}HDF\r\n\u{1A}\n", false),
            ("Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", true),
            ("web page", "\n<!DOCTYPE html><html>", true), ("BMP", "BM\u{8}\0\0\0\0\0\0\0\u{36}\0\0\0\u{28}", false),
            ("GIF", "GIF89a\u{1}", false),
            ("HEIC", "\0\0\0\u{18}ftypheic", false), ("AVIF", "\0\0\0\u{18}ftypavif", false)
        ])
    func foreign(_ what: String, _ start: String, _ isText: Bool) throws {
        let bytes = start.unicodeScalars.map { UInt8($0.value) } + [UInt8](repeating: 0, count: isText ? 0 : 600)
        for name in ["x.png", "x.jpg", "x", "x.npz", "x.parquet", "x.tar", "x.npy"] {
            let found = firstError(try folder.write(name, bytes))
            guard case .foreignFile(_, let told, _) = found else { Issue.record("\(name): \(String(describing: found))"); continue }
            #expect(told.contains(what) && isOneLine(found), "\(told)")
        }
    }

    @Test("empty files and lists of other programs are told so")
    func emptyAndLists() throws {
        for name in ["x", "x.npy", "x.tar", "x.bin"] {
            guard case .foreignFile(_, "empty", _) = firstError(try folder.write(name, [UInt8]())) else {
                Issue.record("\(name)"); continue
            }
        }
        try folder.write("p 0.png", png)
        let marked = try openDataset(at: folder.write("bom.txt", [0xEF, 0xBB, 0xBF] + Array("p 0.png\r\np 0.png\r\n".utf8)), role: .train)
        #expect(marked.count == 2 && marked.notes.contains { $0.contains("1 of 2 images are named more than once") })
        let wide = firstError(try folder.write("wide.txt", [0xFF, 0xFE] + "p 0.png\n".utf8.flatMap { [$0, 0] }))
        #expect(wide?.description.contains("UTF-16") == true)
    }

    // Index files that are packed

    private func packed(_ bytes: [UInt8]) throws -> [UInt8] {
        var size = compressBound(UInt(bytes.count)) + 32, stream = z_stream()
        try #require(
            deflateInit2_(&stream, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK)
        defer { deflateEnd(&stream) }
        var input = bytes, output = [UInt8](repeating: 0, count: Int(size))
        input.withUnsafeMutableBufferPointer { input in
            output.withUnsafeMutableBufferPointer { output in
                (stream.next_in, stream.avail_in, stream.next_out, stream.avail_out) = (
                    input.baseAddress, UInt32(input.count), output.baseAddress, UInt32(output.count)
                )
                #expect(deflate(&stream, Z_FINISH) == Z_STREAM_END)
                size = stream.total_out
            }
        }
        return Array(output.prefix(Int(size)))
    }

    @Test("a packed index file that promises more than it can hold is refused, and a large one is not kept in memory")
    func packedIndex() throws {
        let header: [UInt8] = [0, 0, 8, 3] + bigEndian(1_000_000) + bigEndian(32) + bigEndian(32)
        let small = try packed(header + [UInt8](repeating: 0, count: 3000))
        #expect(small.count < 1000)
        guard case .truncated(_, let reason) = firstError(try folder.write("small-images.gz", small)) else {
            Issue.record("not refused"); return
        }
        #expect(reason.contains("promises 1024000000 bytes and at most"))
        // 96 MiB of images, the last of them not zero.
        let count = 96 << 10
        var bytes = [0, 0, 8, 3] + bigEndian(count) + bigEndian(32) + bigEndian(32) + [UInt8](repeating: 0, count: count << 10)
        bytes[bytes.count - 1] = 9
        let source = try openDataset(at: folder.write("large-images.gz", packed(bytes)), role: .train)
        #expect(source.count == count)
        #expect(
            try source.image(at: count - 1).pixels == [UInt8](repeating: 0, count: 1023) + [9]
                && source.image(at: 5).pixels.allSatisfy { $0 == 0 })
    }
}
