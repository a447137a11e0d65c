import CurricleDatasets
import CurricleEngine
import CurricleFeatures
import Foundation
import CurricleModels
import CurricleRuntime
import CurricleVision

/// Images and those whose features are nearest among others, as one page; or the pairs that are nearly the same.
package struct NeighbourPage {
    /// A neighbour of an image.
    package struct Neighbour: Sendable {
        package let name: ByteName
        package let label: Int?
        /// Of the features (means of the patch tokens), −1…1.
        package let cosine: Double
        fileprivate let index: Int
    }

    /// An image with its neighbours, nearest first.
    package struct Row: Sendable {
        package let name: ByteName
        package let label: Int?
        package let neighbours: [Neighbour]
        fileprivate let index: Int
    }

    package let rows: [Row]
    private let known: any ImageSource, queries: any ImageSource
    private let pipeline: ImagePipeline
    private let compared: Int
    /// Rows that a page shows.
    package static let mostShown = 200

    /// - Parameters:
    ///   - known: where neighbours are looked for.
    ///   - queries: whose neighbours are; an image that is the same file as a known one is not its own neighbour.
    ///   - least: the least cosine of a neighbour; rows without any are left out.
    ///   - report: told of each broken image, which is left out.
    /// - Throws: `LearningError`, what computing features throws.
    package init(
        _ extractor: FeatureExtractor, known: any ImageSource, queries: any ImageSource, count: Int, least: Double? = nil,
        report: (String) -> Void = { _ in }, progress: (Int, Int) -> Void = { _, _ in }
    ) throws {
        func features(_ images: any ImageSource, _ before: Int) throws -> (rows: LabelledFeatures, samples: [Int]) {
            let computed = try extractor.compute(images, .mean, 64, nil, strict: false, report) { done, _ in
                progress(before + done, known.count + queries.count)
            }
            return (
                try LabelledFeatures(
                    features: computed.features, width: extractor.width(.mean), labels: Array(repeating: 0, count: computed.samples.count),
                    samples: computed.samples), computed.samples
            )
        }
        let others = try features(known, 0), asked = try features(queries, known.count)
        let own = queries.places(in: known), most = own.map(\.count).max() ?? 0
        let found = try NearestNeighbours(
            training: others.rows, k: min(count + most, others.samples.count), threads: extractor.threads, isa: extractor.isa
        ).neighbours(of: asked.rows)
        let width = extractor.width(.mean)
        rows = asked.samples.enumerated().compactMap { row, query in
            let itself = Set(own.indices.contains(query) ? own[query] : [])
            let near = found[row].filter { !itself.contains(others.samples[$0]) }.prefix(count).map { place -> Neighbour in
                let index = others.samples[place]
                return Neighbour(
                    name: known.name(at: index), label: known.label(at: index),
                    cosine: NeighbourPage.cosine(asked.rows.features, row, others.rows.features, place, width), index: index)
            }.filter { $0.cosine >= least ?? -1 }
            if least != nil, near.isEmpty { return nil }
            return Row(name: queries.name(at: query), label: queries.label(at: query), neighbours: Array(near), index: query)
        }
        (self.known, self.queries, compared) = (known, queries, others.samples.count)
        pipeline = ImagePipeline(
            grid: try extractor.description.model.grid, augmentation: .none, normalization: extractor.description.normalization, seed: 0)
    }

    private static func cosine(_ a: [Float], _ row: Int, _ b: [Float], _ other: Int, _ width: Int) -> Double {
        var products = 0.0, left = 0.0, right = 0.0
        for i in 0..<width {
            let (x, y) = (Double(a[row * width + i]), Double(b[other * width + i]))
            products += x * y
            left += x * x
            right += y * y
        }
        return left > 0 && right > 0 ? products / (left * right).squareRoot() : 0
    }

    /// The page's text.
    /// - Throws: `VisionError` where an image cannot be read any more.
    package func html(title: String) throws -> String {
        let shown = rows.prefix(NeighbourPage.mostShown)
        let body = try shown.map { row in
            let figures =
                try [figure(queries, row.index, caption(row.name, row.label, queries, nil))]
                + row.neighbours.map { try figure(known, $0.index, caption($0.name, $0.label, known, $0.cosine)) }
            return "<div class=\"strip\">\(figures.joined(separator: "\n"))</div>"
        }.joined(separator: "\n")
        let more = rows.count > shown.count ? "<p>The first \(shown.count) of \(rows.count).</p>" : ""
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(escaped(title))</title><style>\(RunReport.style).strip figure{width:clamp(84px,11vw,132px);margin-right:6px}
            .strip figcaption{white-space:normal;overflow-wrap:anywhere}</style></head><body>
            <h1>\(escaped(title))</h1><p>First the image, then its nearest among \(compared), with the cosine of their features.</p>\(more)
            \(body)
            </body></html>

            """
    }

    private func caption(_ name: ByteName, _ label: Int?, _ source: any ImageSource, _ cosine: Double?) -> String {
        let classes = source.classNames,
            last = name.bytes.lastIndex(of: UInt8(ascii: "/")).map { ByteName(name.bytes[($0 + 1)...]) } ?? name
        return
            ([cosine.map { String(format: "%.3f", $0) }, label.flatMap { classes.indices.contains($0) ? "\(classes[$0])" : nil }, "\(last)"])
            .compactMap { $0 }.joined(separator: " · ")
    }

    private func figure(_ source: any ImageSource, _ index: Int, _ caption: String) throws -> String {
        let image = pipeline.prepared(try source.image(at: index), epoch: 0, sample: index)
        let png = try encodePNG(narrowed(scaled(image, by: max(1, 112 / max(1, image.width))), to: 224))
        return "<figure><img alt=\"\(escaped(caption))\" src=\"data:image/png;base64,\(Data(png).base64EncodedString())\">"
            + "<figcaption>\(escaped(caption))</figcaption></figure>"
    }
}
