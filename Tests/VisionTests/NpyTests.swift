import Testing
@testable import CurricleDatasets
@testable import CurricleVision

@Suite struct NpyTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    /// An .npy file of version 1 with any header text.
    func npy(_ text: String, _ data: [UInt8], version: [UInt8] = [1, 0]) -> [UInt8] {
        let length = text.utf8.count
        return [0x93] + Array("NUMPY".utf8) + version + [UInt8(length & 255), UInt8(length >> 8)] + (version[0] > 1 ? [0, 0] : [])
            + Array(text.utf8) + data
    }
    func failure(_ text: String, _ count: Int, version: [UInt8] = [1, 0]) throws -> VisionError? {
        firstError(try folder.write("x.npy", npy(text, [UInt8](repeating: 5, count: count), version: version)))
    }
    func isRefused(_ error: VisionError?) -> Bool {
        guard case .badArrayFile = error else { return false }
        return isOneLine(error)
    }

    @Test("cases are there") func casesAreThere() { #expect(DatasetCases.all?.arrays.count == 3 && DatasetCases.all?.pictures.count == 2) }

    @Test("equals NumPy", arguments: DatasetCases.all?.arrays ?? []) func equalsNumpy(_ one: DatasetCases.Array) throws {
        let source = try openDataset(at: DatasetCases.path(one.file), role: .train)
        let size = one.shape.dropFirst().reduce(1, *)
        #expect(source.count == one.shape[0] && source.classNames.isEmpty && source.label(at: 0) == nil)
        for index in 0..<source.count {
            let image = try source.image(at: index)
            #expect([image.height, image.width, image.channels] == Array((one.shape + [1])[1..<4]))
            #expect(image.pixels == Array(one.bytes[(index * size)..<((index + 1) * size)]))
        }
        #expect(source.name(at: 1) == ByteName(DatasetCases.path(one.file) + "#1"))
        #expect(
            error { () throws(VisionError) in try source.image(at: source.count) }
                == .indexOutOfRange(index: source.count, count: source.count))
    }

    @Test("in folders", arguments: DatasetCases.all?.pictures ?? []) func inFolders(_ one: DatasetCases.Array) throws {
        try folder.write("a/1.npy", Fixture.bytes("datasets/" + one.file))
        try folder.write("b/2.png", Fixture.bytes("rgb.png"))
        let source = try openDataset(at: folder.path, role: .train)
        #expect(source.classNames == ["a", "b"] && source.label(at: 1) == 1)
        let image = try source.image(at: 0)
        #expect(
            [image.height, image.width] == Array(one.shape[..<2]) && image.channels == (one.shape + [1])[2] && image.pixels == one.bytes)
        #expect(try source.image(at: 1) == decodeImage(bytes: Fixture.bytes("rgb.png"), name: ""))
    }

    @Test("other kinds are refused") func otherKindsAreRefused() throws {
        let cases = try #require(DatasetCases.all)
        for file in [cases.fortran, cases.floats] { #expect(isRefused(firstError(DatasetCases.path(file)))) }
        #expect(isRefused(firstError(DatasetCases.path("hw.npy"))))  // one image is no dataset by itself
        try folder.write("many.npy", Fixture.bytes("datasets/nhwc.npy"))
        #expect(isRefused(firstError(folder.path)))  // and many are no image
    }

    /// One photograph [H, W, C] and H grey images [H, W] look alike.
    @Test("a shape that fits one picture and many grey ones is refused with both named")
    func ambiguousShapes() throws {
        func opened(_ shape: [Int]) throws -> VisionError? {
            let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (\(shape.map(String.init).joined(separator: ", "))), }"
            return try failure(header, shape.reduce(1, *))
        }
        for shape in [[40, 60, 3], [40, 60, 4], [40, 60, 1], [40, 60, 2], [100, 64, 12]] {
            let found = try opened(shape)
            #expect(isRefused(found))
            for words in [
                "one picture of \(shape[0])×\(shape[1]) in \(shape[2]) channels", "\(shape[0]) grey ones of \(shape[1])×\(shape[2])",
                "[1, \(shape[0]),", "\(shape[2]), 1]"
            ] {
                #expect(found?.description.contains(words) == true, "\(words): \(String(describing: found))")
            }
        }
        for shape in [[8, 32, 32], [3, 32, 32], [30, 8, 8], [40, 60, 3, 1], [1, 40, 60, 3]] {
            #expect(try opened(shape) == nil, "\(shape)")
        }
    }

    @Test("header forms") func headerForms() throws {
        for text in [
            "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2, 3, 1), }   \n",
            "{\"shape\":(1,2,3,1),\"fortran_order\":False,\"descr\":\"u1\"}",
            "{'shape': (1L, 2L, 3L, 1L), 'descr': '<u1', 'fortran_order': False}"
        ] {
            for version in [[1, 0], [2, 0], [3, 0]] as [[UInt8]] { #expect(try failure(text, 6, version: version) == nil) }
        }
    }

    @Test("hostile headers") func hostileHeaders() throws {
        func header(_ shape: String) -> String { "{'descr': '|u1', 'fortran_order': False, 'shape': \(shape), }" }
        for text in [
            "", "{", "}", "{}", "{'descr'", "{'descr': ", "{'descr': '|u1", "{'descr': '|u1', 'fortran_order': False}", header("(2, 3, 1"),
            header("(2 3 1)"), header("(-2, 3, 1)"), header("(2, 3, 1.0)"), header("(99999999999999999999, 3, 1)"), header("2"),
            header("(,)"), header("(2, 3, 1)") + "x",
            header("(2, 3, 1), 'shape': (2, 3, 1)"),
            header("(2, 3, 1), 'more': 1"), header("(" + String(repeating: "1, ", count: 40) + ")"), header("(0, 3, 1)"),
            header("(2, 0, 1)"),
            header("()"), header("(6,)"),
            header("(4294967296, 4294967296, 4294967296)"), header("(1, 1, 1, 6, 1)"),
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 1)}",
            "{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (2, 3, 1)}",
            "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3, 1)}",
            "{'descr': '|u\n1\u{1B}[2J', 'fortran_order': False, 'shape': (2, 3, 1)}",
            "{'descr': '|u1', 'fortran_order': Maybe, 'shape': (2, 3, 1)}"
        ] { #expect(isRefused(try failure(text, 6)), "\(text)") }
        #expect(isRefused(try failure(header("(2, 3, 1)"), 7)))
        guard case .truncated = try failure(header("(2, 3, 1)"), 5) else { Issue.record("one sample less"); return }
        guard case .truncated = try failure(header("(1000000, 1000, 1000)"), 6) else { Issue.record("more than memory"); return }
        #expect(isRefused(try failure(header("(1, 1, 2, 300)"), 600)))
        guard case .badDimensions = try failure(header("(1, 1, 20000)"), 20000) else { Issue.record("too wide"); return }
        #expect(isRefused(try failure(header("(2, 3, 1)"), 6, version: [4, 0])))
        #expect(
            isRefused(
                firstError(
                    try folder.write(
                        "x.npy", [0x93] + Array("NUMPY".utf8) + [2, 0, 255, 255, 255, 255] + [UInt8](repeating: 32, count: 100)))))
    }

    @Test("truncated anywhere") func truncatedAnywhere() throws {
        let whole = Fixture.bytes("datasets/nhw-3.npy")
        for length in 0..<whole.count {
            let path = try folder.write("cut.npy", Array(whole[..<length]))
            switch firstError(path) {
            case .truncated(path, _) where length > 0, .foreignFile(path, "empty", _) where length == 0: break
            default: Issue.record("\(length)")
            }
        }
        #expect(firstError(try folder.write("cut.npy", whole)) == nil)
    }

    @Test("every byte of the header") func everyByteOfTheHeader() throws {
        let whole = Fixture.bytes("datasets/nhw-3.npy")
        for place in 0..<(whole.count - 126) {
            for value in [0, 0x20, 0x27, 0x28, 0x29, 0x2C, 0x31, 0x39, 0x7B, 0x7D, 0xFF] as [UInt8] {
                var changed = whole
                changed[place] = value
                if let found = firstError(try folder.write("byte.npy", changed)) { #expect(isOneLine(found)) }
            }
        }
    }

    @Test("resizes any number of channels", arguments: DatasetCases.all?.resize ?? []) func resizesAnyNumberOfChannels(
        _ one: DatasetCases.Resize
    ) {
        let image = noise(height: one.height, width: one.width, channels: one.channels)
        let result = resizeBicubic(image, box: CropBox(whole: image), width: one.toWidth, height: one.toHeight, order: .horizontalFirst)
        #expect(result.channels == one.channels && result.pixels == one.pixels)
    }

    @Test("resizes a box of many channels") func resizesABoxOfManyChannels() {
        // Each channel for itself, by the path that one channel takes.
        let image = noise(height: 11, width: 14, channels: 6), box = CropBox(top: 2, left: 3, height: 8, width: 10)
        let result = resizeBicubic(image, box: box, width: 5, height: 7)
        for channel in 0..<6 {
            let plane = PixelImage(
                width: 14, height: 11, channels: 1, pixels: stride(from: channel, to: image.pixels.count, by: 6).map { image.pixels[$0] })
            #expect(
                resizeBicubic(plane, box: box, width: 5, height: 7).pixels
                    == stride(from: channel, to: result.pixels.count, by: 6).map { result.pixels[$0] })
        }
    }
}
