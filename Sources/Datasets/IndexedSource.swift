import Foundation
import CurricleVision

/// A pair of IDX files (MNIST's format). Images are read when they are asked for; of a packed file, from an unpacked copy.
///
/// Source: the format's description on MNIST's page: big-endian magic 0x0000_08dd (08 = bytes, dd = dimensions), dd sizes, then the bytes.
struct IndexedSource: ImageSource {
    let path: ByteName
    let count: Int
    let height: Int
    let width: Int
    /// "0", "1", … up to the largest label; empty without a labels file.
    let classNames: [ByteName]
    private let pixels: IndexBytes
    private let labels: [UInt8]
    private let file: FileIdentity

    init(images: ByteName, labels: ByteName?) throws(VisionError) {
        let opened = try IndexFile(images, dimensions: 3)
        path = images
        (count, height, width) = (opened.sizes[0], opened.sizes[1], opened.sizes[2])
        file = opened.identity
        var found: [UInt8] = []
        if let labels {
            let labelFile = try IndexFile(labels, dimensions: 1)
            guard labelFile.sizes[0] == count else {
                throw .labelCountMismatch(images: "\(images)", imageCount: count, labels: "\(labels)", labelCount: labelFile.sizes[0])
            }
            found = try labelFile.bytes().read(at: 0, count: count)
        }
        self.labels = found
        classNames = labels == nil ? [] : (0...Int(found.max() ?? 0)).map { ByteName("\($0)") }
        pixels = try opened.bytes()
    }

    func label(at index: Int) -> Int? { labels.indices.contains(index) ? Int(labels[index]) : nil }

    func name(at index: Int) -> ByteName { ByteName(path.bytes + "#\(index)".utf8) }

    func identity(at index: Int) -> ImageIdentity? { ImageIdentity(file: file, place: index) }

    func bytesToRead(at index: Int) -> Int? { width * height }

    func image(at index: Int) throws(VisionError) -> PixelImage {
        try check(index)
        let size = width * height
        return PixelImage(width: width, height: height, channels: 1, pixels: try pixels.read(at: index * size, count: size))
    }
}

/// The bytes of an IDX file without its header.
private enum IndexBytes {
    /// Where they lie in the file itself.
    case file(ByteName, offset: Int, version: FileVersion)
    case memory([UInt8])
    case copy(TemporaryCopy)

    func read(at offset: Int, count: Int) throws(VisionError) -> [UInt8] {
        switch self {
        case .file(let path, let start, let version): try readFile(path, at: start + offset, count: count, of: version)
        case .memory(let bytes): Array(bytes[offset..<(offset + count)])
        case .copy(let copy): try copy.read(at: offset, count: count)
        }
    }
}

/// An IDX file of bytes whose header has been read and believed only where the file bears it out.
private struct IndexFile {
    let path: ByteName
    /// [count, rows, columns] or [count], each at least 1.
    let sizes: [Int]
    let identity: FileIdentity
    private let version: FileVersion
    private let isPacked: Bool
    private let headerBytes: Int
    private var promised: Int { sizes.reduce(1, *) }

    /// No IDX file may hold more bytes, and up to how many a packed file's are kept in memory.
    private static let largest = 4 << 30, largestInMemory = 64 << 20
    /// DEFLATE makes no stream smaller than this (zlib's technical notes: 1032 to 1).
    private static let mostPacked = 1040

    init(_ path: ByteName, dimensions: Int) throws(VisionError) {
        self.path = path
        headerBytes = 4 + 4 * dimensions
        let header = headerBytes
        (sizes, identity, version, isPacked) = try withFile(path) { (file, facts) throws(VisionError) in
            let start = try readBytes(of: file, at: 0, count: 512, path: path), size = facts.version.size, isPacked = isGzip(start)
            let begin = isPacked ? try Inflater(file: file, path: path).next(header) : Array(start.prefix(header))
            let sizes = try Self.sizes(begin, of: start, path: path, dimensions: dimensions), promised = sizes.reduce(1, *)
            let most = isPacked ? min(size, Self.largest) * Self.mostPacked : size - header
            guard promised <= most else {
                throw .truncated(
                    name: "\(path)", reason: "its header promises \(promised) bytes and \(isPacked ? "at most " : "")\(most) follow")
            }
            guard isPacked || size == header + promised else {
                throw .badIndexFile(path: "\(path)", reason: "its header promises \(promised) bytes and \(size - header) follow")
            }
            return (sizes, facts.identity, facts.version, isPacked)
        }
    }

    /// What follows the header. A packed file is unpacked in pieces, as far as its header promises: into memory, or where that is much into
    /// a file without a name.
    func bytes() throws(VisionError) -> IndexBytes {
        guard isPacked else { return .file(path, offset: headerBytes, version: version) }
        let (path, promised, header) = (path, promised, headerBytes)
        return try withFile(path) { (file, facts) throws(VisionError) in
            guard facts.version == version else { throw .changed(path: "\(path)") }
            let inflater = try Inflater(file: file, path: path)
            _ = try inflater.next(header)
            var memory: [UInt8] = []
            let copy = promised > Self.largestInMemory ? try TemporaryCopy(of: path) : nil
            var done = 0
            while done < promised {
                let piece = try inflater.next(min(promised - done, 1 << 20))
                if piece.isEmpty { throw .truncated(name: "\(path)", reason: "its header promises \(promised) bytes and \(done) follow") }
                if let copy { try copy.append(piece) } else { memory += piece }
                done += piece.count
            }
            guard try inflater.next(1).isEmpty else {
                throw .badIndexFile(path: "\(path)", reason: "more than the promised \(promised) bytes follow its header")
            }
            return copy.map { .copy($0) } ?? .memory(memory)
        }
    }

    /// - Parameter start: the file's first bytes, packed or not.
    private static func sizes(_ bytes: [UInt8], of start: [UInt8], path: ByteName, dimensions: Int) throws(VisionError) -> [Int] {
        let isMarked = bytes.count >= 4 && bytes[0] == 0 && bytes[1] == 0 && bytes[2] == 8 && bytes[3] == UInt8(dimensions)
        if !isMarked, !isGzip(start), let foreign = ForeignFile(start) {
            throw .foreignFile(path: "\(path)", what: foreign.what, advice: foreign.advice)
        }
        guard bytes.count >= 4 + 4 * dimensions else { throw .truncated(name: "\(path)", reason: "the IDX header is incomplete") }
        guard isMarked else {
            throw .badIndexFile(
                path: "\(path)", reason: "it does not begin with 00 00 08 0\(dimensions), the mark of bytes in \(dimensions) dimensions")
        }
        let sizes = (1...dimensions).map { axis in bytes[(4 * axis)..<(4 * axis + 4)].reduce(0) { $0 << 8 | Int($1) } }
        guard sizes[0] >= 1 else { throw .badIndexFile(path: "\(path)", reason: "it holds no items") }
        if dimensions == 3 { try PixelImage.checkDimensions(width: sizes[2], height: sizes[1], name: "\(path)") }
        var total = 1
        for size in sizes {
            let (product, overflow) = total.multipliedReportingOverflow(by: size)
            guard !overflow, product <= largest else { throw .badIndexFile(path: "\(path)", reason: "its header promises more than 4 GiB") }
            total = product
        }
        return sizes
    }
}

/// A file without a name in the folder for temporary files: it goes with the value, or with the process.
private final class TemporaryCopy: Sendable {
    private let file: Int32
    private let path: ByteName

    /// - Parameter path: what errors call it.
    init(of path: ByteName) throws(VisionError) {
        self.path = path
        var template = Array((NSTemporaryDirectory() + "/curricle-XXXXXX").utf8CString)
        file = template.withUnsafeMutableBufferPointer { $0.baseAddress.map { mkstemp($0) } ?? -1 }
        guard file >= 0 else {
            throw .unreadable(
                path: "\(path)",
                reason: "no room to unpack it in \(NSTemporaryDirectory()): \(String(cString: strerror(errno))); set TMPDIR, or unpack it")
        }
        _ = fcntl(file, F_SETFD, FD_CLOEXEC)
        unlink(template)
    }

    deinit { close(file) }

    func append(_ bytes: [UInt8]) throws(VisionError) {
        var done = 0
        while done < bytes.count {
            let put = bytes.withUnsafeBytes { write(file, $0.baseAddress.map { $0 + done }, bytes.count - done) }
            if put < 0 && errno == EINTR { continue }
            guard put > 0 else {
                throw .unreadable(
                    path: "\(path)",
                    reason:
                        "no room to unpack it in \(NSTemporaryDirectory()): \(String(cString: strerror(errno))); set TMPDIR, or unpack it")
            }
            done += put
        }
    }

    func read(at offset: Int, count: Int) throws(VisionError) -> [UInt8] {
        let bytes = try readBytes(of: file, at: offset, count: count, path: path)
        guard bytes.count == count else { throw .changed(path: "\(path)") }
        return bytes
    }
}
