/// Tar shards as WebDataset lays them, read without unpacking; see `TarIndex` for what a sample is.
struct TarSource: ImageSource {
    let files: [String]
    /// "0", "1", … up to the largest label; empty when no sample has one.
    let classNames: [String]
    let shards: [Range<Int>]
    private let index: TarIndex
    private let decoding: DecodeOptions

    /// No image may take more bytes.
    private static let largestImage = 1 << 30

    /// - Parameter files: in the order of the samples.
    /// Errors: `badArchive` for what is no tar file, or when no file holds an image; `truncated`.
    init(files: [String], decoding: DecodeOptions = DecodeOptions()) throws(VisionError) {
        var index = TarIndex()
        for (number, path) in files.enumerated() { try index.add(path, number: Int32(number)) }
        guard !index.samples.isEmpty else {
            let (path, what) = files.count == 1 ? (files[0], "it") : (folderAndName(of: files.first ?? "").folder, "its \(files.count) shards")
            throw .badArchive(path: path, reason: "no member of \(what) is a .\(TarIndex.extensions.joined(separator: ", ."))")
        }
        self.files = files
        self.index = index
        self.decoding = decoding
        shards = index.shards
        classNames = index.largestLabel < 0 ? [] : (0...index.largestLabel).map { "\($0)" }
    }

    var count: Int { index.samples.count }

    func label(at index: Int) -> Int? {
        guard self.index.samples.indices.contains(index), self.index.samples[index].label >= 0 else { return nil }
        return Int(self.index.samples[index].label)
    }

    func file(of index: Int) -> String {
        self.index.samples.indices.contains(index) ? files[Int(self.index.samples[index].file)] : files.first ?? ""
    }

    /// The shard's path, then the member's: `train-000.tar/0001.jpg`.
    func name(at index: Int) -> String {
        guard self.index.samples.indices.contains(index) else { return "\(files.first ?? "")#\(index)" }
        return files[Int(self.index.samples[index].file)] + "/" + self.index.name(of: index)
    }

    func image(at index: Int) throws(VisionError) -> PixelImage {
        try check(index)
        let sample = self.index.samples[index], name = name(at: index)
        guard sample.size <= Self.largestImage else { throw .unreadable(path: name, reason: "its \(sample.size) bytes are above the limit of \(Self.largestImage)") }
        let bytes = try readFile(files[Int(sample.file)], at: sample.offset, count: sample.size)
        guard bytes.count == sample.size else { throw .truncated(name: name, reason: "the file became shorter while it was used") }
        return try decodeImage(bytes: bytes, name: name, options: decoding)
    }
}

func isTarName(_ name: String) -> Bool { name.lowercased().hasSuffix(".tar") }

func isCompressedTarName(_ name: String) -> Bool {
    let lower = name.lowercased()
    return [".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst"].contains { lower.hasSuffix($0) }
}

extension TarSource {
    /// The shards in a folder; nil when there are none. Where names tell the roles apart (`…train…`, `…test…`, `…val…` as words), those of the role.
    static func inFolder(_ folder: String, entries: [String], role: DatasetRole, decoding: DecodeOptions) throws(VisionError) -> TarSource? {
        // A compressed one is opened only to be refused.
        let tars = entries.contains(where: isTarName) ? entries.filter(isTarName) : entries.filter(isCompressedTarName)
        func named(_ role: DatasetRole) -> [String] {
            tars.filter { name in name.lowercased().split { !$0.isLetter }.contains { role.folders.contains(String($0)) } }
        }
        guard !tars.isEmpty else { return nil }
        let mine = named(role)
        if mine.isEmpty, let other = named(role.other).first { throw .missingRole(path: folder, wanted: role.name, found: other) }
        return try TarSource(files: (mine.isEmpty ? tars : mine).map { join(folder, $0) }, decoding: decoding)
    }
}
