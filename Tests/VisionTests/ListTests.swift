import Testing
@testable import CurricleDatasets
@testable import CurricleVision

@Suite struct ListTests {
    let folder: TemporaryFolder
    let png = Fixture.bytes("rgb.png")

    init() throws {
        folder = try TemporaryFolder()
        for name in ["1.png", "deep/2.png", "a b.png", "ä.png"] { try folder.write("images/" + name, png) }
    }

    func open(_ text: String) throws -> any ImageSource {
        try openDataset(at: folder.write("images/list.txt", Array(text.utf8)), role: .train)
    }
    func failure(_ text: String) throws -> VisionError? { firstError(try folder.write("images/list.txt", Array(text.utf8))) }

    @Test("names in the lists order") func namesInTheListsOrder() throws {
        let source = try open("# images\ndeep/2.png\n\n  \n1.png\r\na b.png\n../images/ä.png\n\(folder.path)/images/1.png")
        let root = folder.path + "/images/"
        #expect(
            (0..<source.count).map { source.name(at: $0) }
                == [root + "deep/2.png", root + "1.png", root + "a b.png", root + "../images/ä.png", root + "1.png"].map { ByteName($0) })
        #expect(source.classNames.isEmpty && source.label(at: 0) == nil)
        for index in 0..<5 { #expect(try source.image(at: index) == decodeImage(bytes: png, name: "")) }
    }

    @Test("classes after a tab") func classesAfterATab() throws {
        let source = try open("1.png\twild cat\ndeep/2.png\tAnt\na b.png\twild cat\r\n")
        #expect(source.classNames == ["Ant", "wild cat"] && (0..<4).map { source.label(at: $0) } == [1, 0, 1, nil])
    }

    @Test("lines are named") func linesAreNamed() throws {
        let list = folder.path + "/images/list.txt"
        for (text, line) in [
            ("1.png\n\n# two\nnot there.png\n", 4), ("1.png\ndeep\n", 2), ("1.png\tcat\na b.png\n", 2), ("1.png\na b.png\tcat\n", 2),
            ("1.png\n\tcat\n", 2),
            ("1.png\0x\n", 1), ("", 1), ("#\n", 1)
        ] {
            let found = try failure(text)
            guard case .badListEntry(list, line, _) = found else { Issue.record("\(text): \(String(describing: found))"); continue }
            #expect(isOneLine(found) && found?.description.hasPrefix("\(list):\(line): ") == true)
        }
    }

    @Test("cut anywhere") func cutAnywhere() throws {
        let text = "1.png\tcat\ndeep/2.png\tdog\na b.png\tcat\n"
        for length in 0..<text.utf8.count {
            let found = try failure(String(text.prefix(length)))
            if let found { guard case .badListEntry = found else { Issue.record("\(length)"); continue } }
        }
    }
}
