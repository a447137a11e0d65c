/// A safetensors file, checked: nothing is exposed of a file that breaks a rule of the format.
///
/// Format: huggingface/safetensors, README and `safetensors/src/tensor.rs`: `u64 LE n | n bytes of JSON | data`.
/// All values are little-endian, row-major and packed; tensors cover the data without hole or overlap.
package struct TensorFile: Sendable {
    /// Bytes of header that the format allows.
    package static let greatestHeaderSize = 100_000_000
    /// What a header may hold, so that none takes long: tensors, entries of its metadata, members of a tensor's entry, and numbers of its
    /// shape.
    private static let greatestTensors = 200_000, greatestMetadata = 100_000, greatestMembers = 64, greatestRank = 64
    /// The metadata key of the file's checksum: CRC-32C of the whole file in eight hexadecimal digits, counted with these
    /// eight digits taken as `00000000`.
    package static let checksumKey = "crc32c"

    package let path: String
    /// The header's `__metadata__`, empty if there is none.
    package let metadata: [String: String]
    /// All tensors by name.
    package let tensors: [String: TensorEntry]

    private let file: FileReader

    /// Opens and checks a file.
    /// - Parameter verifyChecksum: whether to read all bytes and compare their checksum, if the file holds one (ours do, other programs' do
    ///   not).
    /// - Throws: ``TensorFileError``: `.file`, `.malformed` or `.torn`.
    package init(path: String, verifyChecksum: Bool = true) throws(TensorFileError) {
        let file: FileReader
        do { file = try FileReader(path: path) } catch { throw .file(error) }
        let header = try TensorFile.front(of: file).withBytes { (bytes) throws(TensorFileError) in
            try TensorFile.readHeader(bytes, fileSize: file.count, path: path)
        }
        try TensorFile.checkLayout(of: header, fileSize: file.count, path: path)
        self.file = file
        self.path = path
        metadata = header.metadata
        tensors = header.tensors
        if verifyChecksum { try checkChecksum(at: header.checksumRange) }
    }

    /// Names of all tensors, sorted.
    package var names: [String] { tensors.keys.sorted() }

    /// What the file says of a tensor.
    /// - Throws: `.missingTensor`.
    package func entry(_ name: String) throws(TensorFileError) -> TensorEntry {
        guard let entry = tensors[name] else { throw .missingTensor(path: path, name: name) }
        return entry
    }

    /// Lends a tensor's bytes, as they are in the file (aligned for their type only if the writer saw to it).
    /// - Throws: `.missingTensor`.
    package func withBytes<Result>(
        _ name: String, _ body: (UnsafeRawBufferPointer) -> Result
    ) throws(TensorFileError) -> Result {
        let range = try entry(name).byteRange
        let contents: FileContents
        do { contents = try file.contents(range) } catch { throw .file(error) }
        return contents.withBytes(body)
    }

    /// A file's first bytes: as many as its header says that it has, or as there are.
    private static func front(of file: FileReader) throws(TensorFileError) -> FileContents {
        do {
            let size = try file.read(0..<min(8, file.count)).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let end = file.count < 8 || size > UInt64(greatestHeaderSize) ? min(8, file.count) : min(8 + Int(size), file.count)
            return try file.contents(0..<end)
        } catch { throw .file(error) }
    }

    private func checkChecksum(at digits: Range<Int>?) throws(TensorFileError) {
        guard let expected = metadata[TensorFile.checksumKey] else { return }
        guard let digits, digits.count == 8 else {
            throw .malformed(path: path, reason: "its metadata's \(TensorFile.checksumKey) is not eight hexadecimal digits")
        }
        var sum = CRC32C()
        do {
            sum.update(try file.read(0..<digits.lowerBound))
            sum.update([UInt8](repeating: 0x30, count: 8))
            // In parts: the whole file need not be in memory for its checksum.
            let part = 16 << 20
            for start in stride(from: digits.upperBound, to: file.count, by: part) {
                sum.update(try file.read(start..<min(start + part, file.count)))
            }
        } catch { throw .file(error) }
        let found = TensorFile.checksumText(sum.value)
        guard found == expected else { throw .torn(path: path, expected: expected, found: found) }
    }

    /// Eight lower-case hexadecimal digits.
    package static func checksumText(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}

// MARK: - Header

extension TensorFile {
    private struct Header {
        var metadata: [String: String] = [:]
        var tensors: [String: TensorEntry] = [:]
        var size = 0
        /// Where the checksum's digits stand in the file.
        var checksumRange: Range<Int>?
    }

    private static func readHeader(_ bytes: UnsafeRawBufferPointer, fileSize: Int, path: String) throws(TensorFileError) -> Header {
        guard bytes.count >= 8 else { throw .malformed(path: path, reason: "it has \(bytes.count) bytes, too few for a header") }
        let declared = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard declared <= UInt64(greatestHeaderSize) else {
            throw .malformed(path: path, reason: "it declares a header of \(declared) bytes, more than \(greatestHeaderSize)")
        }
        let size = Int(declared)
        guard size <= bytes.count - 8 else {
            throw .malformed(path: path, reason: "it ends within its header (\(fileSize) bytes, header to \(8 + size))")
        }
        let text = UnsafeRawBufferPointer(rebasing: bytes[8..<(8 + size)])
        guard text.first == 0x7B else { throw .malformed(path: path, reason: "its header does not begin with '{'") }
        guard String(validating: text, as: UTF8.self) != nil else {
            throw .malformed(path: path, reason: "its header is not UTF-8")
        }
        do {
            return try parse(text)
        } catch {
            throw .malformed(path: path, reason: "\(error.reason), at byte \(error.offset) of its header")
        }
    }

    private static func parse(_ text: UnsafeRawBufferPointer) throws(JSONScanner.Failure) -> Header {
        var header = Header()
        header.size = 8 + text.count
        var scanner = JSONScanner(text)
        var hasMetadata = false
        try scanner.object { (scanner, name) throws(JSONScanner.Failure) in
            if name == "__metadata__" {
                guard !hasMetadata else { throw scanner.failure("__metadata__ appears twice") }
                hasMetadata = true
                try parseMetadata(&scanner, into: &header)
            } else {
                guard header.tensors[name] == nil else { throw scanner.failure("tensor '\(name)' appears twice") }
                guard header.tensors.count < greatestTensors else {
                    throw scanner.failure("there are more than \(greatestTensors) tensors")
                }
                header.tensors[name] = try parseEntry(&scanner, name: name, dataStart: header.size)
            }
        }
        try scanner.expectEnd()
        return header
    }

    private static func parseMetadata(_ scanner: inout JSONScanner, into header: inout Header) throws(JSONScanner.Failure) {
        try scanner.object { (scanner, key) throws(JSONScanner.Failure) in
            guard header.metadata[key] == nil else { throw scanner.failure("metadata '\(key)' appears twice") }
            guard header.metadata.count < greatestMetadata else {
                throw scanner.failure("there are more than \(greatestMetadata) metadata")
            }
            let (text, range) = try scanner.stringAndRange()
            header.metadata[key] = text
            if key == checksumKey { header.checksumRange = (range.lowerBound + 8)..<(range.upperBound + 8) }
        }
    }

    private static func parseEntry(
        _ scanner: inout JSONScanner, name: String, dataStart: Int
    ) throws(JSONScanner.Failure) -> TensorEntry {
        var element: TensorElement?
        var shape: [Int]?
        var offsets: [Int]?
        var seen: Set<String> = []
        try scanner.object { (scanner, key) throws(JSONScanner.Failure) in
            guard seen.insert(key).inserted else { throw scanner.failure("'\(key)' appears twice in tensor '\(name)'") }
            guard seen.count <= greatestMembers else { throw scanner.failure("tensor '\(name)' has more than \(greatestMembers) members") }
            switch key {
            case "dtype":
                let text = try scanner.string()
                element = TensorElement(rawValue: text)
                if element == nil { throw scanner.failure("tensor '\(name)' has the unknown type '\(text)'") }
            case "shape": shape = try counts(&scanner)
            case "data_offsets": offsets = try counts(&scanner)
            // As the reference does: what later versions may add is passed over.
            default: try scanner.skipValue()
            }
        }
        guard let element, let shape, let offsets, offsets.count == 2 else {
            throw scanner.failure("tensor '\(name)' lacks its dtype, shape or two data_offsets")
        }
        guard let size = element.byteCount(of: shape) else {
            throw scanner.failure("tensor '\(name)' has the impossible shape \(shape)")
        }
        guard offsets[0] <= offsets[1], offsets[1] - offsets[0] == size else {
            throw scanner.failure("tensor '\(name)' needs \(size) bytes, its offsets are \(offsets[0]) to \(offsets[1])")
        }
        guard offsets[1] <= Int.max - dataStart else { throw scanner.failure("tensor '\(name)' lies beyond any file") }
        return TensorEntry(element: element, shape: shape, byteRange: (offsets[0] + dataStart)..<(offsets[1] + dataStart))
    }

    private static func counts(_ scanner: inout JSONScanner) throws(JSONScanner.Failure) -> [Int] {
        var values: [Int] = []
        try scanner.array { (scanner) throws(JSONScanner.Failure) in
            guard values.count < greatestRank else { throw scanner.failure("there are more than \(greatestRank) numbers") }
            values.append(try scanner.count())
        }
        return values
    }

    /// Tensors, by position, must follow each other from the header's end to the file's end.
    private static func checkLayout(of header: Header, fileSize: Int, path: String) throws(TensorFileError) {
        let ordered = header.tensors.sorted {
            ($0.value.byteRange.lowerBound, $0.value.byteRange.upperBound, $0.key)
                < ($1.value.byteRange.lowerBound, $1.value.byteRange.upperBound, $1.key)
        }
        var end = header.size
        for (name, entry) in ordered {
            guard entry.byteRange.lowerBound == end else {
                let what = entry.byteRange.lowerBound < end ? "overlaps the one before it" : "leaves a hole before it"
                throw .malformed(path: path, reason: "tensor '\(name)' \(what)")
            }
            end = entry.byteRange.upperBound
        }
        guard end == fileSize else {
            let what = end > fileSize ? "it is cut off" : "bytes follow its last tensor"
            throw .malformed(path: path, reason: "\(what) (\(fileSize) bytes, \(end) declared)")
        }
    }
}
