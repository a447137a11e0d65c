import Vision

/// Some images of a source, spread evenly over it: where a folder is sorted by class, some of every class.
package struct ImageSubset: ImageSource {
    private let source: any ImageSource
    package let count: Int
    /// Images of the source.
    package var all: Int { source.count }

    package init(_ source: any ImageSource, most: Int) {
        self.source = source
        count = min(source.count, most)
    }

    /// The source's index of an image.
    package func place(_ index: Int) -> Int { index * source.count / max(1, count) }
    package var classNames: [String] { source.classNames }
    package func label(at index: Int) -> Int? { source.label(at: place(index)) }
    package func name(at index: Int) -> String { source.name(at: place(index)) }
    package func file(of index: Int) -> String { source.file(of: place(index)) }
    package func image(at index: Int) throws(VisionError) -> PixelImage { try source.image(at: place(index)) }
}
