import CurricleDatasets
import CurricleEngine
import Foundation
import CurricleGraph
import CurricleModels
import CurricleReports
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleTerminal
import CurricleVision

/// Images masked and rebuilt, as a picture.
enum ReconstructCommand {
    static let command = Command(
        name: "reconstruct",
        summary: "draw images masked and rebuilt: original, masked, reconstruction, reconstruction with visible patches",
        options: PictureOptions.all() + PictureOptions.masks + [
            .value(
                "masking", "KIND", .word(of: Masking.self),
                "learned (by the file's masker) or random (default: learned where the file has a masker that was trained)")
        ],
        example: "curricle reconstruct --weights run/model.safetensors --data photos --split test -o reconstructions.png")

    static func run(_ a: Arguments) throws -> Int32 {
        var choices = try PictureOptions.choices(a)
        choices.masking = try a.choiceIfGiven("masking")
        let reconstructor = try Reconstructor(weights: a.string("weights"), choices, threads: SharedOptions.threads(a), isa: ISA.named(nil))
        let options = reconstructor.options, images = try PictureOptions.images(a, for: reconstructor.description)
        var progress = WorkProgress("images")
        let result = try reconstructor.reconstruct(images) { progress.update($0, of: $1) }
        progress.finish()
        let path = try PictureOptions.write(result.picture, a)
        if try a.flag("json") {
            print(
                jsonLine([
                    ("error", .double(result.error)), ("errors", .numbers(result.errors)), ("masking", .string(options.masking.rawValue)),
                    ("mask_ratio", .double(options.maskRatio)), ("norm_pix_loss", .boolean(options.normalizedTargets)),
                    ("output", .string(path))
                ]))
            return 0
        }
        print("\(path): a row an image: original, masked, reconstruction, reconstruction with the visible patches")
        if options.normalizedTargets {
            print("the model predicts normalised patches: they are shown with the true patches' mean and deviation")
        }
        let masks = options.masking == .learned ? "the masker's masks" : "random masks"
        print(
            String(
                format: "mean error of removed patches, %@ of ratio %g, images %d: %.5f", masks, options.maskRatio, result.errors.count,
                result.error))
        return 0
    }
}

/// What maskers hide, as a picture: of files, or along a run.
enum MasksCommand {
    static let command = Command(
        name: "masks",
        summary: "draw what a masker hides, as heat maps and masks, or along a run as a film strip: from partner to adversary",
        options: PictureOptions.all(weights: "instead of a run: the first of the FILEs to compare") + PictureOptions.masks + [
            .value("run", "RUN", .path(.folder), "folder of a run: a column for each of its snapshots, which --save-ckpt-freq makes"),
            .value("columns", "N", .whole(1...1000), "with --run: snapshots at most, spread over the run", fallback: "12"),
            .flag(
                "saliency",
                "with --run: instead, a row an image: the image, the class token's attention, the scores of the masker as a partner and at the "
                    + "end; and how alike they rank the patches"),
            .value(
                "map", "FILE", .path(.file),
                "write the last masker's mean score of each place too, a number a patch: for --keep-by map of extract, knn, probe and compile"
            )
        ],
        arguments: "[FILE…]", argumentCount: 0...1000, example: "curricle masks --run run --data photos --split test -o film.png")

    static func run(_ a: Arguments) throws -> Int32 {
        guard a.isGiven("run") != (a.isGiven("weights") || !a.positional.isEmpty) else {
            throw LearningError.configuration("masks takes either --run RUN, or weights files")
        }
        let choices = try PictureOptions.choices(a), threads = try SharedOptions.threads(a), isa = try ISA.named(nil),
            images = try PictureOptions.count(a)
        // Sizes stand in the weights, so reduced decoding goes by --image-size or the reference's.
        let source = try PictureOptions.source(a, size: max(choices.imageHeight ?? 224, choices.imageWidth ?? 224))
        if try a.flag("saliency") { return try saliency(a, source, images: images, choices, threads: threads, isa: isa) }
        let pictures: MaskPictures
        var progress = WorkProgress("checkpoints")
        defer { progress.finish() }
        if let run = try a.stringIfGiven("run") {
            pictures = try MaskPictures(run: run, source, images: images, most: a.int("columns"), choices, threads: threads, isa: isa) {
                progress.update($0, of: $1)
            }
        } else {
            let files = (try a.stringIfGiven("weights").map { [$0] } ?? []) + a.positional
            pictures = try MaskPictures(files: files, source, images: images, choices, threads: threads, isa: isa) {
                progress.update($0, of: $1)
            }
        }
        progress.finish()
        PictureOptions.warn(of: pictures.broken)
        let path = try PictureOptions.write(pictures.picture, a)
        if let map = try a.stringIfGiven("map"), let scores = pictures.moments.last?.meanScores {
            try DurableFile.write(Array(scores.map { "\($0)\n" }.joined().utf8), to: map)
        }
        if try a.flag("json") {
            for moment in pictures.moments { print(jsonLine(fields(moment))) }
        } else {
            print(text(pictures, path, isRun: a.isGiven("run")))
        }
        return 0
    }

    private static func saliency(
        _ a: Arguments, _ source: any ImageSource, images: Int, _ choices: Reconstructor.Choices, threads: Int, isa: ISA
    ) throws -> Int32 {
        guard let run = try a.stringIfGiven("run"), !a.isGiven("map") else {
            throw LearningError.configuration("--saliency is of a run: give --run RUN, and leave out --map")
        }
        var progress = WorkProgress("networks")
        defer { progress.finish() }
        let pictures = try SaliencyPictures(run: run, source, images: images, choices, threads: threads, isa: isa) {
            progress.update($0, of: $1)
        }
        progress.finish()
        PictureOptions.warn(of: pictures.broken)
        let path = try PictureOptions.write(pictures.picture, a)
        for (index, one) in pictures.likeness.enumerated() {
            if try a.flag("json") {
                print(
                    jsonLine([("masker", .string(one.masker)), ("attention", .double(one.attention)), ("contrast", .double(one.contrast))]))
                continue
            }
            if index == 0 {
                print(
                    "\(path): a row an image: the image, the class token's attention, the partner's scores, the scores at the end (yellow: high)"
                )
                print("rank correlations over the patches, mean of \(pictures.measured) images:")
                print("masker     with attention   with contrast")
            }
            print("\(one.masker.padded(10))" + String(format: " %14.3f %15.3f", one.attention, one.contrast))
        }
        return 0
    }

    private static func fields(_ m: MaskPictures.Moment) -> [(key: String, value: LogValue)] {
        [("weights", .string(m.path))] + (m.epoch.map { [("epoch", .integer($0))] } ?? [])
            + (m.curriculum.map { [("lambda_cl", .double($0))] } ?? [])
            + [
                ("mean_score", .double(m.meanScore)), ("masked_error", .double(m.maskedError)), ("random_error", .double(m.randomError)),
                ("ratio", .double(m.errorRatio))
            ]
            + (m.collapse.map { [("collapse", .string($0))] } ?? [])
    }

    private static func text(_ pictures: MaskPictures, _ path: String, isRun: Bool) -> String {
        let columns =
            isRun
            ? "the image, then a column a snapshot, left to right as below"
            : "the image, then for each file its scores (yellow: kept) and their mask"
        let width = pictures.moments.map(\.path.count).max() ?? 0
        var lines = ["\(path): a row an image: \(columns)", "images measured: \(pictures.measured)"]
        lines.append((isRun ? "epoch        λ" : "file".padded(width)) + "   mean score   masker's error   random error   ratio")
        for m in pictures.moments {
            let factor = m.curriculum.map { String(format: "%+.3f", $0) } ?? "     ?"
            let name = isRun ? String(format: "%5d  %@", m.epoch ?? 0, factor) : m.path.padded(width)
            let numbers = String(format: "   %10.4f   %14.5f   %12.5f   %5.3f", m.meanScore, m.maskedError, m.randomError, m.errorRatio)
            lines.append(name + numbers + (m.collapse.map { "   collapsed: \($0)" } ?? ""))
        }
        return lines.joined(separator: "\n")
    }
}

/// Where the class token looks, or what the patch tokens have in common, as a picture.
enum AttendCommand {
    static let command = Command(
        name: "attend", summary: "draw the class token's attention to the patches, head by head, or with --pca the patch tokens as colours",
        options: PictureOptions.all() + [
            .value("layer", "N", .whole(1...65536), "the encoder's block, from 1 (default: the last)"),
            .flag("pca", "instead: the first three principal components of all images' patch tokens as red, green and blue")
        ],
        example: "curricle attend --weights run/model.safetensors --data photos --split test -o attention.png")

    static func run(_ a: Arguments) throws -> Int32 {
        let showsTokens = try a.flag("pca")
        guard !showsTokens || !a.isGiven("layer") else {
            throw LearningError.configuration("--pca is of the tokens after the last norm: leave out --layer")
        }
        let layer = try a.intIfGiven("layer"), asJSON = try a.flag("json")
        let extractor = try EncoderOptions.extractor(a, threads: SharedOptions.threads(a), isa: ISA.named(nil))
        let images = try PictureOptions.images(a, for: extractor.description)
        var progress = WorkProgress("images")
        defer { progress.finish() }
        if showsTokens {
            let colours = try extractor.tokenColours(images) { progress.update($0, of: $1) },
                path = try PictureOptions.write(colours.picture, a)
            print(
                asJSON
                    ? jsonLine([("output", .string(path)), ("variance_shares", .numbers(colours.shares))])
                    : "\(path): images, and below each its patch tokens\nvariance along red, green, blue: "
                        + colours.shares.map { String(format: "%.1f %%", 100 * $0) }.joined(separator: ", "))
        } else {
            let attention = try extractor.attention(images, layer: layer) { progress.update($0, of: $1) },
                path = try PictureOptions.write(attention.picture, a)
            let heads = attention.onPatches, block = layer ?? extractor.description.model.depth
            print(
                asJSON
                    ? jsonLine([("output", .string(path)), ("layer", .integer(block)), ("on_patches", .numbers(heads))])
                    : "\(path): a row an image: the image, heads 1 to \(heads.count) of block \(block), their mean; yellow: "
                        + "most attention\n"
                        + "attention on patches, head by head: " + heads.map { String(format: "%.3f", $0) }.joined(separator: ", "))
        }
        return 0
    }
}
