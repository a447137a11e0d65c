/// Writes float32 arrays as NumPy reads them (`numpy.load`): format 1.0 of `numpy.lib.format`, little-endian, row-major.
/// Rows are appended as they come; the file appears whole or not at all, and a killed writer's rows are taken up by the next one.
package struct NumpyFile: ~Copyable {
    /// Rows that stand in it: at first those of an earlier writer of the same.
    package private(set) var rows: Int
    /// Values of a row.
    package let width: Int
    private let headerBytes: Int
    private var file: ResumableFile

    /// - Parameters:
    ///   - shape: of the whole array, rows first.
    ///   - key: stands for everything that decides the values.
    /// - Throws: `FileError`.
    package init(path: String, shape: [Int], key: UInt32) throws(FileError) {
        let sizes = shape.map { "\($0), " }.joined()
        var text = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(sizes.dropLast(shape.count > 1 ? 2 : 1))), }"
        // Ten bytes come before it, a line feed ends it, and data begins at a multiple of 64.
        text += String(repeating: " ", count: 63 - (10 + text.utf8.count) % 64) + "\n"
        let length = UInt16(clamping: text.utf8.count)
        let header = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 255), UInt8(length >> 8)] + Array(text.utf8)
        var file = try ResumableFile(replacing: path, key: key)
        file.emptyBytes = header.count
        let width = shape.dropFirst().reduce(1, *)
        let isSame = file.count >= header.count ? try file.bytes(header.count) == header : false
        let rows = isSame ? min((file.count - header.count) / (width * 4), shape.first ?? 0) : 0
        try file.cut(to: isSame ? header.count + rows * width * 4 : 0)
        if !isSame { try file.write(header) }
        self.file = file
        self.rows = rows
        self.width = width
        headerBytes = header.count
    }

    /// Appends whole rows.
    package mutating func append(_ values: UnsafeBufferPointer<Float>) throws(FileError) {
        try file.write(UnsafeRawBufferPointer(values))
        rows += values.count / width
    }

    /// A row that stands in it.
    package func row(_ index: Int) throws(FileError) -> [Float] {
        guard index >= 0, index < rows else { return [] }
        return try file.read(at: headerBytes + index * width * 4, count: width)
    }

    /// Puts the file in its place.
    package consuming func publish() throws(FileError) { try file.publish() }
}
