import CurricleVision

/// Images in files of records of one size, planes of R, G and B: CIFAR's and STL-10's binary versions. Read when they are asked for.
struct RecordSource: ImageSource {
    /// What a record is made of.
    struct Layout {
        let recordBytes: Int
        /// Where the red plane begins.
        let pixelOffset: Int
        /// Height and width.
        let side: Int
        /// Whether a plane is stored column by column, as STL-10's are.
        let isColumnMajor: Bool
    }

    /// The files and the index of each one's first image, and the count of all.
    let files: [ByteName]
    private let facts: [FileFacts]
    private let starts: [Int]
    let count: Int
    let classNames: [ByteName]
    /// [count], or empty when unlabelled.
    private let labels: [UInt8]
    private let layout: Layout

    /// - Parameter labels: numbers of classes, one for each record of all files; or none.
    /// - Throws: `badRecordFile` unless each file holds one or more whole records.
    init(files: [ByteName], layout: Layout, classNames: [ByteName], labels: [UInt8]) throws(VisionError) {
        var starts: [Int] = []
        var count = 0, facts: [FileFacts] = []
        for path in files {
            starts.append(count)
            count += try recordCount(path, recordBytes: layout.recordBytes)
            facts.append(try withFile(path) { (_, facts) throws(VisionError) in facts })
        }
        (self.files, self.starts, self.count, self.facts) = (files, starts, count, facts)
        (self.layout, self.classNames, self.labels) = (layout, classNames, labels)
    }

    func label(at index: Int) -> Int? { labels.indices.contains(index) ? Int(labels[index]) : nil }

    func name(at index: Int) -> ByteName {
        let (file, record) = place(of: index)
        return ByteName(files[file].bytes + "#\(record)".utf8)
    }

    func identity(at index: Int) -> ImageIdentity? {
        let (file, record) = place(of: index)
        return ImageIdentity(file: facts[file].identity, place: record)
    }

    func bytesToRead(at index: Int) -> Int? { 2 * 3 * layout.side * layout.side }  // planes, and pixels

    func image(at index: Int) throws(VisionError) -> PixelImage {
        try check(index)
        let (file, record) = place(of: index)
        let side = layout.side, area = side * side
        let planes = try readFile(
            files[file], at: record * layout.recordBytes + layout.pixelOffset, count: 3 * area, of: facts[file].version)
        let pixels = [UInt8](unsafeUninitializedCapacity: 3 * area) { output, filled in
            for y in 0..<side {
                for x in 0..<side {
                    let source = layout.isColumnMajor ? x * side + y : y * side + x
                    for channel in 0..<3 { output[(y * side + x) * 3 + channel] = planes[channel * area + source] }
                }
            }
            filled = 3 * area
        }
        return PixelImage(width: side, height: side, channels: 3, pixels: pixels)
    }

    /// The last file that begins at or before the image.
    private func place(of index: Int) -> (file: Int, record: Int) {
        let file = starts.lastIndex { $0 <= index } ?? 0
        return (file, index - starts[file])
    }
}

/// How many records a file holds.
/// - Throws: `badRecordFile` unless it is a positive whole number.
func recordCount(_ path: ByteName, recordBytes: Int) throws(VisionError) -> Int {
    let size = try withFile(path) { (_, facts) throws(VisionError) in facts.version.size }
    if size % recordBytes != 0 || size == 0, let foreign = ForeignFile(at: path) {
        throw .foreignFile(path: "\(path)", what: foreign.what, advice: foreign.advice)
    }
    guard size > 0, size % recordBytes == 0 else {
        throw .badRecordFile(path: "\(path)", reason: "\(size) bytes are not a whole number of records of \(recordBytes)")
    }
    return size / recordBytes
}

/// The names of classes, a line each, blank lines left out; nil when there is no such file.
func readClassNames(_ path: ByteName) throws(VisionError) -> [ByteName]? {
    guard FileFacts(path) != nil else { return nil }
    let lines = try readFile(path, limit: 1 << 16).split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
    let names = lines.filter { !$0.allSatisfy { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") } }.map { ByteName($0) }
    guard (1...256).contains(names.count) else {
        throw .badRecordFile(path: "\(path)", reason: "it names \(names.count) classes, not 1…256")
    }
    return names
}
