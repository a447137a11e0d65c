import CurricleVision

/// A labelled source whose labels count in another's classes: test images may lack some of them, in any place.
struct RelabelledSource: ImageSource {
    private let source: any ImageSource
    let classNames: [ByteName]
    /// Of each class of the source, its place among `classNames`.
    private let places: [Int]

    var count: Int { source.count }
    var shards: [Range<Int>] { source.shards }
    func label(at index: Int) -> Int? { source.label(at: index).flatMap { places.indices.contains($0) ? places[$0] : nil } }
    func name(at index: Int) -> ByteName { source.name(at: index) }
    func file(of index: Int) -> ByteName { source.file(of: index) }
    func identity(at index: Int) -> ImageIdentity? { source.identity(at: index) }
    var notes: [String] { source.notes }
    var missingLabels: String? { source.missingLabels }
    func bytesToRead(at index: Int) -> Int? { source.bytesToRead(at: index) }
    func image(at index: Int) throws(VisionError) -> PixelImage { try source.image(at: index) }

    fileprivate init(_ source: any ImageSource, classNames: [ByteName], places: [Int]) {
        self.source = source
        self.classNames = classNames
        self.places = places
    }
}

extension ImageSource {
    /// The source with its labels as indices into the given names.
    ///
    /// - Throws: `unknownClass` for a class of the source that is not among them.
    package func labelled(byNames names: [ByteName]) throws(VisionError) -> any ImageSource {
        if classNames == Array(names.prefix(classNames.count)) { return self }
        let known = Dictionary(names.enumerated().map { ($0.element, $0.offset) }) { first, _ in first }
        var places: [Int] = []
        for name in classNames {
            guard let place = known[name] else {
                throw .unknownClass("\(name)", image: count > 0 ? "\(self.name(at: 0))" : "the data", known: names.map { "\($0)" })
            }
            places.append(place)
        }
        return RelabelledSource(self, classNames: names, places: places)
    }
}
