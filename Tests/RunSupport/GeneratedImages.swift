import CurricleDatasets
import CurricleVision

/// Small images that are a function of their index; some may be broken.
package struct GeneratedImages: ImageSource {
    package let count: Int

    package init(count: Int) { self.count = count }

    package let classNames: [ByteName] = []
    package func label(at index: Int) -> Int? { nil }
    package func name(at index: Int) -> ByteName { "generated#\(index)" }
    package func image(at index: Int) throws(VisionError) -> PixelImage {
        PixelImage(width: 12, height: 12, channels: 1, pixels: (0..<144).map { UInt8(truncatingIfNeeded: ($0 * (index + 3) * 37) >> 3) })
    }
}
