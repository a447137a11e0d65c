import CurricleVision

/// Tar shards as WebDataset lays them, read without unpacking; see `TarIndex` for what a sample is.
struct TarSource: ImageSource {
    let files: [ByteName]
    private let facts: [FileFacts]
    /// "0", "1", … up to the largest label; empty when no sample has one.
    let classNames: [ByteName]
    let shards: [Range<Int>]
    private let index: TarIndex
    private let decoding: DecodeOptions
    let notes: [String]
    let missingLabels: String?

    /// No image may take more bytes.
    private static let largestImage = 1 << 30

    /// - Parameter files: in the order of the samples.
    /// - Throws: `badArchive` for what is no tar file, or when no file holds an image; `truncated`.
    init(files: [ByteName], decoding: DecodeOptions = DecodeOptions()) throws(VisionError) {
        var index = TarIndex(), facts: [FileFacts] = []
        for (number, path) in files.enumerated() { facts.append(try index.add(path, number: Int32(number))) }
        guard !index.samples.isEmpty else {
            let (path, what) = files.count == 1 ? (files[0], "it") : ((files.first ?? "").folder, "its \(files.count) shards")
            let why = index.dotted.map { "\(Self.reason(of: $0.first)): keep one dot in the names" }
            throw .badArchive(
                path: "\(path)",
                reason: why
                    ?? "no member of \(what) is a "
                    + ".\(TarIndex.extensions.joined(separator: ", ."))\(index.otherKinds.isEmpty ? "" : ", but \(FolderWalk.counted(index.otherKinds))")"
            )
        }
        self.facts = facts
        self.files = files
        self.index = index
        self.decoding = decoding
        shards = index.shards
        classNames = index.largestLabel < 0 ? [] : (0...index.largestLabel).map { ByteName("\($0)") }
        notes = Self.notes(index, of: files)
        missingLabels =
            index.largestLabel < 0 && index.loneLabel == nil
            ? nil : index.unlabelled.map { "\(files[Int(index.samples[$0].file)])/\(index.name(of: $0)) has no .cls next to it" }
    }

    /// A key ends at the first dot of the name, as in WebDataset.
    private static func reason(of dotted: ByteName) -> String {
        let base = dotted.last.bytes, dot = base.firstIndex(of: UInt8(ascii: ".")) ?? base.endIndex
        return "\(dotted) has the key \(ByteName(base[..<dot])) and the suffix \(ByteName(base[dot...])), which is no picture's"
    }

    private static func notes(_ index: TarIndex, of files: [ByteName]) -> [String] {
        let what = files.count == 1 ? "\(files[0])" : "\(files.count) shards"
        var notes: [String] = []
        if let dotted = index.dotted {
            notes.append("\(what): \(dotted.count) \(dotted.count == 1 ? "picture" : "pictures") left out: \(reason(of: dotted.first))")
        }
        if !index.otherKinds.isEmpty {
            notes.append(
                "\(what): \(FolderWalk.counted(index.otherKinds)): not read (samples are KEY.jpg, .jpeg, .png or .webp, and KEY.cls)")
        }
        if let label = index.loneLabel { notes.append("\(what): \(label) has no image next to it") }
        return notes
    }

    var count: Int { index.samples.count }

    func label(at index: Int) -> Int? {
        guard self.index.samples.indices.contains(index), self.index.samples[index].label >= 0 else { return nil }
        return Int(self.index.samples[index].label)
    }

    func file(of index: Int) -> ByteName {
        self.index.samples.indices.contains(index) ? files[Int(self.index.samples[index].file)] : files.first ?? ""
    }

    /// The shard's path, then the member's: `train-000.tar/0001.jpg`.
    func name(at index: Int) -> ByteName {
        guard self.index.samples.indices.contains(index) else { return ByteName((files.first ?? "").bytes + "#\(index)".utf8) }
        return ByteName(file(of: index).bytes + [UInt8(ascii: "/")] + self.index.name(of: index).bytes)
    }

    func identity(at index: Int) -> ImageIdentity? {
        guard self.index.samples.indices.contains(index) else { return nil }
        let sample = self.index.samples[index]
        return ImageIdentity(file: facts[Int(sample.file)].identity, place: sample.offset)
    }

    func bytesToRead(at index: Int) -> Int? {
        guard self.index.samples.indices.contains(index) else { return nil }
        let sample = self.index.samples[index], path = files[Int(sample.file)]
        return try? withFile(path) { (file, _) throws(VisionError) in
            try bytesToDecode(file, at: sample.offset, size: sample.size, path: path, decoding)
        }
    }

    func image(at index: Int) throws(VisionError) -> PixelImage {
        try check(index)
        let sample = self.index.samples[index], name = "\(name(at: index))"
        guard sample.size <= Self.largestImage else {
            throw .unreadable(path: name, reason: "its \(sample.size) bytes are above the limit of \(Self.largestImage)")
        }
        let bytes = try readFile(files[Int(sample.file)], at: sample.offset, count: sample.size, of: facts[Int(sample.file)].version)
        return try decodeImage(bytes: bytes, name: name, options: decoding)
    }
}

func isTarName(_ name: ByteName) -> Bool { name.hasSuffix(".tar") }

func isCompressedTarName(_ name: ByteName) -> Bool { name.hasSuffix(".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst") }

extension TarSource {
    /// The shards in a folder; nil when there are none. Where names tell the roles apart (`…train…`, `…test…`, `…val…` as words), those of
    /// the role.
    static func inFolder(
        _ folder: ByteName, entries: [ByteName], role: DatasetRole, decoding: DecodeOptions
    ) throws(VisionError) -> TarSource? {
        // A compressed one is opened only to be refused.
        let tars = entries.contains(where: isTarName) ? entries.filter(isTarName) : entries.filter(isCompressedTarName)
        func named(_ role: DatasetRole) -> [ByteName] {
            tars.filter { name in
                name.lowercased.bytes.split { !(0x61...0x7A).contains($0) }.contains { word in
                    role.spellings.contains { word.elementsEqual($0.utf8) }
                }
            }
        }
        guard !tars.isEmpty else { return nil }
        let mine = role == .all ? tars : named(role)
        if mine.isEmpty, let other = role.others.lazy.compactMap({ named($0).first }).first {
            throw .missingRole(path: "\(folder)", wanted: role.name, found: "\(other)")
        }
        return try TarSource(files: (mine.isEmpty ? tars : mine).map { folder.appending($0) }, decoding: decoding)
    }
}
