import CurricleVision

/// The header of a file that numpy.save wrote: bytes (uint8) in C order.
///
/// Source: numpy's description of the format, versions 1 to 3 (`numpy.lib.format`): "\x93NUMPY", major, minor, the length of the text
/// (2 bytes in version 1, else 4, the lowest first), then a Python dictionary of `descr`, `fortran_order` and `shape`.
struct NpyFile {
    let path: ByteName
    /// Each at least 1.
    let shape: [Int]
    /// Where the samples begin.
    let dataOffset: Int
    let identity: FileIdentity
    private let version: FileVersion

    private static let magic: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]
    /// numpy itself evaluates no longer text.
    private static let longestHeader = 10_000

    /// Reads and checks the header, and the size of the file against it.
    init(path: ByteName) throws(VisionError) {
        self.path = path
        (shape, dataOffset, identity, version) = try withFile(path) { (file, facts) throws(VisionError) in
            let size = facts.version.size
            let (shape, offset) = try Self.readHeader(
                try readBytes(of: file, at: 0, count: min(size, 12 + Self.longestHeader), path: path), path: path)
            let bytes = try Self.product(shape, path: path)
            if size - offset < bytes {
                throw .truncated(name: "\(path)", reason: "its header promises \(bytes) bytes and \(size - offset) follow")
            }
            guard size - offset == bytes else {
                throw .badArrayFile(path: "\(path)", reason: "its header promises \(bytes) bytes and \(size - offset) follow")
            }
            return (shape, offset, facts.identity, facts.version)
        }
    }

    /// `count` samples from `first` on.
    func samples(from first: Int, count: Int) throws(VisionError) -> [UInt8] {
        try readFile(path, at: dataOffset + first, count: count, of: version)
    }

    private static func readHeader(_ bytes: [UInt8], path: ByteName) throws(VisionError) -> (shape: [Int], dataOffset: Int) {
        if bytes.isEmpty || !bytes.starts(with: magic.prefix(bytes.count)), let foreign = ForeignFile(bytes) {
            throw .foreignFile(path: "\(path)", what: foreign.what, advice: foreign.advice)
        }
        guard bytes.count >= 12 else { throw .truncated(name: "\(path)", reason: "the .npy header is incomplete") }
        guard bytes.starts(with: magic) else { throw .badArrayFile(path: "\(path)", reason: "it does not begin as an .npy file") }
        guard (1...3).contains(bytes[6]) else {
            throw .badArrayFile(path: "\(path)", reason: "version \(bytes[6]) of the format is not known")
        }
        let lengthBytes = bytes[6] == 1 ? 2 : 4
        let length = (0..<lengthBytes).reduce(0) { $0 | Int(bytes[8 + $1]) << (8 * $1) }
        guard length <= longestHeader else {
            throw .badArrayFile(path: "\(path)", reason: "its header of \(length) bytes is above \(longestHeader)")
        }
        let start = 8 + lengthBytes
        guard bytes.count >= start + length else { throw .truncated(name: "\(path)", reason: "the .npy header is incomplete") }
        guard let fields = NpyDictionary(bytes[start..<(start + length)]) else {
            throw .badArrayFile(path: "\(path)", reason: "its header is not a dictionary of descr, fortran_order and shape")
        }
        guard ["|u1", "<u1", ">u1", "u1"].contains(fields.descr) else {
            throw .badArrayFile(path: "\(path)", reason: "its numbers are '\(fields.descr.prefix(20))', not '|u1'")
        }
        guard !fields.isFortranOrder else {
            throw .badArrayFile(path: "\(path)", reason: "it is in Fortran order: use numpy.ascontiguousarray")
        }
        return (fields.shape, start + length)
    }

    private static func product(_ shape: [Int], path: ByteName) throws(VisionError) -> Int {
        var total = 1
        for size in shape {
            let (product, overflow) = total.multipliedReportingOverflow(by: size)
            guard !overflow, product > 0 else { throw .badArrayFile(path: "\(path)", reason: "its shape is \(shape)") }
            total = product
        }
        return total
    }
}

extension NpyFile {
    /// Height, width and channels of an image whose axes are `axes`: [H, W] or [H, W, C].
    ///
    /// - Throws: `badDimensions`; `badArrayFile` for other numbers of axes or channels, or an image above 1 GiB.
    func imageSize(_ axes: ArraySlice<Int>) throws(VisionError) -> (height: Int, width: Int, channels: Int) {
        guard (2...3).contains(axes.count), let height = axes.first, let width = axes.dropFirst().first else {
            throw .badArrayFile(path: "\(path)", reason: "its shape is \(shape)")
        }
        let channels = axes.dropFirst(2).first ?? 1
        try PixelImage.checkDimensions(width: width, height: height, name: "\(path)")
        guard (1...256).contains(channels), height * width * channels <= 1 << 30 else {
            throw .badArrayFile(path: "\(path)", reason: "an image of shape \(Array(axes)) has more than 256 channels or 1 GiB")
        }
        return (height, width, channels)
    }
}

/// The image in an .npy file of shape [H, W] or [H, W, C].
func loadArray(at path: ByteName) throws(VisionError) -> PixelImage {
    let file = try NpyFile(path: path)
    let (height, width, channels) = try file.imageSize(file.shape[...])
    return PixelImage(width: width, height: height, channels: channels, pixels: try file.samples(from: 0, count: height * width * channels))
}
