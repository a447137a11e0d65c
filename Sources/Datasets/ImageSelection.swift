import CurricleVision

/// Some images of a source, by their indices there.
package struct ImageSelection: ImageSource {
    package let source: any ImageSource
    package let indices: [Int]
    package var count: Int { indices.count }

    package init(_ source: any ImageSource, _ indices: [Int]) {
        self.source = source
        self.indices = indices
    }

    /// So many images at most, spread evenly: where a folder is sorted by class, some of every class.
    package init(_ source: any ImageSource, most: Int) {
        let all = source.count, count = min(all, most)
        self.init(source, (0..<count).map { $0 * all / count })
    }

    package var classNames: [ByteName] { source.classNames }
    package var missingLabels: String? { source.missingLabels }
    package var notes: [String] { source.notes }
    package func label(at index: Int) -> Int? { source.label(at: indices[index]) }
    package func name(at index: Int) -> ByteName { source.name(at: indices[index]) }
    package func file(of index: Int) -> ByteName { source.file(of: indices[index]) }
    package func identity(at index: Int) -> ImageIdentity? { source.identity(at: indices[index]) }
    package func bytesToRead(at index: Int) -> Int? { source.bytesToRead(at: indices[index]) }
    package func image(at index: Int) throws(VisionError) -> PixelImage { try source.image(at: indices[index]) }
}

extension ImageSource {
    /// The images that can be decoded, and what is wrong with each of the others.
    /// - Parameter progress: told how many were looked at.
    package func sound(progress: (Int) -> Void = { _ in }) -> (source: any ImageSource, broken: [VisionError]) {
        var broken: [Int: VisionError] = [:]
        for index in 0..<count {
            do throws(VisionError) { _ = try image(at: index) } catch { broken[index] = error }
            progress(index + 1)
        }
        guard !broken.isEmpty else { return (self, []) }
        return (ImageSelection(self, (0..<count).filter { broken[$0] == nil }), broken.sorted { $0.key < $1.key }.map(\.value))
    }
}
