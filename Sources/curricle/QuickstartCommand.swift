import CurricleDatasets
import CurricleEngine
import Foundation
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleTerminal
import CurricleTrainer
import CurricleVision

/// Looks at a folder of images and says how to begin with them.
enum QuickstartCommand {
    static let command = Command(
        name: "quickstart", summary: "look at images, say what is there, and write a recipe to pretrain on them",
        options: [
            .value("minutes", "M", .number(1...1e6), "how long the pretraining may take on this machine", fallback: "30"),
            SharedOptions.output("FILE.json", "the recipe, for `pretrain --config` (default: quickstart.json)"),
            SharedOptions.threads()
        ],
        arguments: "DATA", argumentForm: .path(.either), argumentCount: 1...1, example: "curricle quickstart photos --minutes 30")

    /// Images that are decoded to find out what they are like, spread over all.
    private static let looks = 200

    static func run(_ a: Arguments) throws -> Int32 {
        let data = a.positional[0], output = try a.stringIfGiven("output") ?? "quickstart.json", minutes = try a.double("minutes")
        let threads = try SharedOptions.threads(a), isa = try ISA.named(nil)
        let source = try DataOptions.open(data, role: .train, DecodeOptions())
        let test = try testPart(of: data, DecodeOptions(), besides: source)
        let seen = try look(source, data)
        for line in seen.lines(source, test) { print(line) }
        var progress = WorkProgress("timing a few steps")
        progress.update(0, of: 1)
        let recipe = try QuickstartRecipe(
            images: source.count, side: seen.medianSide, pixels: seen.pixels, minutes: minutes, threads: threads, isa: isa)
        progress.finish()
        try DurableFile.write(Array(recipe.configuration(data: data).utf8), to: output)
        for line in advice(recipe, source, test, data: data, output: output, minutes: minutes) { print(line) }
        return 0
    }

    /// What a sample of the images is like.
    private struct Seen {
        var images = 0, broken: [String] = [], transparent = 0, turned = 0
        /// Shorter and longer sides, by rising shorter ones.
        var sides: [(short: Int, long: Int)] = []
        var colour = ChannelStatistics(), grey = ChannelStatistics()
        var isGrey = true

        var medianSide: Int { sides[sides.count / 2].short }
        var pixels: PixelNormalization {
            let statistics = isGrey ? grey : colour
            return PixelNormalization(
                mean: statistics.mean.map { Float(($0 * 1e4).rounded() / 1e4) },
                std: statistics.deviation.map { Float($0 > 0 ? ($0 * 1e4).rounded() / 1e4 : 1) })
        }

        func lines(_ source: any ImageSource, _ test: (any ImageSource)?) -> [String] {
            let labels = (0..<source.count).compactMap { source.label(at: $0) }
            let counts = Dictionary(labels.map { ($0, 1) }, uniquingKeysWith: +)
            var lines = [
                count(source.count, "image") + " to learn from" + (test.map { ", \(count($0.count, "image")) in a test part" } ?? "")
            ]
            if counts.count > 1, let most = counts.values.max(), let fewest = counts.values.min() {
                lines.append("\(counts.count) classes, of \(fewest) to \(most) images")
            } else {
                lines.append("no classes: features can be looked at, but not judged")
            }
            let (first, last) = (sides[0], sides[sides.count - 1])
            lines.append(
                "\(isGrey ? "grey" : "colour"); shorter sides of \(first.short) to \(last.short) pixels, the median \(medianSide)"
                    + " (\(images) looked at)")
            if transparent > 0 { lines.append("\(transparent) have transparent pixels: --background white shows white there") }
            if turned > 0 { lines.append("\(turned) say by EXIF that they lie turned: --apply-orientation turns them upright") }
            if !broken.isEmpty { lines.append("\(broken.count) cannot be read and will be left out, as \(broken[0])") }
            return lines
        }
    }

    private static func look(_ source: any ImageSource, _ data: String) throws -> Seen {
        func opened(_ change: (inout DecodeOptions) -> Void) throws -> any ImageSource {
            var options = DecodeOptions()
            change(&options)
            return try DataOptions.open(data, role: .train, options)
        }
        let transparent = try opened { $0.channels = 4 }, grey = try opened { $0.channels = 1 }
        let turned = try opened { $0.appliesOrientation = true }
        var seen = Seen()
        let total = min(looks, source.count)
        var progress = WorkProgress("looking")
        defer { progress.finish() }
        for look in 0..<total {
            let index = look * source.count / total
            progress.update(look, of: total)
            do throws(VisionError) {
                let image = try source.image(at: index)
                seen.images += 1
                seen.sides.append((min(image.width, image.height), max(image.width, image.height)))
                let name = "\(source.name(at: index))", stored = try grey.image(at: index)
                seen.isGrey = seen.isGrey && stored.channels == 1
                if stored.channels == 1 { try seen.grey.add(ChannelStatistics(of: stored), name: name) }
                try seen.colour.add(ChannelStatistics(of: image), name: name)
                if try transparent.image(at: index).channels == 4, image.channels == 3 { seen.transparent += 1 }
                if try turned.image(at: index).pixels != image.pixels { seen.turned += 1 }
            } catch {
                seen.broken.append("\(error)")
            }
        }
        guard seen.images > 0 else {
            throw VisionError.noReadableImage(count: seen.broken.count, firstReason: seen.broken.first ?? "there is none")
        }
        seen.sides.sort { $0.short < $1.short }
        return seen
    }

    private static func advice(
        _ recipe: QuickstartRecipe, _ source: any ImageSource, _ test: (any ImageSource)?, data: String, output: String, minutes: Double
    ) -> [String] {
        let s = recipe.settings, m = s.model
        var lines = [
            "",
            "\(output): pictures of \(m.imageHeight) pixels in \(m.patches) patches, an encoder of width \(m.embedWidth) and depth \(m.depth), "
                + "\(count(s.schedule.epochs, "epoch")) in batches of \(s.batchSize)",
            String(
                format: "about %.0f minutes here, and %@ of memory", recipe.minutes.rounded(.up), ByteCount.text(recipe.plan.residentBytes))
        ]
        if s.schedule.epochs < QuickstartRecipe.fewEpochs {
            lines.append(
                "that is few epochs: --minutes \(Int((Double(QuickstartRecipe.fewEpochs) * recipe.secondsPerEpoch / 60).rounded(.up))) would teach it more"
            )
        }
        lines += [
            "It trains a plain MAE (--masking random): in the same time it teaches more than a learned masker does; take that line out for CL-MAE.",
            "", "  curricle pretrain --config \(output) --output run", "  curricle report run --data \(data)"
        ]
        let isLabelled = (0..<source.count).contains { source.label(at: $0) != nil }
        if isLabelled, test != nil {
            lines += [
                "  curricle knn --weights run --train \(data) --test \(data) --pool mean",
                "  curricle finetune --weights run --train \(data) --test \(data) --output tuned --max-minutes \(Int(minutes))"
            ]
        } else if isLabelled {
            lines.append("  curricle probe --weights run --train \(data) --holdout 0.2 --pool mean")
        }
        lines += [
            "  curricle extract --weights run --data \(data) --pool mean -o features.npy", "",
            "Without training at all: features of published weights, by `curricle extract --weights FILE`, are stronger for photographs where their",
            "licence suits you (DINOv2: Apache 2.0; MAE: CC-BY-NC 4.0); `pretrain --init-from FILE` goes on from MAE's."
        ]
        return lines
    }
}
