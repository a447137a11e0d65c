import CurricleVision

/// All pictures below a folder, and what was passed over.
///
/// Links to folders are followed when all else has been walked, and a folder is walked once, by whatever names it is reached. A name is
/// asked what it is before it is matched: Synology's `@eaDir/0.jpg/` is a folder.
struct FolderWalk {
    /// As seen from the root, in the order of their bytes.
    private(set) var files: [ByteName] = []
    private var otherKinds: [ByteName: Int] = [:]
    private var walkedAlready: [ByteName] = []
    private var notRegular: [ByteName] = []
    /// Names of files that are there under another name, too.
    private var again = 0
    private var topFolders: [ByteName] = []
    /// Folders of runs, and arrays of features: what this program wrote itself.
    private var own: [ByteName] = []

    private let root: ByteName
    private var walked: Set<FileIdentity> = []
    private var links: [ByteName] = []
    private var identities: [FileIdentity] = []
    private var mayRepeat = false

    init(root: ByteName) throws(VisionError) {
        self.root = root
        try walk("")
        var next = 0
        while next < links.count {
            try walk(links[next])
            next += 1
        }
        files.sort()
        if mayRepeat { again = identities.count - Set(identities).count }
        identities = []
        links = []
    }

    private mutating func walk(_ folder: ByteName) throws(VisionError) {
        let path = folder.isEmpty ? root : root.appending(folder)
        guard let facts = FileFacts(path) else { throw .notFound(path: "\(path)") }
        guard walked.insert(facts.identity).inserted else {
            walkedAlready.append(folder)
            return
        }
        let found = try entries(in: path)
        let isRun = isRunFolder(found)
        guard folder.isEmpty || !isRun else {
            own.append(ByteName(folder.bytes + "/".utf8))
            topFolders.removeAll { $0 == folder }
            return
        }
        for entry in found {
            let name = folder.appending(entry.name)
            if isRun, entry.name == "pictures" {  // a run in the folder of its own data
                own.append(ByteName(name.bytes + "/".utf8))
                continue
            }
            guard let facts = entry.facts, facts.isRegular || facts.isFolder else {
                notRegular.append(name)
                continue
            }
            if facts.isFolder {
                if folder.isEmpty { topFolders.append(name) }
                if entry.isLink { links.append(name) } else { try walk(name) }
            } else if isArrayName(name), try holdsFloats(root.appending(name)) {
                own.append(name)
            } else if isImageName(name) || isArrayName(name) {
                files.append(name)
                identities.append(facts.identity)
                mayRepeat = mayRepeat || entry.isLink || facts.links > 1
            } else {
                otherKinds[entry.name.suffix, default: 0] += 1
            }
        }
    }

    /// A line a reason; none where everything was taken.
    var notes: [String] {
        var notes: [String] = []
        if !otherKinds.isEmpty {
            notes.append("\(root): \(Self.counted(otherKinds)): not read (images are .jpg, .jpeg, .png, .webp and .npy)")
        }
        let filled = Set(files.compactMap(\.first)), empty = topFolders.filter { !filled.contains($0) && !walkedAlready.contains($0) }
        if hasClasses, !empty.isEmpty {
            notes.append(
                "\(root): no images in \(Self.some(empty.map { "\($0)/" })): \(empty.count == 1 ? "it is no class" : "they are no classes")"
            )
        }
        if !walkedAlready.isEmpty {
            notes.append(
                "\(root): \(Self.some(walkedAlready.map { "\($0)/" })): the same \(walkedAlready.count == 1 ? "folder" : "folders") as "
                    + "walked already, left out"
            )
        }
        if !notRegular.isEmpty {
            notes.append(
                "\(root): \(Self.some(notRegular.map { "\($0)" })): no regular \(notRegular.count == 1 ? "file" : "files"), left out")
        }
        if !own.isEmpty { notes.append("\(root): \(Self.some(own.map { "\($0)" })): runs and features, no pictures, left out") }
        if again > 0 { notes.append("\(root): \(again) of \(files.count) images are there under another name, too, and count again") }
        return notes
    }

    /// Whether every image lies below a folder, which is its class.
    private var hasClasses: Bool { !files.isEmpty && files.allSatisfy { $0.first != nil } }

    /// Why the images have no labels; nil where they do.
    var missingLabels: String? {
        let loose = files.filter { $0.first == nil }
        guard let first = loose.first else { return nil }
        return loose.count == files.count
            ? nil
            : "\(first)\(loose.count > 1 ? " and \(loose.count - 1) more" : "") \(loose.count > 1 ? "lie" : "lies") beside the class "
                + "folders: move \(loose.count > 1 ? "them" : "it") away"
    }

    /// `.bmp 3, .txt 1, without a suffix 1`: the most first.
    static func counted(_ kinds: [ByteName: Int]) -> String {
        some(
            kinds.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map {
                "\($0.key.isEmpty ? "without a suffix" : "\($0.key)") \($0.value)"
            }, of: 8)
    }

    private static func some(_ names: [String], of most: Int = 3) -> String {
        names.prefix(most).joined(separator: ", ") + (names.count > most ? " and \(names.count - most) more" : "")
    }
}

func isImageName(_ name: ByteName) -> Bool { name.hasSuffix(".jpg", ".jpeg", ".png", ".webp") }
func isArrayName(_ name: ByteName) -> Bool { name.hasSuffix(".npy") }

/// Whether a folder is a run's, by what stands in it: its pictures are no data.
private func isRunFolder(_ found: [FolderEntry]) -> Bool {
    func holds(_ name: ByteName) -> Bool { found.contains { $0.name == name && $0.facts?.isRegular == true } }
    return holds("config.json") && (holds("log.jsonl") || holds("model.safetensors"))
}

/// Whether an array's numbers are floats, as those of features are: pictures are bytes.
private func holdsFloats(_ path: ByteName) throws(VisionError) -> Bool {
    // Magic, version and the header's length, then the header (`numpy.lib.format`).
    let start = try withFile(path) { (file, _) throws(VisionError) in try readBytes(of: file, at: 0, count: 128, path: path) }
    guard start.starts(with: [0x93] + "NUMPY".utf8) else { return false }
    let header = String(decoding: start, as: UTF8.self)
    return ["'<f2'", "'<f4'", "'<f8'"].contains { header.contains("'descr': \($0)") }
}

/// Whether a folder holds images in any form that is read, at any depth.
func holdsImages(_ folder: ByteName) throws(VisionError) -> Bool {
    var walked: Set<FileIdentity> = []
    return try holdsImages(folder, &walked)
}

private func holdsImages(_ folder: ByteName, _ walked: inout Set<FileIdentity>) throws(VisionError) -> Bool {
    guard let facts = FileFacts(folder), walked.insert(facts.identity).inserted else { return false }
    let found = try entries(in: folder)
    if isRunFolder(found) { return false }
    let isData = found.contains {
        $0.facts?.isRegular == true
            && (isImageName($0.name) || isArrayName($0.name) || isTarName($0.name) || $0.name.contains("idx3") || $0.name.hasSuffix(".bin"))
    }
    if isData { return true }
    for entry in found where entry.facts?.isFolder == true {
        if try holdsImages(folder.appending(entry.name), &walked) { return true }
    }
    return false
}
