/// Features as comma-separated values with the images' names (RFC 4180): a line of headings, then a line an image.
public struct FeatureTable: ~Copyable {
    private var file: DurableFile

    public init(path: String, width: Int) throws(FileError) {
        var file = try DurableFile(replacing: path)
        try file.write(Array((["name"] + (0..<width).map { "f\($0)" }).joined(separator: ",").utf8) + [0x0A])
        self.file = file
    }

    public mutating func append(_ name: String, _ values: some Sequence<Float>) throws(FileError) {
        let quoted = name.contains { $0 == "," || $0 == "\"" || $0.isNewline } ? "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\"" : name
        try file.write(Array(([quoted] + values.map(\.description)).joined(separator: ",").utf8) + [0x0A])
    }

    public consuming func publish() throws(FileError) { try file.publish() }
}
