/// Some images of a source, in its order.
struct SubsetSource: ImageSource {
    private let source: any ImageSource
    private let indices: [Int]

    init(_ source: any ImageSource, indices: [Int]) {
        self.source = source
        self.indices = indices
    }

    var count: Int { indices.count }
    var classNames: [ByteName] { source.classNames }
    func label(at index: Int) -> Int? { source.label(at: indices[index]) }
    func name(at index: Int) -> ByteName { source.name(at: indices[index]) }
    func file(of index: Int) -> ByteName { source.file(of: indices[index]) }
    func identity(at index: Int) -> ImageIdentity? { source.identity(at: indices[index]) }
    var notes: [String] { source.notes }
    var missingLabels: String? { source.missingLabels }
    func image(at index: Int) throws(VisionError) -> PixelImage { try source.image(at: indices[index]) }
}

extension ImageSource {
    /// The images that can be decoded, and what is wrong with each of the others.
    /// - Parameter progress: told how many were looked at.
    public func sound(progress: (Int) -> Void = { _ in }) -> (source: any ImageSource, broken: [VisionError]) {
        var broken: [Int: VisionError] = [:]
        for index in 0..<count {
            do throws(VisionError) { _ = try image(at: index) } catch { broken[index] = error }
            progress(index + 1)
        }
        guard !broken.isEmpty else { return (self, []) }
        return (SubsetSource(self, indices: (0..<count).filter { broken[$0] == nil }), broken.sorted { $0.key < $1.key }.map(\.value))
    }
}
