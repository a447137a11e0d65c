import CurricleVision

/// Several sources, one behind the other. Classes of the same name are one; where a source has none, the images have no labels.
struct JoinedSource: ImageSource {
    private let parts: [any ImageSource]
    /// Of each part's first image, and the count of all.
    private let starts: [Int]
    let count: Int
    let classNames: [ByteName]
    let shards: [Range<Int>]
    let notes: [String]
    let missingLabels: String?
    /// Of each part's classes, their places among the names of all.
    private let places: [[Int]]

    /// - Parameter parts: at least one; one alone is itself.
    static func of(_ parts: [any ImageSource]) -> any ImageSource { parts.count == 1 ? parts[0] : JoinedSource(parts) }

    private init(_ parts: [any ImageSource]) {
        self.parts = parts
        var starts: [Int] = [], count = 0
        for part in parts {
            starts.append(count)
            count += part.count
        }
        (self.starts, self.count) = (starts, count)
        // A part that is no shard is read in any order, so it counts as one only beside others.
        shards =
            parts.allSatisfy(\.shards.isEmpty)
            ? []
            : zip(parts, starts).flatMap { part, start in
                (part.shards.isEmpty ? [0..<part.count] : part.shards).map { ($0.lowerBound + start)..<($0.upperBound + start) }
            }
        let bare = parts.first { $0.classNames.isEmpty }
        let names = bare != nil ? [] : Set(parts.flatMap(\.classNames)).sorted()
        let numbers = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        classNames = names
        places = parts.map { $0.classNames.compactMap { numbers[$0] } }
        missingLabels =
            parts.lazy.compactMap(\.missingLabels).first
            ?? (parts.contains { !$0.classNames.isEmpty }
                ? bare.map { "\($0.name(at: 0)) has no class, other than images of the other data" } : nil)
        // What a part has twice by itself it says by itself.
        let identities = parts.map { part in Set((0..<part.count).compactMap { part.identity(at: $0) }) }
        let again = identities.reduce(0) { $0 + $1.count } - identities.reduce(into: Set()) { $0.formUnion($1) }.count
        notes = parts.flatMap(\.notes) + (again > 0 ? ["\(again) of \(count) images are in the data more than once, and count again"] : [])
    }

    private func place(of index: Int) -> (part: Int, index: Int) {
        let part = max(0, (starts.firstIndex { $0 > index } ?? starts.count) - 1)
        return (part, index - starts[part])
    }

    func label(at index: Int) -> Int? {
        let (part, own) = place(of: index)
        guard !classNames.isEmpty, let label = parts[part].label(at: own), places[part].indices.contains(label) else { return nil }
        return places[part][label]
    }
    func name(at index: Int) -> ByteName {
        let (part, own) = place(of: index)
        return parts[part].name(at: own)
    }
    func file(of index: Int) -> ByteName {
        let (part, own) = place(of: index)
        return parts[part].file(of: own)
    }
    func identity(at index: Int) -> ImageIdentity? {
        let (part, own) = place(of: index)
        return parts[part].identity(at: own)
    }
    func bytesToRead(at index: Int) -> Int? {
        let (part, own) = place(of: index)
        return parts[part].bytesToRead(at: own)
    }
    func image(at index: Int) throws(VisionError) -> PixelImage {
        try check(index)
        let (part, own) = place(of: index)
        return try parts[part].image(at: own)
    }
}

/// A source with more to say of what was passed over.
struct NotedSource: ImageSource {
    private let source: any ImageSource
    let notes: [String]

    init(_ source: any ImageSource, notes: [String]) {
        self.source = source
        self.notes = notes + source.notes
    }

    var count: Int { source.count }
    var classNames: [ByteName] { source.classNames }
    var shards: [Range<Int>] { source.shards }
    var missingLabels: String? { source.missingLabels }
    func label(at index: Int) -> Int? { source.label(at: index) }
    func name(at index: Int) -> ByteName { source.name(at: index) }
    func file(of index: Int) -> ByteName { source.file(of: index) }
    func identity(at index: Int) -> ImageIdentity? { source.identity(at: index) }
    func bytesToRead(at index: Int) -> Int? { source.bytesToRead(at: index) }
    func image(at index: Int) throws(VisionError) -> PixelImage { try source.image(at: index) }
}
