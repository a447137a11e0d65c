import Datasets
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
    package var classNames: [ByteName] { source.classNames }
    package var missingLabels: String? { source.missingLabels }
    package func label(at index: Int) -> Int? { source.label(at: place(index)) }
    package func name(at index: Int) -> ByteName { source.name(at: place(index)) }
    package func file(of index: Int) -> ByteName { source.file(of: place(index)) }
    package func identity(at index: Int) -> ImageIdentity? { source.identity(at: place(index)) }
    package func image(at index: Int) throws(VisionError) -> PixelImage { try source.image(at: place(index)) }
}
