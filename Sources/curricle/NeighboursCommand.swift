import CurricleDatasets
import CurricleEngine
import CurricleFeatures
import Foundation
import CurricleReports
import CurricleRuntime
import CurricleStorage
import CurricleTerminal
import CurricleVision
import CurricleWeights

/// Images that an encoder takes for alike, as a page.
enum NeighboursCommand {
    static let command = Command(
        name: "neighbours", summary: "images whose features are nearest to others', as a page; or near duplicates between two sets",
        options: EncoderOptions.all() + [
            SharedOptions.images("data", "images to look among"),
            SharedOptions.images("query", "images whose neighbours are wanted: a file, a folder, anything that --data takes"),
            .value("count", "K", .whole(1...1000), "neighbours an image", fallback: "8", short: "k"),
            .value(
                "duplicates", "C", .number(-1...1),
                "instead: the images of --query that have a neighbour of at least this cosine, as 0.995: near duplicates"),
            SharedOptions.output("FILE.html", "the page"), SharedOptions.json
        ] + DataOptions.decoding + [SharedOptions.threads()],
        example: "curricle neighbours --weights run --data photos --query a.jpg -o page.html")

    static func run(_ a: Arguments) throws -> Int32 {
        let extractor = try EncoderOptions.extractor(a, threads: SharedOptions.threads(a), isa: ISA.named(nil))
        let m = extractor.description.model
        let decoding = try DataOptions.decoding(a, size: max(m.imageHeight, m.imageWidth), channels: m.channels)
        let known = try DataOptions.open(a.string("data"), role: .train, decoding)
        // A single file has no parts; of a dataset that has, those that are judged on are asked about.
        let path = try a.string("query")
        let queries = try path == a.string("data") ? testPart(of: path, decoding, besides: known) ?? known : opened(path, decoding)
        var progress = WorkProgress("features")
        defer { progress.finish() }
        let least = try a.doubleIfGiven("duplicates")
        let page = try NeighbourPage(
            extractor, known: known, queries: queries, count: a.int("count"), least: least, report: { tell("left out: \($0)") }
        ) { progress.update($0, of: $1) }
        progress.finish()
        let output = try a.string("output")
        try DurableFile.write(Array(try page.html(title: least == nil ? "Nearest neighbours" : "Near duplicates").utf8), to: output)
        if try a.flag("json") {
            for row in page.rows {
                print(
                    jsonLine([
                        ("image", .string("\(row.name)")), ("neighbours", .strings(row.neighbours.map { "\($0.name)" })),
                        ("cosines", .numbers(row.neighbours.map(\.cosine)))
                    ]))
            }
        } else if let least {
            print("\(output): \(count(page.rows.count, "image")) of \(queries.count) have a near duplicate (cosine \(least) or more)")
        } else {
            print("\(output): neighbours of \(count(page.rows.count, "image")) among \(known.count)")
        }
        return 0
    }

    private static func opened(_ path: String, _ decoding: DecodeOptions) throws -> any ImageSource {
        do { return try DataOptions.open(path, role: .test, decoding) } catch {
            guard case .missingRole = error as? VisionError else { throw error }
            return try DataOptions.open(path, role: .all, decoding)
        }
    }
}
