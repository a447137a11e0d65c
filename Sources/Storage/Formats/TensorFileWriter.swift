/// Writes a safetensors file tensor by tensor, so that a model is never copied whole, and publishes it whole or not at
/// all (``DurableFile``).
///
/// The same content gives the same bytes, laid out as by the reference writer: element types in descending order (so
/// every tensor is aligned), then names; header padded to a multiple of 8; metadata first, its keys sorted.
///
///     var writer = try TensorFileWriter(path: "model.safetensors", tensors: declarations, metadata: ["format": "pt"])
///     for declaration in writer.order { try writer.write(declaration.name, bytes(of: declaration.name)) }
///     try writer.finish()
package struct TensorFileWriter: ~Copyable, Sendable {
    /// What is to be written under a name.
    package struct Declaration: Sendable, Equatable {
        package let name: String
        package let element: TensorElement
        /// Sizes, slowest first.
        package let shape: [Int]

        package init(name: String, element: TensorElement = .float32, shape: [Int]) {
            self.name = name
            self.element = element
            self.shape = shape
        }
    }

    package let path: String
    /// The tensors in the order in which they must be written.
    package let order: [Declaration]

    private var file: DurableFile
    private var sum = CRC32C()
    /// Where the checksum's eight digits stand; nil without one.
    private let checksumOffset: Int?
    private let byteCounts: [Int]
    private var current = 0
    private var writtenOfCurrent = 0

    /// Begins a file and writes its header.
    /// - Parameters:
    ///   - metadata: strings for `__metadata__`; PyTorch's and timm's loaders look for `"format": "pt"`.
    ///   - checksum: whether the metadata hold a CRC-32C of the file (``TensorFile/checksumKey``).
    /// - Throws: `.file`; `.misuse` for a name given twice or reserved, or a shape that is impossible.
    package init(
        path: String, tensors: [Declaration], metadata: [String: String] = [:], checksum: Bool = true
    ) throws(TensorFileError) {
        try self.init(path: path, tensors: tensors, metadata: metadata, checksum: checksum, operations: .system)
    }

    package init(
        path: String, tensors: [Declaration], metadata: [String: String], checksum: Bool, operations: FileOperations
    ) throws(TensorFileError) {
        let order = TensorFileWriter.ordered(tensors)
        let byteCounts = try TensorFileWriter.sizes(of: order, path: path)
        if checksum && metadata[TensorFile.checksumKey] != nil {
            throw .misuse(path: path, reason: "the metadata key \(TensorFile.checksumKey) is reserved")
        }
        let (header, digits) = TensorFileWriter.header(order, byteCounts, metadata: metadata, checksum: checksum)
        guard header.count - 8 <= TensorFile.greatestHeaderSize else {
            throw .misuse(path: path, reason: "its header has \(header.count) bytes, more than the format allows")
        }
        file = try TensorFileWriter.begin(path: path, header: header, operations: operations)
        sum.update(header)
        checksumOffset = digits
        self.path = path
        self.order = order
        self.byteCounts = byteCounts
        passEmptyTensors()
    }

    /// Tensors as they come in a file.
    package static func ordered(_ tensors: [Declaration]) -> [Declaration] {
        tensors.sorted { left, right in
            left.element == right.element
                ? left.name.utf8.lexicographicallyPrecedes(right.name.utf8) : left.element > right.element
        }
    }

    /// Writes the next tensor of ``order``, or the next part of it.
    /// - Throws: `.file`; `.misuse` if another tensor is due, or there are more bytes than were declared.
    package mutating func write(_ name: String, _ bytes: UnsafeRawBufferPointer) throws(TensorFileError) {
        guard current < order.count, order[current].name == name else {
            // A tensor without elements is passed over by itself; writing its nothing is no mistake.
            if bytes.isEmpty, order.contains(where: { $0.name == name }) { return }
            let due = current < order.count ? "'\(order[current].name)' is due" : "all tensors are written"
            throw .misuse(path: path, reason: "tensor '\(name)' comes out of order: \(due)")
        }
        guard bytes.count <= byteCounts[current] - writtenOfCurrent else {
            throw .misuse(path: path, reason: "tensor '\(name)' has more than the \(byteCounts[current]) bytes declared")
        }
        do { try file.write(bytes) } catch { throw .file(error) }
        sum.update(bytes)
        writtenOfCurrent += bytes.count
        if writtenOfCurrent == byteCounts[current] {
            current += 1
            writtenOfCurrent = 0
            passEmptyTensors()
        }
    }

    /// Writes the next tensor of ``order``, or the next part of it, from floats.
    package mutating func write(_ name: String, _ values: [Float]) throws(TensorFileError) {
        let result: Result<Void, TensorFileError> = values.withUnsafeBytes { bytes in
            do throws(TensorFileError) { return .success(try write(name, bytes)) } catch { return .failure(error) }
        }
        try result.get()
    }

    /// Puts the checksum in and publishes the file.
    /// - Throws: `.file`; `.misuse` if a tensor is still due. Then the old file stays.
    package consuming func finish() throws(TensorFileError) {
        guard current == order.count else {
            throw .misuse(path: path, reason: "tensor '\(order[current].name)' was not written")
        }
        do {
            if let checksumOffset {
                try file.overwrite(at: checksumOffset, Array(TensorFile.checksumText(sum.value).utf8))
            }
            try file.publish()
        } catch { throw .file(error) }
    }

    private static func begin(
        path: String, header: [UInt8], operations: FileOperations
    ) throws(TensorFileError) -> DurableFile {
        do {
            var file = try DurableFile(replacing: path, operations: operations)
            try file.write(header)
            return file
        } catch { throw .file(error) }
    }

    private mutating func passEmptyTensors() {
        while current < order.count, byteCounts[current] == 0 { current += 1 }
    }
}

// MARK: - Header

extension TensorFileWriter {
    private static func sizes(of order: [Declaration], path: String) throws(TensorFileError) -> [Int] {
        var names: Set<String> = ["__metadata__"]
        var sizes: [Int] = []
        var total = 0
        for tensor in order {
            guard names.insert(tensor.name).inserted else {
                throw .misuse(path: path, reason: "the tensor name '\(tensor.name)' is given twice or reserved")
            }
            guard let size = tensor.element.byteCount(of: tensor.shape), size <= Int.max / 2 - total else {
                throw .misuse(path: path, reason: "tensor '\(tensor.name)' has the impossible shape \(tensor.shape)")
            }
            sizes.append(size)
            total += size
        }
        return sizes
    }

    /// The file's bytes before the data, and where in them the checksum's digits stand.
    private static func header(
        _ order: [Declaration], _ byteCounts: [Int], metadata: [String: String], checksum: Bool
    ) -> (bytes: [UInt8], checksumOffset: Int?) {
        var strings = metadata
        if checksum { strings[TensorFile.checksumKey] = "00000000" }
        var bytes = [UInt8](repeating: 0, count: 8)
        var checksumOffset: Int?
        bytes += "{".utf8
        if !strings.isEmpty {
            bytes += "\"__metadata__\":{".utf8
            let keys = strings.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            for (index, key) in keys.enumerated() {
                bytes += "\(index > 0 ? "," : "")\(jsonQuoted(key)):".utf8
                if checksum && key == TensorFile.checksumKey { checksumOffset = bytes.count + 1 }
                bytes += jsonQuoted(strings[key] ?? "").utf8
            }
            bytes += "}".utf8
        }
        var offset = 0
        for (index, (tensor, size)) in zip(order, byteCounts).enumerated() {
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            bytes += "\(index > 0 || !strings.isEmpty ? "," : "")\(jsonQuoted(tensor.name)):".utf8
            bytes += "{\"dtype\":\"\(tensor.element.rawValue)\",\"shape\":[\(shape)],".utf8
            bytes += "\"data_offsets\":[\(offset),\(offset + size)]}".utf8
            offset += size
        }
        bytes += "}".utf8
        while bytes.count % 8 != 0 { bytes.append(0x20) }
        let size = UInt64(bytes.count - 8)
        for index in 0..<8 { bytes[index] = UInt8(truncatingIfNeeded: size >> UInt64(8 * index)) }
        return (bytes, checksumOffset)
    }
}
