import CurricleDatasets
import Foundation
import CurricleModels
import CurricleRuntime
import CurricleTestSupport
import Testing
import CurricleVision
@testable import CurricleEngine
@testable import CurricleFeatures
@testable import CurricleStorage
@testable import CurricleWeights

/// Pictures of several sizes, in memory.
private struct MadePictures: ImageSource {
    let count: Int
    let channels: Int
    var classNames: [ByteName] { [] }
    func label(at index: Int) -> Int? { nil }
    func name(at index: Int) -> ByteName { "picture \(index)" }
    func image(at index: Int) throws(VisionError) -> PixelImage {
        let width = 20 + index * 7 % 60, height = 18 + index * 11 % 50
        let channels = index % 9 == 4 ? 1 : channels
        return PixelImage(
            width: width, height: height, channels: channels,
            pixels: (0..<(width * height * channels)).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7 &+ index * 31) })
    }
}

@Suite struct ProgramFileTests {
    private static let small = ModelConfiguration(
        imageHeight: 30, imageWidth: 30, patchSize: 6, channels: 3, embedWidth: 40, depth: 2, heads: 5, maskerHeads: 4)

    private func extractor(_ configuration: ModelConfiguration = small, isa: ISA = .best) throws -> FeatureExtractor {
        let model = try ModelRuntime(configuration, parts: .encoder, trains: false, threads: 2, isa: isa)
        model.initialize(seed: 3)
        let folder = try TemporaryFolder(), path = folder.file("weights.safetensors")
        try WeightsFile.write(WeightsFile.tensors(of: model), metadata: ["curricle.model": WeightsFile.json(configuration)], to: path)
        let description = try WeightsDescription(Checkpoint(path: path, layout: .mae), heads: nil, imageHeight: nil, imageWidth: nil)
        return FeatureExtractor(model, description)
    }

    private func features(_ path: String, _ source: any ImageSource, threads: Int, isa: ISA) throws -> [Float] {
        var all: [Float] = []
        try ProgramExtraction(ProgramFile(path: path, threads: threads, isa: isa)).run(source) { range, features in
            #expect(range.lowerBound * features.count / range.count == all.count)
            all += features
        }
        return all
    }

    @Test("features of 50 pictures by the library have the bits of the loader's and the compiler's own path", arguments: ISA.available)
    func sameBits(isa: ISA) throws {
        let folder = try TemporaryFolder(), extractor = try extractor(isa: isa), pictures = MadePictures(count: 50, channels: 3)
        for pool in [Pooling.cls, .mean, .clsAndMean] {
            let expected = try extractor.features(pictures, pool: pool, batchSize: 16)
            for (images, threads) in [(1, 1), (7, 2), (64, 3)] {
                let path = folder.file("\(pool)-\(images)")
                try extractor.program(images: images, pool: #require(FeaturePooling(rawValue: pool.rawValue))).write(to: path)
                #expect(
                    try features(path, pictures, threads: threads, isa: isa).map(\.bitPattern) == expected.map(\.bitPattern),
                    "\(pool), \(images) images a run")
            }
        }
    }

    /// Outputs take their residual's place up to some depth of the product, and not beyond: the checker knows as much as the compiler.
    @Test("what the compiler shares, the library's checker allows", arguments: [40, 96, 192, 224])
    func depths(_ width: Int) throws {
        let c = ModelConfiguration(
            imageHeight: 24, imageWidth: 24, patchSize: 6, channels: 3, embedWidth: width, depth: 2, heads: 4, maskerHeads: 4)
        let folder = try TemporaryFolder(), extractor = try extractor(c), pictures = MadePictures(count: 3, channels: 3)
        try extractor.program(images: 3, pool: .cls).write(to: folder.file("p"))
        let expected = try extractor.features(pictures, pool: .cls)
        #expect(try features(folder.file("p"), pictures, threads: 1, isa: .best).map(\.bitPattern) == expected.map(\.bitPattern))
    }

    @Test("class token and mean stand one behind the other")
    func both() throws {
        let extractor = try extractor(), pictures = MadePictures(count: 5, channels: 3), D = Self.small.embedWidth
        let both = try extractor.features(pictures, pool: .clsAndMean), cls = try extractor.features(pictures, pool: .cls),
            mean = try extractor.features(pictures, pool: .mean)
        for image in 0..<5 {
            let row = both[(image * 2 * D)..<((image + 1) * 2 * D)]
            #expect(
                row.prefix(D).elementsEqual(cls[(image * D)..<((image + 1) * D)])
                    && row.suffix(D).elementsEqual(mean[(image * D)..<((image + 1) * D)]))
        }
    }

    @Test("an extraction that was cut short is taken up where the pictures are the same, to the same bytes")
    func takenUp() throws {
        let folder = try TemporaryFolder(), pictures = folder.file("pictures")
        try FileManager.default.createDirectory(atPath: pictures, withIntermediateDirectories: true)
        let picture = try Data(contentsOf: URL(filePath: checkpointFixture("square/waves.png")))
        for i in 0..<7 { try picture.write(to: URL(filePath: "\(pictures)/\(i).png")) }
        try extractor().program(images: 2, pool: .mean).write(to: folder.file("p"))
        let extraction = try ProgramExtraction(ProgramFile(path: folder.file("p"), threads: 1)),
            source = try openDataset(at: pictures, role: .test)
        let key = extraction.key(source, DecodeOptions()), output = folder.file("f.npy")
        #expect(try extraction.key(openDataset(at: pictures, role: .test), DecodeOptions()) == key)

        func write(_ name: String, until: Int) throws {
            var array = try NumpyFile(path: folder.file(name), shape: [7, extraction.width], key: key)
            try extraction.run(source, from: array.rows) { range, features in
                guard range.lowerBound < until else { throw LearningError.configuration("cut") }
                try array.append(features)
            }
            try array.publish()
        }
        try write("whole.npy", until: 7)
        #expect(throws: LearningError.self) { try write("f.npy", until: 3) }
        #expect(try NumpyFile(path: output, shape: [7, extraction.width], key: key).rows == 4)
        try write("f.npy", until: 7)
        #expect(try folder.bytes("f.npy") == folder.bytes("whole.npy"))

        // Another picture under an old name.
        try (picture + Data([0])).write(to: URL(filePath: "\(pictures)/3.png"))
        #expect(try extraction.key(openDataset(at: pictures, role: .test), DecodeOptions()) != key)
        try picture.write(to: URL(filePath: "\(pictures)/7.png"))
        #expect(try extraction.key(openDataset(at: pictures, role: .test), DecodeOptions()) != key)
    }

    @Test("of an earlier layer, the same as of an encoder that ends there")
    func layers() throws {
        let folder = try TemporaryFolder(), pictures = try openDataset(at: checkpointFixture("square"), role: .test),
            weights = checkpointFixture("timm.safetensors")
        let file = try TensorFile(path: weights), all = file.names.filter { !$0.hasPrefix("blocks.1.") }
        // The fixture has two blocks: a file without the second is an encoder of one.
        try WeightsFile.write(
            all.map { name in (name, file.shape(of: name) ?? [], { try file.floats(name) }) }, metadata: ["format": "pt"],
            to: folder.file("short.safetensors"))
        func features(_ path: String, layer: Int?) throws -> [Float] {
            try FeatureExtractor(weights: path, heads: 4, layer: layer, threads: 1, isa: .best).features(pictures, pool: .clsAndMean)
        }
        #expect(try features(weights, layer: 1) == features(folder.file("short.safetensors"), layer: nil))
        #expect(try features(weights, layer: 2) == features(weights, layer: nil))
        #expect(try features(weights, layer: 1) != features(weights, layer: 2))
        #expect(throws: LearningError.self) { try features(weights, layer: 3) }
    }

    @Test("of the mean before the last norm, through a norm of its own, the same as the judges take")
    func normalizedMean() throws {
        let folder = try TemporaryFolder(), pictures = try openDataset(at: checkpointFixture("square"), role: .test),
            weights = checkpointFixture("timm.safetensors")
        let extractor = try FeatureExtractor(weights: weights, heads: 4, pool: .normalizedMean, threads: 1, isa: .best)
        try extractor.program(images: 2, pool: .mean).write(to: folder.file("p"))
        let judged = try extractor.features(pictures, pool: .normalizedMean)
        #expect(try features(folder.file("p"), pictures, threads: 1, isa: .best) == judged)
        #expect(
            try judged
                != FeatureExtractor(weights: weights, heads: 4, threads: 1, isa: .best).features(pictures, pool: .mean),
            "no norm of its own")
    }

    @Test("features that overflow are an error that names the image")
    func overflow() throws {
        let folder = try TemporaryFolder(), model = try ModelRuntime(Self.small, parts: .encoder, trains: false, threads: 1, isa: .best)
        model.initialize(seed: 3)
        let weight = try #require(model.parameters["blocks.1.mlp.fc2.weight"])
        model.set(weight, in: model.session.parameters, Array(repeating: 3e38, count: weight.referenceShape.reduce(1, *)))
        let program = try EncoderProgram(model, normalization: .standard(channels: 3), images: 2, output: .features(.mean))
        try program.write(to: folder.file("p"))
        let error = #expect(throws: LearningError.self) {
            try features(folder.file("p"), MadePictures(count: 3, channels: 3), threads: 1, isa: .best)
        }
        #expect(error?.message.description.contains("picture 0 features that are not finite") == true)
    }

    @Test("patch tokens are those whose mean is the mean")
    func tokens() throws {
        let folder = try TemporaryFolder(), extractor = try extractor(), pictures = MadePictures(count: 5, channels: 3)
        try extractor.program(images: 2, pool: .tokens).write(to: folder.file("tokens"))
        let tokens = try features(folder.file("tokens"), pictures, threads: 1, isa: .best),
            mean = try extractor.features(pictures, pool: .mean)
        let L = Self.small.patches, D = Self.small.embedWidth
        #expect(tokens.count == 5 * L * D)
        for image in 0..<5 {
            for d in 0..<D {
                let sum = (0..<L).reduce(0.0) { $0 + Double(tokens[(image * L + $1) * D + d]) }
                #expect(abs(sum / Double(L) - Double(mean[image * D + d])) < 1e-6)
            }
        }
    }

    @Test("pictures that are not square fit models that are not")
    func rectangles() throws {
        var wide = Self.small
        wide.imageWidth = 48
        let folder = try TemporaryFolder(), extractor = try extractor(wide), pictures = MadePictures(count: 20, channels: 3)
        try extractor.program(images: 3, pool: .cls).write(to: folder.file("wide"))
        #expect(
            try features(folder.file("wide"), pictures, threads: 1, isa: .best).map(\.bitPattern)
                == extractor.features(pictures, pool: .cls).map(\.bitPattern))
    }

    /// A second reader, by the words of docs/PROGRAM_FORMAT.md.
    @Test("the file is what the format's description says")
    func format() throws {
        let folder = try TemporaryFolder(), extractor = try extractor()
        try extractor.program(images: 2, pool: .mean).write(to: folder.file("p"))
        let bytes = try folder.bytes("p"), c = Self.small
        func word(_ at: Int) -> Int { (0..<4).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) } }
        func wide(_ at: Int) -> Int { word(at) | word(at + 4) << 32 }
        #expect(String(decoding: bytes[0..<8], as: UTF8.self) == "CURRICLE" && word(8) == 1 && wide(16) == bytes.count && word(24) == 256)
        #expect(word(12) == Int(CRC32C.checksum(Array(bytes[16...]))))
        #expect(word(28) == 1 && (32...52).filter { $0 % 4 == 0 }.map(word) == [2, 30, 30, 3, 1, 40] && word(60) == 136)
        var end = 256
        for section in [64, 80, 96, 112] {
            #expect(wide(section) % 64 == 0 && wide(section) >= end && wide(section) - end < 64)
            end = wide(section) + wide(section + 8)
        }
        #expect(bytes.count - end < 64 && bytes.count % 64 == 0 && wide(72) == word(56) * 136)
        #expect(bytes[144..<256].allSatisfy { $0 == 0 })
        // The first instruction: patchify, the arena, the input, the scalars; images, rows, columns, patch, channels.
        let first = wide(64)
        #expect(word(first) == 31 && bytes[first + 15] == 0 && bytes[first + 23] == 6 && wide(first + 24) == 11 << 56 | 128)
        #expect((0..<5).map { word(first + 80 + 4 * $0) } == [2, 5, 5, 6, 3])
        // Pixels: scale and shift of each channel, in the scalars from byte 128 on.
        let scale = (0..<6).map { Float(bitPattern: UInt32(word(wide(80) + 128 + 4 * $0))) }
        for (i, (mean, deviation)) in zip([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]).enumerated() {
            #expect(abs(scale[i] - Float(1 / (255 * deviation))) < 1e-8 && abs(scale[3 + i] + Float(mean / deviation)) < 1e-6)
        }
        // The class token comes first among the parameters.
        let token = try #require(extractor.model.parameters["cls_token"])
        let values = extractor.model.values(of: token, in: extractor.model.session.parameters)
        #expect((0..<40).map { Float(bitPattern: UInt32(word(wide(112) + 4 * $0))) } == values)
        // And our own reader agrees.
        let file = try ProgramFile(path: folder.file("p"), threads: 1)
        #expect(
            file.output == .features(.mean) && file.encoder.shape.inputBytes == 2 * 30 * 30 * 3
                && file.encoder.shape.outputCount == 2 * c.embedWidth)
        #expect(file.header.encoded == Array(bytes[0..<256]))
        #expect(file.instructions.count == word(56))
        #expect(
            file.instructionTexts[0].hasPrefix("patchify ")
                && file.instructionTexts[0].hasSuffix(" pixels+0 pixelScaleShift+0 [2, 5, 5, 6, 3]"))
    }

    /// The library makes the test's input by itself, in C, and this program's checksum is of a run on bytes that it made in Swift.
    @Test(
        "a written program's self-test holds on every ISA with fused multiply-adds, and fails where a weight has changed",
        arguments: ISA.available)
    func selfTest(isa: ISA) throws {
        let folder = try TemporaryFolder()
        var program = try extractor().program(images: 2, pool: .mean)
        let untested = try program.opened(as: "memory", threads: 1, isa: isa)
        #expect(try untested.encoder.passesSelfTest() == nil)
        try program.addSelfTest()
        try program.write(to: folder.file("tested"))
        let sound = try ProgramFile(path: folder.file("tested"), threads: 2, isa: isa)
        #expect(try sound.encoder.passesSelfTest() == (isa == .baseline ? nil : true))
        var bytes = try Data(contentsOf: URL(fileURLWithPath: folder.file("tested")))
        bytes[program.header.parameters.offset + 4 * 100 + 3] ^= 0x40  // an exponent
        try bytes.write(to: URL(fileURLWithPath: folder.file("damaged")))
        let damaged = try ProgramFile(path: folder.file("damaged"), threads: 1, isa: isa, verifiesChecksum: false)
        #expect(try damaged.encoder.passesSelfTest() == (isa == .baseline ? nil : false))
    }

    /// A file as the first version wrote it, and what tools/read_program.py, by the format's description alone, makes of its pixels.
    @Test("a file of version 1 gives what it gave when it was written, on every ISA", arguments: ISA.available)
    func versionOne(isa: ISA) throws {
        let pixels = try [UInt8](Data(contentsOf: URL(fileURLWithPath: fixture("program-v1.pixels"))))
        let expected = try Data(contentsOf: URL(fileURLWithPath: fixture("program-v1.features"))).withUnsafeBytes {
            Array($0.bindMemory(to: Float.self))
        }
        let file = try ProgramFile(path: fixture("program-v1.curricle"), threads: 2, isa: isa)
        var features = [Float](repeating: .nan, count: file.encoder.shape.outputCount)
        try pixels.withUnsafeBufferPointer { pixels in
            try features.withUnsafeMutableBufferPointer { try file.encoder.run(pixels, into: $0) }
        }
        let largest = expected.map { abs($0) }.max() ?? 0
        #expect(features.count == expected.count && zip(features, expected).allSatisfy { abs($0 - $1) <= 1e-5 * largest })
    }

    @Test("every broken file is refused with its reason and its name")
    func refusals() throws {
        let folder = try TemporaryFolder()
        try extractor().program(images: 1, pool: .cls).write(to: folder.file("good"))
        let good = try folder.bytes("good")
        func refusal(_ bytes: [UInt8]) throws -> String {
            let path = try folder.write("bad", bytes)
            do {
                _ = try ProgramFile(path: path, threads: 1)
                return "opened"
            } catch {
                #expect("\(error)".contains(path))
                return "\(error)"
            }
        }
        func changed(_ at: Int, _ value: UInt8, sealed: Bool = true) -> [UInt8] {
            var bytes = good
            bytes[at] = value
            if sealed {
                bytes.replaceSubrange(12..<16, with: withUnsafeBytes(of: CRC32C.checksum(Array(bytes[16...])).littleEndian) { Array($0) })
            }
            return bytes
        }
        #expect(try refusal([]).contains("is empty"))
        #expect(try refusal(Array("not a program".utf8)).contains("not a program file"))
        #expect(try refusal(changed(8, 9)).contains("format version"))
        #expect(try refusal(Array(good.dropLast())).contains("cut short"))
        #expect(try refusal(good + [0]).contains("behind its end"))
        #expect(try refusal(changed(good.count - 100, good[good.count - 100] ^ 4, sealed: false)).contains("checksum"))
        #expect(try refusal(changed(81, 0xFF)).contains("section"))
        #expect(try refusal(changed(35, 0xFF)).contains("size that cannot be"))
        #expect(try refusal(changed(256 + 136, 1)).contains("not one of inference"))
        #expect(try refusal(changed(256 + 136 + 13, 0xFF)).contains("operand"))
        #expect(try refusal(changed(256 + 136 + 5, 0)) == "opened")  // nothing changed
        #expect(throws: FileError.self) { try ProgramFile(path: folder.file("none"), threads: 1) }
        #expect(throws: FileError.self) { try ProgramFile(path: folder.path, threads: 1) }
    }

    /// torchvision's Resize(256) and CenterCrop(224) of a photograph, made by Pillow.
    @Test("the library's resize and crop are torchvision's")
    func resize() throws {
        let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(
            "VisionTests/Fixtures")
        func picture(_ name: String) throws -> PixelImage {
            try decodeImage(bytes: [UInt8](Data(contentsOf: fixtures.appendingPathComponent(name))), name: name)
        }
        let flower = try picture("flower.jpg"), expected = try picture("flower-eval224.png")
        #expect(try fitted(flower, width: 224, height: 224) == expected.pixels)
    }

    /// The loader's Swift and the library's C do the same, to the byte.
    @Test(
        "the library's resize and crop are the loader's",
        arguments: [(1, 1), (3, 200), (200, 3), (31, 32), (32, 31), (57, 19), (64, 64), (29, 29)])
    func resizeTwins(width: Int, height: Int) throws {
        for channels in 1...4 {
            let image = PixelImage(
                width: width, height: height, channels: channels,
                pixels: (0..<(width * height * channels)).map { UInt8(truncatingIfNeeded: $0 * 73 + $0 / 5) })
            for (toWidth, toHeight) in [(28, 28), (64, 64), (48, 24), (24, 48), (33, 31)] {
                let to = evaluationResize(of: image, height: toHeight, width: toWidth)
                let ours = resizeShorterSideAndCentreCrop(image, height: toHeight, width: toWidth, resizeTo: to)
                #expect(
                    try fitted(image, width: toWidth, height: toHeight) == ours.pixels, "to \(toWidth)×\(toHeight), \(channels) channels")
            }
        }
    }

    private func fitted(_ image: PixelImage, width: Int, height: Int) throws -> [UInt8] {
        var out = [UInt8](repeating: 9, count: width * height * image.channels)
        try image.pixels.withUnsafeBufferPointer { pixels in
            try out.withUnsafeMutableBufferPointer {
                try resizeCrop(
                    pixels, width: image.width, height: image.height, channels: image.channels, outputWidth: width, outputHeight: height,
                    into: $0)
            }
        }
        return out
    }

    @Test("arrays are as NumPy writes them")
    func numpy() throws {
        let folder = try TemporaryFolder()
        var file = try NumpyFile(path: folder.file("a.npy"), shape: [2, 3], key: 1)
        try [1, -2, 0.5].withUnsafeBufferPointer { try file.append($0) }
        try [4, 5, 6].withUnsafeBufferPointer { try file.append($0) }
        try file.publish()
        // numpy.save of float32 [[1, -2, 0.5], [4, 5, 6]]
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"
        let expected: [UInt8] =
            [0x93] + Array("NUMPY".utf8) + [1, 0, 0x76, 0] + Array(header.utf8) + Array(repeating: 0x20, count: 117 - header.utf8.count) + [
                0x0A
            ]
        #expect(try Array(folder.bytes("a.npy").prefix(128)) == expected)
        #expect(
            try Array(folder.bytes("a.npy").suffix(24)) == [
                0, 0, 128, 63, 0, 0, 0, 192, 0, 0, 0, 63, 0, 0, 128, 64, 0, 0, 160, 64, 0, 0, 192, 64
            ])
        let one = try NumpyFile(path: folder.file("b.npy"), shape: [7], key: 1)
        try one.publish()
        #expect(
            try String(decoding: folder.bytes("b.npy").dropFirst(10), as: UTF8.self).hasPrefix(
                "{'descr': '<f4', 'fortran_order': False, 'shape': (7,), }"))
    }

    @Test("names with commas and quotes stay one field")
    func table() throws {
        let folder = try TemporaryFolder()
        var table = try FeatureTable(path: folder.file("t.csv"), width: 2)
        try table.append(Array("a,\"b\".png".utf8), [1, -0.5])
        try table.append(Array("plain.png".utf8), [2, 1e-8])
        try table.publish()
        #expect(try folder.text("t.csv") == "name,f0,f1\n\"a,\"\"b\"\".png\",1.0,-0.5\nplain.png,2.0,1e-08\n")
    }
}
