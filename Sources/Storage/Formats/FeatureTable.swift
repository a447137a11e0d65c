/// Features as comma-separated values with the images' names (RFC 4180): a line of headings, then a line an image.
public struct FeatureTable: ~Copyable {
    private var file: DurableFile

    public init(path: String, width: Int) throws(FileError) {
        var file = try DurableFile(replacing: path)
        try file.write(Array((["name"] + (0..<width).map { "f\($0)" }).joined(separator: ",").utf8) + [0x0A])
        self.file = file
    }

    /// - Parameter name: the bytes of the image's name, written as they are.
    public mutating func append(_ name: [UInt8], _ values: some Sequence<Float>) throws(FileError) {
        let quote = UInt8(ascii: "\"")
        let isPlain = !name.contains { [quote, UInt8(ascii: ","), 0x0A, 0x0D].contains($0) }
        let field =
            isPlain
            ? name : [quote] + name.split(separator: quote, omittingEmptySubsequences: false).joined(separator: [quote, quote]) + [quote]
        try file.write(field + Array(values.map { ",\($0)" }.joined().utf8) + [0x0A])
    }

    public consuming func publish() throws(FileError) { try file.publish() }
}
