import CurricleVision

extension FolderSource {
    /// No list may be longer: enough for ten million lines.
    private static let longestList = 1 << 30

    /// The images that a text file names, in its order.
    ///
    /// A line is a path, relative to the list's folder or absolute, and for classes a tab and the class's name. Blank lines and lines that
    /// begin with `#` are left out, and so is the mark that Windows puts before UTF-8. A `.csv` has a row a path instead, by its columns
    /// `file` (or `filename`, `path`, `image`) and `label` (or `class`, `category`), or by its first two where no row of names stands above
    /// them. Classes are sorted; either every image has one or none.
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
        for row in try path.hasSuffix(".csv") ? Self.commaSeparated(text, path) : Self.lines(text) {
            let file = row.file, name = row.name
            func wrong(_ reason: String) -> VisionError { .badListEntry(path: "\(path)", line: row.line, reason: reason) }
            // A zero byte would end the path early for the system, and another file be opened.
            guard !file.isEmpty, !(file.bytes + name.bytes).contains(0) else {
                throw wrong("there is no path before the tab, or a zero byte in the line")
            }
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

    private typealias ListRow = (line: Int, file: ByteName, name: ByteName)

    private static func lines(_ text: ArraySlice<UInt8>) -> [ListRow] {
        text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated().compactMap { index, row in
            let line = row.last == UInt8(ascii: "\r") ? row.dropLast() : row
            if line.first == UInt8(ascii: "#") || line.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }) { return nil }
            let tab = line.firstIndex(of: UInt8(ascii: "\t")) ?? line.endIndex
            return (index + 1, ByteName(line[..<tab]), ByteName(line[tab...].dropFirst()))
        }
    }

    private static func commaSeparated(_ text: ArraySlice<UInt8>, _ path: ByteName) throws(VisionError) -> [ListRow] {
        let table: CommaSeparatedRows
        do { table = try CommaSeparatedRows(text) } catch {
            throw .badListEntry(path: "\(path)", line: error.line, reason: "a quote has no end")
        }
        let heads = (table.rows.first?.fields ?? []).map { String(decoding: $0, as: UTF8.self).lowercased() }
        let file = heads.firstIndex { ["file", "filename", "path", "image"].contains($0) }
        let label = heads.firstIndex { ["label", "class", "category"].contains($0) }
        return table.rows.dropFirst(file == nil ? 0 : 1).map { row in
            func field(_ column: Int?) -> ByteName {
                ByteName(column.flatMap { row.fields.indices.contains($0) ? row.fields[$0] : nil } ?? [])
            }
            return (row.line, field(file ?? 0), field(file == nil ? 1 : label))
        }
    }
}
