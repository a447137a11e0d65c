extension FolderSource {
    /// No list may be longer: enough for ten million lines.
    private static let longestList = 1 << 30

    /// The images that a text file names, in its order.
    ///
    /// A line is a path, relative to the list's folder or absolute, and for classes a tab and the class's name. Blank lines and lines that begin
    /// with `#` are left out. Classes are sorted; either every image has one or none.
    ///
    /// Errors: `badListEntry` with the line of a file that is not there, or that lacks the class which others have; for a list without any file too.
    init(list path: String, decoding: DecodeOptions = DecodeOptions()) throws(VisionError) {
        let text = try readFile(path, limit: Self.longestList)
        let folder = folderAndName(of: path).folder
        var files: [String] = []
        var classes: [String] = []
        for (index, row) in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let line = row.last == UInt8(ascii: "\r") ? row.dropLast() : row
            if line.first == UInt8(ascii: "#") || line.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }) { continue }
            let tab = line.firstIndex(of: UInt8(ascii: "\t")) ?? line.endIndex
            let file = String(decoding: line[..<tab], as: UTF8.self), name = String(decoding: line[tab...].dropFirst(), as: UTF8.self)
            func wrong(_ reason: String) -> VisionError { .badListEntry(path: path, line: index + 1, reason: reason) }
            // A zero byte would end the path early for the system, and another file be opened.
            guard !file.isEmpty, !line.contains(0) else { throw wrong("there is no path before the tab, or a zero byte in the line") }
            let (exists, isFolder) = kind(of: file.hasPrefix("/") ? file : join(folder, file))
            guard exists, !isFolder else { throw wrong("\(file) is \(exists ? "a folder" : "not there")") }
            if !files.isEmpty, name.isEmpty != classes.isEmpty { throw wrong("\(file) has \(name.isEmpty ? "no" : "a") class, other than the lines before") }
            files.append(file)
            if !name.isEmpty { classes.append(name) }
        }
        guard !files.isEmpty else { throw .badListEntry(path: path, line: 1, reason: "neither this line nor another names an image") }
        self.init(root: folder, files: files, classesOfFiles: classes, decoding: decoding)
    }

    /// - Parameter classes: the name of each file's class, or empty when unlabelled. Names are numbered in the order of their UTF-8 bytes.
    init(root: String, files: [String], classesOfFiles classes: [String], decoding: DecodeOptions) {
        let names = Set(classes).sorted(by: bytesAscend)
        let numbers = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        self.init(root: root, files: files, classNames: names, labels: classes.compactMap { numbers[$0] }, decoding: decoding)
    }
}
