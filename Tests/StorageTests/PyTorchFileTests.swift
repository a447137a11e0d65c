import Foundation
import CurricleTestSupport
import Testing
@testable import CurricleStorage

@Suite struct PyTorchFileTests {
    @Test("values in every protocol", arguments: [3, 4, 5])
    func valuesInEveryProtocol(version: Int) throws {
        let file = try PyTorchFile(path: checkpointFixture("protocol\(version).pth"))
        #expect(file.names == ["i", "p", "w"])
        #expect(file.shape(of: "w") == [2, 3])
        #expect(try file.floats("w") == [0, 1, 2, 3, 4, 5])
        #expect(try file.floats("p") == [1, 1])
        #expect(try file.integers("i") == [3, -4])
        #expect(throws: TensorFileError.unsuitable(path: file.path, name: "i", element: .signed64, wanted: "a type of floating point")) {
            try file.floats("i")
        }
        #expect(throws: TensorFileError.missingTensor(path: file.path, name: "x")) { try file.floats("x") }
    }

    /// The fixture holds transposed, offset and every-other-element views, in four types; safetensors hold the same packed in F32.
    @Test("views and types") func viewsAndTypes() throws {
        let file = try PyTorchFile(path: checkpointFixture("timm.pth")),
            packed = try TensorFile(path: checkpointFixture("timm.safetensors"))
        #expect(try file.integers("counts") == [0, 3, 1, 4, 2, 5])
        #expect(file.names.filter { $0 != "counts" } == packed.names)
        for name in packed.names {
            #expect(file.shape(of: name) == packed.shape(of: name))
            let exact = try packed.floats(name), found = try file.floats(name)
            // bfloat16 keeps 8 bits, float16 keeps 11: rounding errs by half of the last.
            let tolerance: Float = name.contains("fc1") ? 0x1p-8 : name.contains("fc2") ? 0x1p-11 : 0
            #expect(zip(exact, found).allSatisfy { abs($0 - $1) <= tolerance * abs($0) + (tolerance > 0 ? 1e-7 : 0) }, "\(name)")
        }
    }

    @Test("training checkpoints give their model and arguments") func trainingCheckpointsGiveTheirModelAndArguments() throws {
        let file = try PyTorchFile(path: checkpointFixture("mae.pth"))
        #expect(file.names.contains("decoder_pred.bias") && !file.names.contains { $0.contains("exp_avg") })
        #expect(file.metadata["args.norm_pix_loss"] == "True")
        #expect(file.metadata["args.blr"] == "0.001")
        #expect(file.metadata["args.model"] == "mae_vit_tiny")
        #expect(file.metadata["args.seed"] == nil)  // 2⁷⁰
    }

    @Test("a call is refused by name") func aCallIsRefusedByName() throws {
        let path = checkpointFixture("evil.pth")
        #expect(throws: PyTorchFileError.refused(path: path, callable: "posix.system")) { try PyTorchFile(path: path) }
        #expect("\(PyTorchFileError.refused(path: path, callable: "posix.system"))".contains("posix.system"))
    }

    @Test("other containers are told what to do") func otherContainersAreToldWhatToDo() throws {
        let legacy = checkpointFixture("legacy.pth"), folder = try TemporaryFolder()
        #expect(throws: PyTorchFileError.legacy(path: legacy)) { try PyTorchFile(path: legacy) }
        #expect(throws: PyTorchFileError.file(.refused(.open, path: folder.file("none"), code: ENOENT))) {
            try PyTorchFile(path: folder.file("none"))
        }
        for (name, content) in [("empty.pth", []), ("text.pth", Array("not a zip".utf8))] as [(String, [UInt8])] {
            let path = try folder.write(name, content)
            #expect(throws: PyTorchFileError.self) { try PyTorchFile(path: path) }
        }
    }

    @Test("compressed entries are refused before they unfold") func compressedEntriesAreRefusedBeforeTheyUnfold() throws {
        #expect(try reason(checkpointFixture("bomb.pth")).contains("more than"))
        #expect(try reason(checkpointFixture("compressed.pth")).contains("is compressed"))
    }

    private func reason(_ path: String) throws -> String {
        do {
            _ = try PyTorchFile(path: path)
            return ""
        } catch { return "\(error)" }
    }
}

/// Archives and pickles that lie: each is refused with a reason, none is trusted with a size, an offset or a depth.
@Suite struct PyTorchHostileTests {
    private func open(_ pickle: [UInt8], storage: [UInt8]? = nil, claimedSize: UInt32? = nil) throws -> Result<PyTorchFile, any Error> {
        let folder = try TemporaryFolder()
        var archive = ZipWriter()
        archive.add("a/data.pkl", pickle)
        if let storage { archive.add("a/data/0", storage, claimedSize: claimedSize) }
        let path = try folder.write("hostile.pth", archive.finished())
        return Result { try PyTorchFile(path: path) }
    }

    private func reason(_ result: Result<PyTorchFile, any Error>) -> String {
        switch result {
        case .success: return ""
        case .failure(let error):
            #expect(error is PyTorchFileError)
            #expect(!"\(error)".contains("\n"))
            return "\(error)"
        }
    }

    private func text(_ text: String) -> [UInt8] { [0x8C, UInt8(text.utf8.count)] + Array(text.utf8) }
    private func global(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }
    /// LONG1 of eight bytes.
    private func integer(_ value: Int) -> [UInt8] { [0x8A, 8] + (0..<8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) } }
    private func tuple(_ parts: [[UInt8]]) -> [UInt8] { [0x28] + parts.flatMap { $0 } + [0x74] }

    /// A state dict of one tensor 't' over the storage '0' of floats.
    private func tensor(offset: Int = 0, shape: [Int], strides: [Int]) -> [UInt8] {
        let storage = tuple([text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), integer(4)]) + [0x51]
        let arguments = tuple([storage, integer(offset), tuple(shape.map(integer)), tuple(strides.map(integer))])
        return [0x80, 2, 0x7D] + text("t") + global("torch._utils", "_rebuild_tensor_v2") + arguments + [0x52, 0x73, 0x2E]
    }

    private let fourFloats: [UInt8] = [Float(1), 2, 3, 4].flatMap { value in
        (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> ($0 * 8)) }
    }

    @Test("the hand made tensor is read") func theHandMadeTensorIsRead() throws {
        #expect(try open(tensor(shape: [2, 2], strides: [2, 1]), storage: fourFloats).get().floats("t") == [1, 2, 3, 4])
        #expect(try open(tensor(shape: [2, 2], strides: [1, 2]), storage: fourFloats).get().floats("t") == [1, 3, 2, 4])
        #expect(try open(tensor(offset: 1, shape: [2], strides: [2]), storage: fourFloats).get().floats("t") == [2, 4])
        #expect(try open(tensor(shape: [0, 5], strides: [1, 1]), storage: fourFloats).get().floats("t") == [])
        #expect(try open(tensor(offset: 3, shape: [], strides: []), storage: fourFloats).get().floats("t") == [4])
    }

    private static let lies: [(offset: Int, shape: [Int], strides: [Int], expected: String)] = [
        (0, [5], [1], "reaches element 4 of a storage of 4"), (1, [4], [1], "reaches element 4"), (4, [1], [1], "reaches element 4"),
        (0, [2, 2], [3, 1], "reaches element 4"),
        (-1, [2], [1], "impossible"), (0, [-1], [1], "impossible"), (0, [2], [-1], "impossible"), (3, [4], [-1], "impossible"),
        (0, [1 << 40], [0], "repeats the 4 elements"), (0, [1 << 20, 1 << 20], [0, 0], "repeats"), (0, [5], [0], "repeats"),
        (0, [1 << 62, 4], [1, 1], "impossible"), (0, [3], [Int.max], "impossible"), (Int.max, [2], [1], "impossible"),
        (Int.max, [1], [1], "reaches element"),
        (0, [2], [1 << 61], "reaches element"), (0, [1, 1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1, 1], "without storage"),
        (0, [2], [1, 1], "without storage")
    ]

    @Test("tensors beyond their storage", arguments: lies)
    func tensorsBeyondTheirStorage(offset: Int, shape: [Int], strides: [Int], expected: String) throws {
        let found = reason(try open(tensor(offset: offset, shape: shape, strides: strides), storage: fourFloats))
        #expect(found.contains(expected), "\(found)")
    }

    @Test("archives that lie") func archivesThatLie() throws {
        let honest = tensor(shape: [4], strides: [1])
        #expect(reason(try open(honest)).contains("no storage '0'"))
        #expect(reason(try open(honest, storage: fourFloats, claimedSize: 4_000_000_000)).contains("larger than the file"))
        let folder = try TemporaryFolder()
        var twice = ZipWriter(), none = ZipWriter()
        for _ in 0..<2 { twice.add("a/data.pkl", honest) }
        none.add("a/other", [1])
        #expect(reason(Result { try PyTorchFile(path: try folder.write("twice.pth", twice.finished())) }).contains("two of its entries"))
        #expect(reason(Result { try PyTorchFile(path: try folder.write("none.pth", none.finished())) }).contains("without the data.pkl"))
        // A flipped bit of a storage is found by its checksum, when it is read.
        var archive = ZipWriter()
        archive.add("a/data.pkl", honest)
        archive.add("a/data/0", fourFloats)
        var bytes = archive.finished()
        let place = try #require(bytes.firstRange(of: fourFloats)).lowerBound
        bytes[place] ^= 1
        let damaged = try PyTorchFile(path: try folder.write("damaged.pth", bytes))
        #expect(throws: PyTorchFileError.self) { try damaged.floats("t") }
    }

    private static let refusals: [(module: String, name: String)] = [
        ("os", "system"), ("builtins", "eval"), ("torch", "load"), ("torch._utils", "_rebuild_qtensor"), ("torch", "FloatStorage.x"),
        ("collections", "defaultdict"), ("", ""),
        ("torch.nn.modules.linear", "Linear"), ("numpy.core.multiarray", "scalar")
    ]

    @Test("every other callable is refused", arguments: refusals)
    func everyOtherCallableIsRefused(module: String, name: String) throws {
        let call = global(module, name) + [0x29, 0x52, 0x2E]
        #expect(reason(try open([0x80, 2] + call)).contains("calls \(module).\(name)"))
        #expect(reason(try open([0x80, 4] + text(module) + text(name) + [0x93, 0x2E])).contains("calls \(module).\(name)"))
    }

    @Test("pickles that are no pickles") func picklesThatAreNoPickles() throws {
        let broken: [([UInt8], String)] = [
            ([], "cut off"), ([0x80, 2], "cut off"), ([0x80, 1, 0x2E], "protocol 1"), ([0x80, 9, 0x2E], "protocol 9"),
            ([0x2E], "more values"),
            ([0x80, 2, 0x4E, 0x2E], "no dictionary"), ([0x30], "more values"), ([0x74], "more values"), ([0x28, 0x30], "more values"),
            ([0x4E, 0x28, 0x30], "more values"), ([0x68, 9], "never stored"), ([0x4E, 0x61], "more values"),
            ([0x4E, 0x4E, 0x61], "no list"),
            ([0x4E, 0x4E, 0x4E, 0x73], "no dictionary"), ([0x7D, 0x28, 0x4E, 0x75], "no dictionary"), ([0x4E, 0x51], "no storage"),
            ([0x4E, 0x4E, 0x52], "no callable"), ([0x4E, 0x4E, 0x62], "state"), ([0x4E, 0x4E, 0x93], "no text"),
            ([0x58, 255, 255, 255, 255], "cut off"),
            ([0x8D] + [UInt8](repeating: 255, count: 8), "63 bits"), ([0x8E, 0, 0, 0, 0, 0, 0, 0, 0x70], "cut off"), ([0x49], "opcode 73"),
            ([0x97], "opcode 151"), ([0x63, 0x61], "cut off"),
            (global("torch", "FloatStorage") + [0x29, 0x52], "calls storage"),
            (global("collections", "OrderedDict") + [0x4E, 0x85, 0x52], "calls orderedDictionary"),
            (global("torch._utils", "_rebuild_parameter") + [0x29, 0x52], "parameter"),
            (global("torch._utils", "_rebuild_tensor_v2") + [0x29, 0x52], "tensor")
        ]
        for (pickle, expected) in broken {
            let found = reason(try open(pickle))
            #expect(found.contains(expected), "\(pickle): \(found)")
        }
    }

    @Test("depth circles and numbers cost nothing") func depthCirclesAndNumbersCostNothing() throws {
        let count = 400_000
        // Tuples in tuples; lists in lists, filled from the outside in; a list and a dictionary that hold themselves.
        let deep = [0x80, 2, 0x29] + [UInt8](repeating: 0x85, count: count) + [0x2E]
        #expect(reason(try open(deep)).contains("no dictionary"))
        let lists =
            [0x80, 4, 0x5D, 0x94] + Array(repeatElement([0x5D, 0x94] as [UInt8], count: 100_000).joined())
            + [UInt8](repeating: 0x61, count: 100_000) + [0x2E]
        #expect(reason(try open(lists)).contains("no dictionary"))
        #expect(reason(try open([0x80, 2, 0x5D, 0x71, 0, 0x68, 0, 0x61, 0x2E])).contains("no dictionary"))
        let circle: [UInt8] = [0x80, 2, 0x7D, 0x71, 0] + text("model") + [0x68, 0, 0x73, 0x2E]
        #expect(try open(circle).get().names == [])
        for opcode: UInt8 in [0x4E, 0x28, 0x29, 0x5D] {
            let many = [0x80, 2] + [UInt8](repeating: opcode, count: PickleReader.greatestCount + 1) + [0x2E]
            #expect(reason(try open(many)).contains("more than 1000000 values"))
        }
        // One dictionary as the state of many namespaces: it is shared, not copied.
        let items =
            tuple([]) + [0x30, 0x7D, 0x71, 0, 0x28] + Array(repeatElement([0x4E, 0x4E] as [UInt8], count: 100_000).joined()) + [0x75]
        let namespaces = Array(repeatElement(global("argparse", "Namespace") + [0x29, 0x81, 0x68, 0, 0x62, 0x30], count: 10_000).joined())
        #expect(try open([0x80, 2] + items + namespaces + [0x2E]).get().names == [])
    }

    @Test("every damaged byte is read or refused") func everyDamagedByteIsReadOrRefused() throws {
        let folder = try TemporaryFolder(), bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: checkpointFixture("protocol4.pth"))))
        var opened = 0
        func tryOpening(_ bytes: [UInt8]) throws {
            guard let file = try? PyTorchFile(path: try folder.write("damaged.pth", bytes)) else { return }
            opened += 1
            for name in file.names { #expect(((try? file.floats(name)) ?? []).count <= bytes.count) }
        }
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= index % 2 == 0 ? 0xFF : 0x01
            try tryOpening(damaged)
        }
        for count in stride(from: 0, to: bytes.count, by: 3) { try tryOpening(Array(bytes[..<count])) }
        #expect(opened > 0)  // padding, and what a local header repeats: not all that a file holds matters
    }

    /// As above within the pickle, the archive's checksums made right again, so that the damage reaches the reader.
    @Test("every damaged byte of a pickle") func everyDamagedByteOfAPickle() throws {
        let honest = tensor(shape: [2, 2], strides: [2, 1])
        for index in honest.indices {
            for value: UInt8 in [0, 1, 0x28, 0x29, 0x2E, 0x30, 0x52, 0x62, 0x68, 0x71, 0x73, 0x74, 0x75, 0x7D, 0x80, 0x85, 0x93, 0x94, 0xFF]
            {
                var damaged = honest
                damaged[index] = value
                guard case .success(let file) = try open(damaged, storage: fourFloats) else { continue }
                for name in file.names { #expect(((try? file.floats(name)) ?? []).count <= 4) }
            }
        }
    }
}
