/// Features as comma-separated values with the images' names (RFC 4180): a line of headings, then a line an image.
package struct FeatureTable: ~Copyable {
    private var file: DurableFile

    package init(path: String, width: Int) throws(FileError) {
        var file = try DurableFile(replacing: path)
        try file.write(Array((["name"] + (0..<width).map { "f\($0)" }).joined(separator: ",").utf8) + [0x0A])
        self.file = file
    }

    /// - Parameter name: the bytes of the image's name, written as they are.
    package mutating func append(_ name: [UInt8], _ values: some Sequence<Float>) throws(FileError) {
        try file.write(CommaSeparated.field(name) + Array(values.map { ",\($0)" }.joined().utf8) + [0x0A])
    }

    package consuming func publish() throws(FileError) { try file.publish() }
}

/// Fields of comma-separated values (RFC 4180), of whatever bytes.
package enum CommaSeparated {
    /// A field, quoted where it has to be.
    package static func field(_ bytes: [UInt8]) -> [UInt8] {
        let quote = UInt8(ascii: "\"")
        guard bytes.contains(where: { [quote, UInt8(ascii: ","), 0x0A, 0x0D].contains($0) }) else { return bytes }
        return [quote] + bytes.split(separator: quote, omittingEmptySubsequences: false).joined(separator: [quote, quote]) + [quote]
    }

    /// A line of fields.
    package static func line(_ fields: [[UInt8]]) -> [UInt8] { fields.map(field).joined(separator: [UInt8(ascii: ",")]) + [0x0A] }
}
