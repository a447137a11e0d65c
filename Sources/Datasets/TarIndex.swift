import CurricleVision

/// Where the samples of tar shards lie. Made once from the headers.
///
/// Source: WebDataset's layout. A member's key is its path up to the first `.` of its last name; neighbours with one key are a sample:
/// an image (`.jpg`, `.jpeg`, `.png` or `.webp`, the first of several) and perhaps `.cls`, its label in digits.
/// Samples without an image, members without a key, links and sparse members are left out.
///
/// Memory: 40 bytes and a name for each sample, which itself takes 512 bytes or more in the file: no header can make it more.
struct TarIndex {
    struct Sample {
        let offset: Int
        let size: Int
        let nameEnd: Int
        let file: Int32
        /// -1 where there is none.
        let label: Int32
    }

    private(set) var samples: [Sample] = []
    /// The samples of each file that has any.
    private(set) var shards: [Range<Int>] = []
    private(set) var largestLabel: Int32 = -1
    /// The names of the image members, one behind the other.
    private var names: [UInt8] = []
    /// Pictures that are no sample's: the first, and how many. Their names have a dot before the last one, so their key ends there.
    private(set) var dotted: (first: ByteName, count: Int)?
    /// Members of other kinds, by suffix.
    private(set) var otherKinds: [ByteName: Int] = [:]
    /// The first sample without a label.
    private(set) var unlabelled: Int?
    /// Labels without an image.
    private(set) var loneLabel: ByteName?
    private var current = Group()

    static let extensions = ["jpg", "jpeg", "png", "webp"]
    private static let longestName = 4096
    /// Labels are counted from 0 up to below this.
    private static let mostClasses = 1_000_000

    func name(of index: Int) -> ByteName {
        let start = index == 0 ? 0 : samples[index - 1].nameEnd
        return ByteName(names[start..<samples[index].nameEnd])
    }

    /// Adds the samples of the file `path`, number `number` of the source.
    /// - Returns: what the file was then.
    mutating func add(_ path: ByteName, number: Int32) throws(VisionError) -> FileFacts {
        let first = samples.count
        let facts = try withFile(path) { (file, facts) throws(VisionError) in
            let size = facts.version.size
            let start = try readBytes(of: file, at: 0, count: 512, path: path)
            try refuseCompressed(start, path: path)
            // A tar's first block has zeros behind its name; text and most other files have none at all there.
            if !ByteName(start).contains("ustar"), let foreign = ForeignFile(start), start.count < 512 || foreign.isKnown {
                throw .foreignFile(path: "\(path)", what: foreign.what, advice: foreign.advice)
            }
            let reader = try TarReader(file: file, path: path)
            var member = try reader.next()
            while let this = member {
                // (A sparse member's size counts its holes.)
                guard !this.isPlain || this.size >= 0 && (0...size).contains(this.dataOffset) && this.size <= size - this.dataOffset else {
                    throw .truncated(
                        name: "\(path)",
                        reason: "\(shown(this.name)) promises \(this.size) bytes and \(max(0, size - this.dataOffset)) follow")
                }
                member = try reader.next()
                // Bytes of a whole file reach up to the next header; where they do not, holes are left out.
                guard this.isPlain, member.map({ $0.headerOffset == this.dataOffset + (this.size + 511) / 512 * 512 }) ?? true else {
                    continue
                }
                try add(this, of: file, path: path, number: number)
            }
            endGroup(number: number)
            return facts
        }
        if samples.count > first { shards.append(first..<samples.count) }
        return facts
    }

    /// The members with one key so far.
    private struct Group {
        var key: ArraySlice<UInt8> = []
        var image: TarReader.Member?
        var label: Int32 = -1
        var labelName: ByteName?
    }

    private mutating func add(_ member: TarReader.Member, of file: Int32, path: ByteName, number: Int32) throws(VisionError) {
        let name = member.name.bytes
        guard name.count <= Self.longestName else {
            throw .badArchive(path: "\(path)", reason: "the name \(shown(member.name)) is longer than \(Self.longestName) bytes")
        }
        let base = name.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        // `.hidden.jpg` has no key, and no name without a dot has.
        guard let dot = name[base...].firstIndex(of: UInt8(ascii: ".")), dot > base else { return }
        let key = name[..<dot], kind = ByteName(name[(dot + 1)...]).lowercased
        if key != current.key {
            endGroup(number: number)
            current.key = key
        }
        if kind == "cls" {
            guard current.labelName == nil else { throw twice(member, path) }
            current.label = try label(member, of: file, path: path)
            current.labelName = member.name
        } else if Self.extensions.contains(where: { kind == ByteName($0) }) {
            guard current.image?.name != member.name else { throw twice(member, path) }
            if current.image == nil { current.image = member } else { otherKinds[member.name.suffix, default: 0] += 1 }
        } else if isImageName(member.name) {
            dotted = (dotted?.first ?? member.name, (dotted?.count ?? 0) + 1)
        } else {
            otherKinds[member.name.suffix, default: 0] += 1
        }
    }

    private func twice(_ member: TarReader.Member, _ path: ByteName) -> VisionError {
        .badArchive(path: "\(path)", reason: "holds \(shown(member.name)) twice: which of its images it belongs to is not clear")
    }

    private mutating func endGroup(number: Int32) {
        defer { current = Group() }
        guard let image = current.image else {
            loneLabel = loneLabel ?? current.labelName
            return
        }
        names += image.name.bytes
        if current.label < 0 { unlabelled = unlabelled ?? samples.count }
        largestLabel = max(largestLabel, current.label)
        samples.append(Sample(offset: image.dataOffset, size: image.size, nameEnd: names.count, file: number, label: current.label))
    }

    private func label(_ member: TarReader.Member, of file: Int32, path: ByteName) throws(VisionError) -> Int32 {
        let text = try readBytes(of: file, at: member.dataOffset, count: min(member.size, 32), path: path)
        let digits = String(decoding: text, as: UTF8.self).filter { !$0.isWhitespace }
        guard member.size <= 32, let label = Int32(digits), (0..<Int32(Self.mostClasses)).contains(label) else {
            throw .badArchive(path: "\(path)", reason: "\(shown(member.name)) is not a class number from 0 to \(Self.mostClasses - 1)")
        }
        return label
    }
}

/// How compressed files begin, and what unpacks them.
private let compressions: [(mark: [UInt8], tool: String)] = [
    ([0x1F, 0x8B], "gunzip"), ([0x42, 0x5A, 0x68], "bunzip2"), ([0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00], "unxz"),
    ([0x28, 0xB5, 0x2F, 0xFD], "unzstd")
]

/// A name from a header, cut where it is long.
private func shown(_ name: ByteName) -> String { "\(name)".count <= 200 ? "\(name)" : "\("\(name)".prefix(200))…" }

private func refuseCompressed(_ start: [UInt8], path: ByteName) throws(VisionError) {
    guard let found = compressions.first(where: { start.starts(with: $0.mark) }) else { return }
    throw .badArchive(
        path: "\(path)", reason: "it is compressed, and images are read from their places in the file: \(found.tool) it first")
}
