/// Writes float32 arrays as NumPy reads them (`numpy.load`): format 1.0 of `numpy.lib.format`, little-endian, row-major.
/// Rows are appended as they come; the file appears whole or not at all.
public struct NumpyFile: ~Copyable {
    private var file: DurableFile

    /// - Parameter shape: of the whole array.
    /// - Throws: `FileError`.
    public init(path: String, shape: [Int]) throws(FileError) {
        var file = try DurableFile(replacing: path)
        let sizes = shape.map { "\($0), " }.joined()
        var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(sizes.dropLast(shape.count > 1 ? 2 : 1))), }"
        // Ten bytes come before it, a line feed ends it, and data begins at a multiple of 64.
        header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
        let length = UInt16(clamping: header.utf8.count)
        try file.write([0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 255), UInt8(length >> 8)] + Array(header.utf8))
        self.file = file
    }

    public mutating func append(_ values: UnsafeBufferPointer<Float>) throws(FileError) { try file.write(UnsafeRawBufferPointer(values)) }

    /// Puts the file in its place.
    public consuming func publish() throws(FileError) { try file.publish() }
}
