import Foundation
import Testing
@testable import CurricleDatasets
@testable import CurricleVision

@Suite struct TarTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    func shard(_ name: String) -> [UInt8] { Fixture.bytes("datasets/" + name) }

    /// The picture the script makes: 3×2 of one colour.
    func picture(_ level: UInt8) -> PixelImage { PixelImage(width: 3, height: 2, color: [level, 255 - level, 7]) }

    @Test("cases are there") func casesAreThere() { #expect(DatasetCases.all?.shards.map(\.samples.count) == [5, 5, 5, 2, 2, 2, 2]) }

    @Test("equals WebDataset and tarfile", arguments: DatasetCases.all?.shards ?? []) func equalsWebdatasetAndTarfile(
        _ one: DatasetCases.Shard
    ) throws {
        let path = DatasetCases.path(one.file)
        let source = try openDataset(at: path, role: .train)
        #expect((0..<source.count).map { source.name(at: $0) } == one.samples.map { ByteName(path + "/" + $0.name) })
        #expect((0..<source.count).map { source.label(at: $0) ?? -1 } == one.samples.map(\.label))
        var index = TarIndex()
        _ = try index.add(ByteName(path), number: 0)
        #expect(index.samples.map(\.offset) == one.samples.map(\.offset) && index.samples.map(\.size) == one.samples.map(\.size))
        for (number, sample) in one.samples.enumerated() { #expect(try source.image(at: number) == picture(sample.level)) }
        #expect(source.classNames == (0..<((one.samples.map(\.label).max() ?? -1) + 1)).map { ByteName("\($0)") })
        #expect(source.label(at: source.count) == nil)
        #expect(
            error { () throws(VisionError) in try source.image(at: source.count) }
                == .indexOutOfRange(index: source.count, count: source.count))
    }

    @Test("folder of shards") func folderOfShards() throws {
        let three = ["s-002.tar": "pax.tar", "s-000.tar": "gnu.tar", "s-010.tar": "sparse-1.0.tar"]
        for (name, file) in three { try folder.write(name, shard(file)) }
        try folder.write("s-011.tar", [UInt8](repeating: 0, count: 1024))  // an empty one
        let source = try openDataset(at: folder.path, role: .train)
        #expect(source.shards == [0..<5, 5..<10, 10..<12] && source.count == 12)
        #expect(
            source.name(at: 5) == ByteName(folder.path + "/s-002.tar/a/0001.png")
                && source.name(at: 11) == ByteName(folder.path + "/s-010.tar/4.png"))
        #expect(try source.image(at: 6) == picture(2) && source.image(at: 11) == picture(4))
        #expect((source as? TarSource)?.files.count == 4)
    }

    @Test("roles by name and folder") func rolesByNameAndFolder() throws {
        try folder.write("words/set-train-0.tar", shard("gnu.tar"))
        try folder.write("words/set-val-0.tar", shard("sparse-gnu.tar"))
        try folder.write("folders/train/0.tar", shard("gnu.tar"))
        try folder.write("folders/val/0.tar", shard("sparse-gnu.tar"))
        for name in ["words", "folders"] {
            #expect(try openDataset(at: folder.path + "/" + name, role: .train).count == 5)
            #expect(try openDataset(at: folder.path + "/" + name, role: .test).count == 2)
        }
        try folder.write("restrained/restrained-0.tar", shard("gnu.tar"))
        #expect(try openDataset(at: folder.path + "/restrained", role: .test).count == 5)
        try folder.write("one/train.tar", shard("gnu.tar"))
        #expect(
            error { () throws(VisionError) in try openDataset(at: folder.path + "/one", role: .test) }
                == .missingRole(path: folder.path + "/one", wanted: "test", found: "train.tar"))
    }

    @Test("images beside an archive are the dataset") func imagesBesideAnArchiveAreTheDataset() throws {
        try folder.write("archive.tar", shard("gnu.tar"))
        try folder.write("dog/1.png", Fixture.bytes("rgb.png"))
        #expect(try openDataset(at: folder.path, role: .train).name(at: 0) == ByteName(folder.path + "/dog/1.png"))
    }

    @Test(
        "compressed is refused",
        arguments: [
            ("gunzip", [0x1F, 0x8B, 8, 0]), ("bunzip2", [0x42, 0x5A, 0x68, 0x39]), ("unxz", [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0]),
            ("unzstd", [0x28, 0xB5, 0x2F, 0xFD])
        ]) func compressedIsRefused(_ tool: String, _ mark: [UInt8]) throws
    {
        for name in ["a.tar", "b.tar.gz", "c/d.tgz"] {
            let path = try folder.write(name, mark + [UInt8](repeating: 1, count: 600))
            let found = firstError(name.hasPrefix("c") ? folder.path + "/c" : path)
            guard case .badArchive(path, let reason) = found else { Issue.record("\(String(describing: found))"); continue }
            #expect(reason.contains(tool) && isOneLine(found))
        }
    }

    @Test("not a shard") func notAShard() throws {
        for bytes in [[UInt8](), [1, 2, 3], noise(height: 1, width: 2000, channels: 1).pixels, [UInt8](repeating: 0, count: 2048)] {
            let found = firstError(try folder.write("x.tar", bytes))
            #expect(isOneLine(found) && found?.subject == folder.path + "/x.tar", "\(String(describing: found))")
        }
    }

    /// A whole archive, or an error, or fewer samples that are all whole: nothing else, wherever it is cut.
    @Test("truncated anywhere", arguments: ["ustar.tar", "pax.tar"]) func truncatedAnywhere(_ name: String) throws {
        let whole = shard(name), samples = DatasetCases.all?.shards.first { $0.file == name }?.samples ?? []
        let path = try folder.write("cut.tar", whole)
        for length in stride(from: whole.count - 1024, through: 0, by: -1) {
            #expect(truncate(path, off_t(length)) == 0)
            var count = 0
            let found = error { () throws(VisionError) in
                let source = try openDataset(at: path, role: .train)
                count = source.count
                for index in 0..<count where try source.image(at: index) != picture(samples[index].level) {
                    Issue.record("\(length): image \(index)")
                }
            }
            // A cut between members looks like a shorter archive; one inside of a member's bytes is found.
            #expect(
                found.map(isOneLine)
                    ?? (count <= samples.count && length % 512 == 0 || length > samples.last.map { $0.offset + $0.size } ?? 0), "\(length)")
            if let inside = samples.first(where: { ($0.offset..<($0.offset + $0.size)).contains(length) }) {
                guard case .truncated = found else { Issue.record("\(length) in \(inside.name): \(String(describing: found))"); continue }
            }
        }
    }

    /// The header block at `start` with some bytes changed and its checksum right again.
    func changed(_ file: [UInt8], header start: Int, at place: Int, to bytes: [UInt8]) -> [UInt8] {
        var file = file
        file.replaceSubrange((start + place)..<(start + place + bytes.count), with: bytes)
        file.replaceSubrange((start + 148)..<(start + 156), with: [UInt8](repeating: 32, count: 8))
        let sum = file[start..<(start + 512)].reduce(0) { $0 + Int($1) }
        file.replaceSubrange((start + 148)..<(start + 156), with: Array(String(format: "%06o", sum).utf8) + [0, 32])
        return file
    }

    @Test("lying sizes") func lyingSizes() throws {
        let file = shard("ustar.tar")
        // The first image's header is the second block.
        for size in ["77777777777\0", "00000100000\0"] {
            let found = firstError(try folder.write("lie.tar", changed(file, header: 512, at: 124, to: Array(size.utf8))))
            guard case .truncated(_, let reason) = found else { Issue.record("\(size): \(String(describing: found))"); continue }
            #expect(reason.contains("a/0001.png"))
        }
        let huge = [0x80] + [UInt8](repeating: 0, count: 3) + [0x7F] + [UInt8](repeating: 0xFF, count: 7)
        let negative = [UInt8](repeating: 0xFF, count: 12), text = Array("xyz 9999999\0".utf8)
        for size in [huge, negative, text, [UInt8](repeating: 0x80, count: 12)] {
            let found = firstError(try folder.write("lie.tar", changed(file, header: 512, at: 124, to: size)))
            #expect(isOneLine(found) && found?.subject?.hasPrefix(folder.path + "/lie.tar") == true, "\(String(describing: found))")
        }
        // Too short by one byte: what is there is a broken image, named. By a block, either way: data would be read as a header.
        let short = firstError(try folder.write("lie.tar", changed(file, header: 512, at: 124, to: Array("00000000115\0".utf8))))
        #expect(short?.subject == folder.path + "/lie.tar/a/0001.png")
        for size in ["00000000000\0", "00000001001\0"] {
            let found = firstError(try folder.write("lie.tar", changed(file, header: 512, at: 124, to: Array(size.utf8))))
            guard case .badArchive = found else { Issue.record("\(size): \(String(describing: found))"); continue }
            #expect(isOneLine(found))
        }
    }

    @Test("every type of member") func everyTypeOfMember() throws {
        let file = shard("ustar.tar")
        for type in UInt8.min...UInt8.max {
            let path = try folder.write("type.tar", changed(file, header: 512, at: 156, to: [type]))
            let found = error { () throws(VisionError) in
                let source = try openDataset(at: path, role: .train)
                #expect(source.count <= 5)
                for index in 0..<source.count { _ = try source.image(at: index) }
            }
            if let found { #expect(isOneLine(found), "type \(type)") }
        }
    }

    @Test("every byte of the headers") func everyByteOfTheHeaders() throws {
        let file = shard("pax.tar")
        for start in stride(from: 0, to: file.count - 1024, by: 512) {
            for place in [0, 100, 124, 130, 135, 148, 156, 157, 257, 263, 345, 386, 482] {
                for value in [0, 0x20, 0x39, 0x80, 0xFF] as [UInt8] {
                    let found = firstError(try folder.write("byte.tar", changed(file, header: start, at: place, to: [value])))
                    if let found { #expect(isOneLine(found), "\(start) \(place) \(value)") }
                }
            }
        }
    }

    @Test("endless special headers") func endlessSpecialHeaders() throws {
        // A long-name header that is followed by nothing but others of its kind.
        let file = shard("gnu.tar")
        let start = try #require(stride(from: 0, to: file.count, by: 512).first { file[$0 + 156] == UInt8(ascii: "L") })
        let link = Array(file[start..<(start + 1024)])
        let found = firstError(try folder.write("loop.tar", (0..<5000).flatMap { _ in link }))
        #expect(isOneLine(found) && found?.subject == folder.path + "/loop.tar")
    }

    @Test("labels") func labels() throws {
        let file = shard("ustar.tar")
        // The label of the first image lies in the fifth block.
        #expect(file[2048] == UInt8(ascii: "3"))
        for (text, label) in [("7\n", 7), ("+5", 5), ("-1", nil), ("x1", nil), ("1.", nil), ("\0\0", nil)] as [(String, Int?)] {
            var changed = file
            changed.replaceSubrange(2048..<2050, with: Array(text.utf8))
            let path = try folder.write("label.tar", changed)
            if let label {
                #expect(try openDataset(at: path, role: .train).label(at: 0) == label)
            } else {
                let found = firstError(path)
                guard case .badArchive(path, let reason) = found else { Issue.record("\(text): \(String(describing: found))"); continue }
                #expect(reason.contains("a/0001.cls") && isOneLine(found))
            }
        }
    }
}
