import Vision

extension FolderSource {
    /// No list may be longer: enough for ten million lines.
    private static let longestList = 1 << 30

    /// The images that a text file names, in its order.
    ///
    /// A line is a path, relative to the list's folder or absolute, and for classes a tab and the class's name. Blank lines and lines that
    /// begin with `#` are left out, and so is the mark that Windows puts before UTF-8. Classes are sorted; either every image has one or
    /// none.
    ///
    /// - Throws: `badListEntry` with the line of a file that is not there, or that lacks the class which others have; for a list without
    ///   any file too.
    /// `foreignFile` for what is no list.
    init(list path: ByteName, decoding: DecodeOptions = DecodeOptions()) throws(VisionError) {
        var text = try readFile(path, limit: Self.longestList)[...]
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { text = text.dropFirst(3) }
        if let foreign = ForeignFile(text), foreign.isNoList {
            throw .foreignFile(path: "\(path)", what: foreign.what, advice: foreign.advice)
        }
        let folder = path.folder
        var files: [ByteName] = []
        var classes: [ByteName] = []
        var identities: Set<FileIdentity> = []
        for (index, row) in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let line = row.last == UInt8(ascii: "\r") ? row.dropLast() : row
            if line.first == UInt8(ascii: "#") || line.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }) { continue }
            let tab = line.firstIndex(of: UInt8(ascii: "\t")) ?? line.endIndex
            let file = ByteName(line[..<tab]), name = ByteName(line[tab...].dropFirst())
            func wrong(_ reason: String) -> VisionError { .badListEntry(path: "\(path)", line: index + 1, reason: reason) }
            // A zero byte would end the path early for the system, and another file be opened.
            guard !file.isEmpty, !line.contains(0) else { throw wrong("there is no path before the tab, or a zero byte in the line") }
            let facts = FileFacts(file.isAbsolute ? file : folder.appending(file))
            guard let facts, !facts.isFolder else { throw wrong("\(file) is \(facts != nil ? "a folder" : "not there")") }
            if !files.isEmpty, name.isEmpty != classes.isEmpty {
                throw wrong("\(file) has \(name.isEmpty ? "no" : "a") class, other than the lines before")
            }
            files.append(file)
            identities.insert(facts.identity)
            if !name.isEmpty { classes.append(name) }
        }
        guard !files.isEmpty else { throw .badListEntry(path: "\(path)", line: 1, reason: "neither this line nor another names an image") }
        self.init(root: folder, files: files, classesOfFiles: classes, decoding: decoding)
        let again = files.count - identities.count
        if again > 0 { notes.append("\(path): \(again) of \(files.count) images are named more than once, and count again") }
    }
}
