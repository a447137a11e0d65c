import Foundation
import CurricleSettings
import CurricleStorage
import CurricleTrainer
import CurricleVision

// What a run's pictures show.
extension RunReport {
    /// Columns of a film strip, and sheets of reconstructions.
    private static let mostMoments = 11, mostSheets = 3
    /// Pixels of a film strip's column, and of a sheet: twice what a page shows.
    private static let stripWidth = 112, sheetWidth = 780

    /// Height and width of the model's images, and the side of its patches, as the settings say.
    private var sizes: (height: Int, width: Int, patch: Int)? {
        let sides = (setting("image-size") ?? "").split(separator: ",").compactMap { Int($0) }
        guard let height = sides.first, let width = sides.last, let patch = setting("patch-size").flatMap({ Int($0) }), patch > 0,
            min(height, width) >= patch, max(height, width) <= PixelImage.maximumSide
        else { return nil }
        return (height, width, patch)
    }

    /// How often each patch was kept, of the last epoch that tells.
    func keptMap() throws -> String {
        guard let kept = log.epochs.last(where: { !$0.keptShare.isEmpty })?.keptShare else { return "" }
        let columns = sizes.map { $0.width / $0.patch } ?? Int(Double(kept.count).squareRoot())
        guard columns > 0, kept.count % columns == 0 else { return "" }
        let picture = heatmap(values: kept.map(Float.init), rows: kept.count / columns, columns: columns, cell: max(1, 224 / columns))
        let range = String(format: "yellow %.2f, blue %.2f", kept.max() ?? 0, kept.min() ?? 0)
        return figure(try encodePNG(picture), "How often each patch is kept: \(range)")
    }

    /// Small images are enlarged pixel by pixel; larger ones must not be made smaller so.
    var drawsPixels: Bool { max(sizes?.height ?? 0, sizes?.width ?? 0) <= 48 }

    /// The pictures of the epochs, by their epochs.
    /// - Throws: `FileError` where they cannot be listed.
    private func sheets() throws(FileError) -> [(epoch: Int, path: String)] {
        let found: [String]
        do { found = try names(in: files.pictures) } catch {
            if case .refused(_, _, code: ENOENT) = error { return [] }  // as fine-tuning's
            throw error
        }
        return found.compactMap { name -> (epoch: Int, path: String)? in
            guard name.hasPrefix("epoch-"), name.hasSuffix(".png"), let epoch = Int(name.dropFirst("epoch-".count).dropLast(".png".count))
            else { return nil }
            return (epoch, "\(files.pictures)/\(name)")
        }.sorted { $0.epoch < $1.epoch }
    }

    /// The same images along the run, cut from the epochs' pictures: what the masker hides; of random masks, what the model makes of them.
    /// - Throws: `VisionError`, `FileError` where a picture cannot be read.
    func filmStrip() throws -> String {
        guard let sizes,
            let grid = try? PatchGrid.validated(imageHeight: sizes.height, imageWidth: sizes.width, patchSize: sizes.patch, channels: 1)
        else { return "" }
        let sheet = PictureSheet(grid), factors = Dictionary(log.curriculum.map { ($0.epoch, $0.factor) }) { first, _ in first }
        func column(_ index: Int, _ path: String) throws -> [UInt8]? {
            let image = try loadImage(at: path)
            guard let column = sheet.column(index, of: image, height: grid.imageHeight, width: grid.imageWidth) else { return nil }
            return try encodePNG(narrowed(column, to: RunReport.stripWidth))
        }
        let moments = try spread(sheets(), most: RunReport.mostMoments),
            shown = learnsMasks ? RunPictures.masks : RunPictures.reconstructions
        guard let first = moments.first, let originals = try column(RunPictures.originals, first.path) else { return "" }
        let figures =
            try [figure(originals, "image")]
            + moments.compactMap { moment in
                let factor = learnsMasks ? factors[moment.epoch].map { String(format: "\nλ %+.2f", $0) } ?? "" : ""
                return try column(shown, moment.path).map { figure($0, "epoch \(moment.epoch)\(factor)") }
            }
        let (title, text) =
            learnsMasks
            ? ("From partner to adversary", "The same images along the run, as the masker masks them: what is grey has to be rebuilt.")
            : ("Along the run", "The same images along the run, as they are rebuilt from what the same random masks leave.")
        return "<h2>\(title)</h2><p>\(text)</p><div class=\"strip\">" + figures.joined(separator: "\n") + "</div>"
    }

    /// - Throws: `VisionError`, `FileError` where a picture cannot be read.
    package func reconstructions() throws -> String {
        let chosen = try spread(sheets(), most: RunReport.mostSheets)
        guard !chosen.isEmpty else { return "" }
        let figures = try chosen.map { sheet in
            figure(try encodePNG(narrowed(loadImage(at: sheet.path), to: RunReport.sheetWidth)), "epoch \(sheet.epoch)")
        }
        let normalized =
            ["1", "true"].contains(setting("norm-pix-loss"))
            ? " The model predicts normalised patches: they are shown with the true patches' mean and deviation." : ""
        let scores = learnsMasks ? ", the masker's scores (yellow: kept)" : ""
        return
            "<h2>Masks and reconstructions</h2><p>A row an image: original, masked, reconstruction, reconstruction with the visible "
            + "patches\(scores).\(normalized)</p>"
            + "<div class=\"row\">" + figures.joined(separator: "\n") + "</div>"
    }

    var saliencyMaps: String {
        guard let saliency else { return "" }
        let numbers = saliency.likeness.map {
            String(format: "%@: %+.2f with the attention, %+.2f with the patches' contrast", $0.masker, $0.attention, $0.contrast)
        }.joined(separator: "; ")
        return
            "<h2>What the masker finds</h2><p>A row an image: the image, the class token's attention, the scores of the masker as a partner, "
            + "and at the end. Rank correlations over \(saliency.measured) images: \(numbers).</p>"
            + "<div class=\"row\">\(figure(saliency.picture.png, "yellow: high"))</div>"
    }

    var nearestNeighbours: String {
        guard let neighbours else {
            let command: Message = "curricle report RUN \(.data, "PATH")"
            return "<h2>Nearest neighbours</h2><p>Given the data, <code>\(command.text(written))</code> adds images and their nearest "
                + "neighbours by the run's features.</p>"
        }
        let classes =
            neighbours.sameClass.map { String(format: " Green: of the same class, %.0f %% of them; red: of another.", 100 * $0) } ?? ""
        return
            "<h2>Nearest neighbours</h2><p>A row an image, then the \(NeighbourPictures.neighbours) of \(neighbours.compared) training "
            + "images whose features "
            + "(means of the patch tokens) are nearest, nearest "
            + "first.\(classes)</p>\(figure(neighbours.picture.png, "by the run's newest weights"))"
    }
}
