import Foundation

/// A pair of IDX files (MNIST's format), kept in memory unpacked.
///
/// Source: the format's description on MNIST's page: big-endian magic 0x0000_08dd (08 = bytes, dd = dimensions), dd sizes, then the bytes.
struct IndexedSource: ImageSource {
    let path: String
    let count: Int
    let height: Int
    let width: Int
    /// "0", "1", … up to the largest label; empty without a labels file.
    let classNames: [String]
    private let pixels: [UInt8]
    private let labels: [UInt8]

    init(images: String, labels: String?) throws(VisionError) {
        let file = try readIndexFile(images, dimensions: 3)
        path = images
        (count, height, width) = (file.sizes[0], file.sizes[1], file.sizes[2])
        pixels = file.bytes
        guard let labels else {
            self.labels = []
            classNames = []
            return
        }
        let labelFile = try readIndexFile(labels, dimensions: 1)
        guard labelFile.sizes[0] == count else {
            throw .labelCountMismatch(images: images, imageCount: count, labels: labels, labelCount: labelFile.sizes[0])
        }
        self.labels = labelFile.bytes
        classNames = (0...Int(labelFile.bytes.max() ?? 0)).map(String.init)
    }

    func label(at index: Int) -> Int? { labels.indices.contains(index) ? Int(labels[index]) : nil }

    func name(at index: Int) -> String { "\(path)#\(index)" }

    func image(at index: Int) throws(VisionError) -> PixelImage {
        try check(index)
        let size = width * height
        return PixelImage(width: width, height: height, channels: 1, pixels: Array(pixels[(index * size)..<((index + 1) * size)]))
    }
}

/// No unpacked IDX file may be larger.
private let largestIndexFile = 4 << 30

/// Reads an IDX file of bytes, packed or not, and believes its header only where the file bears it out.
private func readIndexFile(_ path: String, dimensions: Int) throws(VisionError) -> (sizes: [Int], bytes: [UInt8]) {
    let file = try readFile(path, limit: largestIndexFile + 64)
    let headerBytes = 4 + 4 * dimensions
    guard isGzip(file) else {
        let sizes = try readHeader(file, path: path, dimensions: dimensions)
        let bytes = sizes.reduce(1, *)
        guard file.count >= headerBytes + bytes else {
            throw .truncated(name: path, reason: "its header promises \(bytes) bytes and \(file.count - headerBytes) follow")
        }
        guard file.count == headerBytes + bytes else {
            throw .badIndexFile(path: path, reason: "its header promises \(bytes) bytes and \(file.count - headerBytes) follow")
        }
        return (sizes, Array(file[headerBytes...]))
    }
    let inflater = try Inflater(file, path: path)
    let sizes = try readHeader(try inflater.next(headerBytes), path: path, dimensions: dimensions)
    let promised = sizes.reduce(1, *)
    // A lying header or a bomb costs at most what was really unpacked: memory grows with the data and stops at the promise.
    var bytes: [UInt8] = []
    while bytes.count < promised {
        let piece = try inflater.next(min(promised - bytes.count, 1 << 20))
        if piece.isEmpty { throw .truncated(name: path, reason: "its header promises \(promised) bytes and \(bytes.count) follow") }
        bytes.append(contentsOf: piece)
    }
    guard try inflater.next(1).isEmpty else { throw .badIndexFile(path: path, reason: "more than the promised \(promised) bytes follow its header") }
    return (sizes, bytes)
}

/// The sizes in the header: [count, rows, columns] or [count], each at least 1, their product checked.
private func readHeader(_ bytes: [UInt8], path: String, dimensions: Int) throws(VisionError) -> [Int] {
    guard bytes.count >= 4 + 4 * dimensions else { throw .truncated(name: path, reason: "the IDX header is incomplete") }
    guard bytes[0] == 0, bytes[1] == 0, bytes[2] == 8, bytes[3] == UInt8(dimensions) else {
        throw .badIndexFile(path: path, reason: "it does not begin with 00 00 08 0\(dimensions), the mark of bytes in \(dimensions) dimensions")
    }
    let sizes = (1...dimensions).map { axis in bytes[(4 * axis)..<(4 * axis + 4)].reduce(0) { $0 << 8 | Int($1) } }
    guard sizes[0] >= 1 else { throw .badIndexFile(path: path, reason: "it holds no items") }
    if dimensions == 3 { try PixelImage.checkDimensions(width: sizes[2], height: sizes[1], name: path) }
    var total = 1
    for size in sizes {
        let (product, overflow) = total.multipliedReportingOverflow(by: size)
        guard !overflow, product <= largestIndexFile else { throw .badIndexFile(path: path, reason: "its header promises more than 4 GiB") }
        total = product
    }
    return sizes
}
