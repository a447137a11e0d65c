import Foundation
import Testing
@testable import CurricleDatasets
@testable import CurricleVision

/// Names that are no UTF-8, or are equal to `String` though they differ.
@Suite("Names are bytes") struct NameTests {
    let folder: TemporaryFolder
    let png = Fixture.bytes("rgb.png")
    init() throws { folder = try TemporaryFolder() }

    private static let composed = ByteName("caf\u{E9}"), decomposed = ByteName("cafe\u{301}"), latin = ByteName(Array("caf".utf8) + [0xE9])

    /// Writes a file whose path has any bytes, with its folders.
    private func write(_ name: ByteName, _ bytes: [UInt8]) throws -> ByteName {
        let path = ByteName(folder.path).appending(name)
        var missing: [ByteName] = [], parent = path.folder
        while FileFacts(parent) == nil {
            missing.append(parent)
            parent = parent.folder
        }
        for folder in missing.reversed() { try #require(folder.withCString { mkdir($0, 0o755) } == 0) }
        let file = path.withCString { open($0, O_CREAT | O_WRONLY | O_TRUNC, 0o644) }
        try #require(file >= 0)
        defer { close(file) }
        try #require(bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) } == bytes.count)
        return path
    }

    @Test("names are equal, ordered and stored by their bytes")
    func bytes() throws {
        let names = [Self.composed, Self.decomposed, Self.latin]
        #expect(Set(names).count == 3 && names.sorted() == [Self.decomposed, Self.composed, Self.latin])
        #expect("\(Self.composed)" == "\(Self.decomposed)" && "\(Self.latin)" == "caf\u{FFFD}")
        let awkward: [[UInt8]] = [
            [], [0xFF], [0xC3], [0xC3, 0x28], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF0, 0x9F, 0x98], [0xC0, 0xAF],
            Array("\u{EF80}\u{EFFF}\u{EF7F}".utf8), [0xEE, 0xBE, 0x80, 0xE9]
        ]
        for bytes in awkward + names.map(\.bytes) {
            let name = ByteName(bytes)
            #expect(ByteName(stored: name.stored) == name, "\(bytes)")
        }
        #expect(Self.composed.stored == "caf\u{E9}" && Self.latin.stored == "caf\u{EFE9}")
        // Different bytes are stored as different text, even to what compares text by its bytes alone.
        #expect(Set(awkward.map { ByteName(ByteName($0).stored) }).count == awkward.count)
        #expect(ByteName("a\u{1B}b\n").bytes == [0x61, 0x1B, 0x62, 0x0A] && "\(ByteName("a\u{1B}b\n"))" == "a\u{FFFD}b\u{FFFD}")
    }

    @Test("class folders in Latin-1, composed and decomposed are classes of their own")
    func classes() throws {
        for (place, name) in [Self.composed, Self.decomposed, Self.latin, "house"].enumerated() {
            for index in 0...place { _ = try write(name.appending(ByteName("\(index).png")), png) }
        }
        let source = try openDataset(at: folder.path, role: .train)
        #expect(source.count == 10 && source.classNames == [Self.decomposed, Self.composed, Self.latin, "house"])
        #expect((0..<10).map { source.label(at: $0) } == [0, 0, 1, 2, 2, 2, 3, 3, 3, 3])
        for index in 0..<10 { #expect(try source.image(at: index) == decodeImage(bytes: png, name: "")) }
        // And the test part's are told apart by the training part's.
        let again = try source.labelled(byNames: ["zebra", "house", Self.latin, Self.composed, Self.decomposed])
        #expect((0..<10).map { again.label(at: $0) } == [4, 4, 3, 2, 2, 2, 1, 1, 1, 1])
        let found = error { () throws(VisionError) in try source.labelled(byNames: [Self.composed, Self.decomposed, "house", "x"]) }
        guard case .unknownClass("caf\u{FFFD}", _, _) = found else { Issue.record("\(String(describing: found))"); return }
    }

    @Test("a combining mark behind a folder's slash does not unlabel a dataset")
    func combiningMark() throws {
        _ = try write("a/\u{301}x.png", png)
        _ = try write("b/1.png", png)
        let source = try openDataset(at: folder.path, role: .train)
        #expect(source.classNames == ["a", "b"] && source.label(at: 0) == 0)
    }

    @Test("files in Latin-1 are opened, from a folder and from a list")
    func files() throws {
        for number in 0..<3 { _ = try write(ByteName(Array("bl".utf8) + [0xFC] + Array("\(number).png".utf8)), png) }
        let source = try openDataset(at: folder.path, role: .train)
        #expect(source.count == 3 && source.name(at: 1).bytes.suffix(8) == [0x62, 0x6C, 0xFC, 0x31, 0x2E, 0x70, 0x6E, 0x67])
        #expect(try source.image(at: 2) == decodeImage(bytes: png, name: ""))
        let list = try write(
            "list.txt",
            [
                0x62, 0x6C, 0xFC, 0x30, 0x2E, 0x70, 0x6E, 0x67, 9, 0x63, 0xE9, 10, 0x62, 0x6C, 0xFC, 0x31, 0x2E, 0x70, 0x6E, 0x67, 9, 0xC3,
                0xA9, 10
            ])
        let listed = try openDataset(at: list, role: .train)
        #expect(listed.classNames == [ByteName([0x63, 0xE9]), ByteName([0xC3, 0xA9])] && listed.count == 2)
        #expect(try listed.image(at: 0) == decodeImage(bytes: png, name: ""))
    }

    /// A POSIX header and its bytes, padded.
    private func member(_ name: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
        func field(_ text: String, _ size: Int) -> [UInt8] { Array(text.utf8) + [UInt8](repeating: 0, count: size - text.utf8.count) }
        var header = name + [UInt8](repeating: 0, count: 100 - name.count)
        header +=
            field("0000644", 8) + field("0000000", 8) + field("0000000", 8) + field(String(format: "%011o", bytes.count), 12)
            + field("00000000000", 12)
        header +=
            [UInt8](repeating: 32, count: 8) + [UInt8(ascii: "0")] + [UInt8](repeating: 0, count: 100) + field("ustar", 6) + field("00", 2)
        header += [UInt8](repeating: 0, count: 512 - header.count)
        header.replaceSubrange(148..<156, with: field(String(format: "%06o", header.reduce(0) { $0 + Int($1) }), 7) + [32])
        return header + bytes + [UInt8](repeating: 0, count: (512 - bytes.count % 512) % 512)
    }

    @Test("a shard's members in Latin-1 are samples of their own, with their own labels")
    func members() throws {
        let names: [[UInt8]] = [[0xE9], [0xE8], [0xFC], Array("e\u{301}".utf8), Array("\u{E9}".utf8)]
        let tar = names.enumerated().flatMap { number, name in
            member(name + Array(".png".utf8), png) + member(name + Array(".cls".utf8), Array("\(number)".utf8))
        }
        let path = try folder.write("x.tar", tar + [UInt8](repeating: 0, count: 1024))
        let source = try openDataset(at: path, role: .train)
        #expect((0..<source.count).map { source.label(at: $0) } == [0, 1, 2, 3, 4])
        #expect((0..<source.count).map { source.name(at: $0) } == names.map { ByteName(Array("\(path)/".utf8) + $0 + Array(".png".utf8)) })
        #expect(try source.image(at: 3) == decodeImage(bytes: png, name: ""))
    }

    // What tar says of names and labels

    @Test("names with more than one dot are told why they are no samples, and a missing label names its sample")
    func shardMessages() throws {
        func shard(_ members: [(String, String)]) throws -> String {
            try folder.write(
                "y.tar",
                members.flatMap { member(Array($0.0.utf8), $0.1.isEmpty ? png : Array($0.1.utf8)) } + [UInt8](repeating: 0, count: 1024))
        }
        let dotted = try shard([("ILSVRC2012.val.01.png", ""), ("ILSVRC2012.val.02.png", "")])
        let found = error { () throws(VisionError) in try openDataset(at: dotted, role: .train) }
        #expect(
            found?.description.contains("ILSVRC2012.val.01.png has the key ILSVRC2012 and the suffix .val.01.png") == true
                && isOneLine(found))
        let some = try openDataset(
            at: shard([
                ("0.png", ""), ("0.cls", "0"), ("1.png", ""), ("2.png", ""), ("2.cls", "1"), ("a.b.png", ""), ("3.png", ""),
                ("x.txt", "hello")
            ]), role: .train)
        #expect(some.count == 4 && some.missingLabels?.contains("/1.png has no .cls") == true)
        #expect(some.notes.contains { $0.contains("1 picture left out") } && some.notes.contains { $0.contains(".txt 1") })
        let apart = try openDataset(at: shard([("0.png", ""), ("1.png", ""), ("1.cls", "0"), ("0.cls", "1")]), role: .train)
        #expect(
            try openDataset(at: shard([("0.png", ""), ("1.png", ""), ("0.cls", "0"), ("1.cls", "1")]), role: .train).missingLabels?
                .contains("/0.png has no .cls") == true)
        #expect(apart.missingLabels?.contains("/0.png has no .cls") == true && apart.notes.contains { $0.contains("0.cls has no image") })
        let none = try openDataset(at: shard([("0.png", ""), ("1.png", "")]), role: .train)
        #expect(none.missingLabels == nil && none.notes.isEmpty)
    }

    @Test("a tar that holds one name twice says so: which label belongs to which image is not clear")
    func twice() throws {
        for names in [["a.png", "a.cls", "a.png", "a.cls"], ["a.cls", "a.png", "a.cls"]] {
            let members = names.flatMap { member(Array($0.utf8), $0.hasSuffix("png") ? png : Array("1".utf8)) }
            let path = try folder.write("twice.tar", members + [UInt8](repeating: 0, count: 1024))
            let found = error { () throws(VisionError) in try openDataset(at: path, role: .train) }
            guard case .badArchive(_, let reason) = found else { Issue.record("\(String(describing: found))"); continue }
            #expect(reason.contains("twice"))
        }
    }

    @Test("shards are named as WebDataset names them")
    func braces() throws {
        func expanded(_ text: String) -> [String] { expandedBraces(ByteName(text)).map { "\($0)" } }
        #expect(expanded("s-{008..011}.tar") as [String] == ["s-008.tar", "s-009.tar", "s-010.tar", "s-011.tar"])
        #expect(expanded("{a,b}/{1..2}") == ["a/1", "a/2", "b/1", "b/2"])
        #expect(expanded("s-{a..c}") == ["s-a", "s-b", "s-c"] && expanded("{c..a}") == ["{c..a}"])
        #expect(expanded("{9..10}") == ["9", "10"] && expanded("{3..3}x") == ["3x"])
        for text in ["", "plain", "{x}", "{2..1}", "{1..}", "{..}", "{-1..1}", "{0..99999999}", "}{", "{"] {
            #expect(expanded(text) == [text])
        }
        for number in 8...10 {
            try folder.write(
                String(format: "s-%03d.tar", number),
                member([UInt8(0x30 + number % 10)] + Array(".png".utf8), png) + [UInt8](repeating: 0, count: 1024))
        }
        let source = try openDataset(at: folder.path + "/s-{008..010}.tar", role: .train)
        #expect(source.count == 3 && source.shards.count == 3)
        #expect(try openDataset(at: "\(folder.path)/s-008.tar::\(folder.path)/s-010.tar", role: .train).count == 2)
        let missing = error { () throws(VisionError) in try openDataset(at: folder.path + "/s-{008..011}.tar", role: .train) }
        #expect(missing == .notFound(path: folder.path + "/s-011.tar"))
    }
}
