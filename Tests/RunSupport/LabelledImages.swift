import CurricleDatasets
import CurricleVision

/// Images of ten classes, each a pattern; noise keeps the images of a class apart.
package struct LabelledImages: ImageSource {
    package let count: Int
    package var noise = 90
    package var labels = true

    package init(count: Int, noise: Int = 90, labels: Bool = true) {
        self.count = count
        self.noise = noise
        self.labels = labels
    }

    package var classNames: [ByteName] { (0..<10).map { ByteName("\($0)") } }
    package func label(at index: Int) -> Int? { labels ? index % 10 : nil }
    package func name(at index: Int) -> ByteName { "labelled#\(index)" }
    package func image(at index: Int) throws(VisionError) -> PixelImage {
        PixelImage(
            width: 12, height: 12, channels: 1,
            pixels: (0..<144).map { p in
                UInt8(truncatingIfNeeded: (p * (index % 10 + 1) * 13) % 151 + (noise > 0 ? (index * 7919 + p * p * 31) % noise : 0))
            })
    }
}
