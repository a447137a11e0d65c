/// Why a file of PyTorch could not be read.
package enum PyTorchFileError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The system refused.
    case file(FileError)
    /// Written by PyTorch before 1.6, or with `_use_new_zipfile_serialization=False`.
    case legacy(path: String)
    case malformed(path: String, reason: String)
    /// The pickle calls something else than tensors need.
    case refused(path: String, callable: String)

    init(_ failure: PyTorchFile.Failure, path: String) {
        switch failure {
        case .malformed(let reason): self = .malformed(path: path, reason: reason)
        case .refused(let callable): self = .refused(path: path, callable: callable)
        }
    }

    package var description: String {
        switch self {
        case .file(let error):
            error.description
        case .legacy(let path):
            "\(path) is in PyTorch's old format, which is not read: load it in PyTorch and save it again, as torch.save(torch.load(…), "
                + "…) or as safetensors"
        case .malformed(let path, let reason):
            "\(path) is not a valid PyTorch file: \(reason); take another copy of it, or save it as safetensors"
        case .refused(let path, let callable):
            "\(path) is refused: its pickle calls \(callable), which weights do not need; if you trust it, save its state dict alone, "
                + "or as safetensors"
        }
    }
}

/// A file of `torch.save` (a zip of a pickle and raw storages), read without running anything that it says.
///
/// A file may hold several state dicts: each dictionary with tensors in it, by the keys that lead there (`model`, `teacher.encoder`). The
/// tensors are those of one of them: of `model` or `state_dict`, as MAE and timm write, or of the file itself, until ``select(_:)`` says
/// another. `args` (a namespace) gives the metadata, as `args.NAME`. Not thread-safe: the archive has a position.
package final class PyTorchFile: TensorSource {
    /// Bytes that its pickle may have; that of the largest model takes about one million.
    static let greatestPickleSize = 16 << 20

    package let path: String
    package let metadata: [String: String]
    /// Under which keys the state dict stands; nil where it is the whole file.
    package private(set) var stateKey: String?
    /// All state dicts, by the keys that lead there (nil for the whole file), with the names of their tensors.
    package var states: [(key: String?, names: [String])] { dictionaries.map { ($0.key, $0.members.map(\.name)) } }
    /// What the file's dictionary holds, for a person to read.
    package let outline: String

    /// What was wrong, before it is known of which file.
    enum Failure: Error, Equatable {
        case malformed(String)
        /// The pickle wants to call this.
        case refused(String)
    }

    /// A checked tensor: it lies within its storage.
    private struct Tensor {
        let view: PickledTensor
        let count: Int
        /// Row-major without gaps.
        let isPacked: Bool
        let entry: ZipArchive.Entry
    }

    private var tensors: [String: Tensor] = [:]
    private let pickled: Pickled
    /// What the archive's entries begin with.
    private let root: String
    private let dictionaries: [Dictionary]
    private let archive: ZipArchive
    /// The storage that was read last: tensors may share one.
    private var lastStorage: (key: String, bytes: [UInt8])?

    /// - Throws: ``PyTorchFileError``
    package init(path: String) throws(PyTorchFileError) {
        let file: FileReader, front: [UInt8]
        do {
            file = try FileReader(path: path)
            front = try file.read(0..<min(file.count, 512))
        } catch { throw .file(error) }
        self.path = path
        if PyTorchFile.isLegacy(front) { throw .legacy(path: path) }
        do throws(Failure) {
            archive = try ZipArchive(file)
            let (pickled, root) = try PyTorchFile.readPickle(archive)
            (self.pickled, self.root) = (pickled, root)
            guard let outer = pickled.named(pickled.root) else { throw Failure.malformed("it holds no dictionary of tensors") }
            dictionaries = PyTorchFile.dictionaries(pickled)
            outline =
                outer.isEmpty
                ? "; it is empty" : "; it holds " + outer.prefix(8).map(\.name).joined(separator: ", ") + (outer.count > 8 ? ", …" : "")
            let arguments = outer.last { $0.name == "args" }.flatMap { pickled.named($0.value) } ?? []
            let texts = arguments.compactMap { argument in pickled.printed(argument.value).map { ("args.\(argument.name)", $0) } }
            metadata = Swift.Dictionary(texts) { $1 }
        } catch {
            throw PyTorchFileError(error, path: path)
        }
        // Until another is selected.
        try select(["model", "state_dict"].first { key in dictionaries.contains { $0.key == key } })
    }

    /// Makes the tensors those of one of ``states``; none where there is no such.
    /// - Throws: ``PyTorchFileError`` where one of them does not lie within its storage.
    package func select(_ key: String?) throws(PyTorchFileError) {
        let members = dictionaries.first { $0.key == key }?.members ?? []
        do throws(Failure) { tensors = try PyTorchFile.tensors(members, pickled, archive, root: root) } catch {
            throw PyTorchFileError(error, path: path)
        }
        stateKey = key
    }

    package var names: [String] { tensors.keys.sorted() }

    package func shape(of name: String) -> [Int]? { tensors[name]?.view.shape }

    /// - Throws: `TensorFileError.missingTensor` or `.unsuitable`; `PyTorchFileError.malformed` where its storage cannot be read.
    package func floats(_ name: String) throws -> [Float] {
        let tensor = try tensor(name)
        guard let values = try bytes(of: tensor).withUnsafeBytes(tensor.view.element.floats) else {
            throw TensorFileError.unsuitable(path: path, name: name, element: tensor.view.element, wanted: "a type of floating point")
        }
        return values
    }

    /// A tensor's elements as integers, row-major; BOOL gives 0 and 1.
    /// - Throws: as ``floats(_:)``.
    package func integers(_ name: String) throws -> [Int] {
        let tensor = try tensor(name)
        guard let values = try bytes(of: tensor).withUnsafeBytes(tensor.view.element.integers) else {
            throw TensorFileError.unsuitable(path: path, name: name, element: tensor.view.element, wanted: "a type of integers")
        }
        return values
    }

    private func tensor(_ name: String) throws -> Tensor {
        guard let tensor = tensors[name] else { throw TensorFileError.missingTensor(path: path, name: name) }
        return tensor
    }
}

// MARK: - Content

extension PyTorchFile {
    /// Older files are a pickle at once (PROTO, and a magic number of ten bytes), or a tar archive.
    private static func isLegacy(_ front: [UInt8]) -> Bool {
        let isPickle = front.count > 2 && front[0] == 0x80 && (1...5).contains(front[1])
        return isPickle || front.count > 262 && front[257..<262].elementsEqual("ustar".utf8)
    }

    /// The pickle `ROOT/data.pkl`, and ROOT.
    private static func readPickle(_ archive: ZipArchive) throws(Failure) -> (Pickled, root: String) {
        let ending = "/data.pkl"
        let found = archive.entries.filter { $0.key.hasSuffix(ending) && !$0.key.dropLast(ending.count).contains("/") }
        guard found.count == 1, let (name, entry) = found.first else {
            throw .malformed("it is a zip archive without the data.pkl of torch.save")
        }
        let root = String(name.dropLast(ending.count))
        if let order = archive.entries["\(root)/byteorder"], try archive.bytes(order, limit: 16) != Array("little".utf8) {
            throw .malformed("it was written on a big-endian machine")
        }
        return (try PickleReader.read(archive.bytes(entry, limit: greatestPickleSize)), root)
    }

    /// Levels of dictionaries that are looked through, and state dicts that a file may have: optimisers have many small ones.
    private static let greatestLevel = 3, greatestStates = 64

    /// A dictionary with tensors: those of its members.
    private typealias Dictionary = (key: String?, members: [(name: String, value: Int)])

    /// Every dictionary with tensors, level by level. One that is referred to twice counts once.
    private static func dictionaries(_ pickled: Pickled) -> [Dictionary] {
        var found: [Dictionary] = [], level: [(key: String?, node: Int)] = [(nil, pickled.root)], seen: Set<Int> = [pickled.root]
        for _ in 0...greatestLevel {
            var next: [(key: String?, node: Int)] = []
            for (key, node) in level {
                guard let members = pickled.named(node) else { continue }
                let tensors = members.filter { if case .tensor = pickled.nodes[$0.value] { true } else { false } }
                if !tensors.isEmpty, found.count < greatestStates { found.append((key, tensors)) }
                for member in members where member.name != "args" && seen.insert(member.value).inserted {
                    next.append((key.map { "\($0).\(member.name)" } ?? member.name, member.value))
                }
            }
            level = next
        }
        return found
    }
}

// MARK: - Tensors

extension PyTorchFile {
    private static func tensors(
        _ state: [(name: String, value: Int)], _ pickled: Pickled, _ archive: ZipArchive, root: String
    ) throws(Failure) -> [String: Tensor] {
        var tensors: [String: Tensor] = [:], views = 0.0, storages: [String: Double] = [:]
        for (name, value) in state {
            guard case .tensor(let view) = pickled.nodes[value] else { continue }
            let tensor = try checked(view, archive.entries["\(root)/data/\(view.storage)"], name: name)
            tensors[name] = tensor
            views += Double(tensor.count * view.element.bits / 8)
            storages[view.storage] = Double(tensor.entry.size)
        }
        // Tied weights share a storage; thousands of views of one would stand for more than any memory holds.
        guard views <= 8 * storages.values.reduce(0x1p20, +) else {
            throw .malformed("its tensors are many times larger than what it stores")
        }
        return tensors
    }

    /// A tensor with its place, its elements known to lie within its storage.
    private static func checked(_ view: PickledTensor, _ entry: ZipArchive.Entry?, name: String) throws(Failure) -> Tensor {
        guard let entry else { throw .malformed("tensor '\(name)' has no storage '\(view.storage)' in the archive") }
        // Not compressed, so that what is read is bounded by the file's size.
        guard entry.isStored else { throw .malformed("tensor '\(name)' is compressed, which torch.save does not do") }
        let impossible = Failure.malformed(
            "tensor '\(name)' has the impossible shape \(view.shape), strides \(view.strides) and offset \(view.offset)")
        guard view.offset >= 0, view.strides.allSatisfy({ $0 >= 0 }), let size = view.element.byteCount(of: view.shape) else {
            throw impossible
        }
        let count = size / (view.element.bits / 8), held = entry.size / (view.element.bits / 8)
        var last = view.offset, packed = 1, isPacked = true
        for (size, stride) in zip(view.shape, view.strides).reversed() where count > 0 {
            let (step, overflow) = (size - 1).multipliedReportingOverflow(by: stride)
            let (sum, carry) = last.addingReportingOverflow(step)
            guard !overflow, !carry else { throw impossible }
            last = sum
            if size > 1, stride != packed { isPacked = false }
            packed *= size
        }
        guard count == 0 || last < held else {
            throw .malformed("tensor '\(name)' of shape \(view.shape) reaches element \(last) of a storage of \(held)")
        }
        // A tensor larger than its storage repeats elements (an expanded one): nothing bounds its size.
        guard count <= held else {
            throw .malformed("tensor '\(name)' of shape \(view.shape) repeats the \(held) elements of its storage: save its clone")
        }
        return Tensor(view: view, count: count, isPacked: isPacked, entry: entry)
    }

    /// The elements' bytes, row-major.
    private func bytes(of tensor: Tensor) throws(PyTorchFileError) -> [UInt8] {
        let storage = try storage(of: tensor), size = tensor.view.element.bits / 8
        if tensor.isPacked {
            let start = tensor.view.offset * size
            return tensor.count == 0 ? [] : Array(storage[start..<(start + tensor.count * size)])
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(tensor.count * size)
        var index = Array(repeating: 0, count: tensor.view.shape.count), element = tensor.view.offset
        for _ in 0..<tensor.count {
            bytes += storage[(element * size)..<(element * size + size)]
            // The next index, the last dimension fastest.
            for axis in index.indices.reversed() {
                index[axis] += 1
                element += tensor.view.strides[axis]
                if index[axis] < tensor.view.shape[axis] { break }
                element -= index[axis] * tensor.view.strides[axis]
                index[axis] = 0
            }
        }
        return bytes
    }

    private func storage(of tensor: Tensor) throws(PyTorchFileError) -> [UInt8] {
        if let lastStorage, lastStorage.key == tensor.view.storage { return lastStorage.bytes }
        lastStorage = nil
        do throws(Failure) {
            let bytes = try archive.bytes(tensor.entry, limit: .max)
            lastStorage = (tensor.view.storage, bytes)
            return bytes
        } catch { throw PyTorchFileError(error, path: path) }
    }
}
