import CurricleDatasets
import CurricleEngine
import CurricleModels
import CurricleRuntime
import CurricleSettings
import CurricleTrainer
import CurricleVision

/// What maskers do to the same images, drawn side by side: of some weights files, or along a run, from partner to adversary.
package struct MaskPictures {
    /// One masker, and numbers of what it does.
    package struct Moment: Sendable {
        package let path: String
        /// Epochs done, and the curriculum factor of the last of them, where the file is a run's.
        package let epoch: Int?
        package let curriculum: Double?
        package let meanScore: Double
        /// The mean score of each place, [L]: what the masker thinks of it, whatever is there.
        package let meanScores: [Float]
        /// Mean error of the removed patches under the masker's masks, and under random ones.
        package let maskedError: Double, randomError: Double
        /// What a collapsed masker looks like here, or nil.
        package let collapse: String?
        /// How much harder the masker's masks are than random ones.
        package var errorRatio: Double { maskedError / randomError }
    }

    package let moments: [Moment]
    package let picture: Picture
    /// Images that the numbers are of.
    package let measured: Int
    /// A line for each image that cannot be read.
    package let broken: [String]
    /// Numbers need more images than a picture shows.
    package static let leastMeasured = 64

    /// A row an image: the image, and for each file its scores as a heat map and the mask they make.
    package init(
        files: [String], _ source: any ImageSource, images: Int, _ choices: Reconstructor.Choices, threads: Int, isa: ISA,
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws {
        try self.init(
            files.map { (path: $0, epoch: nil, curriculum: nil) }, source, images: images, choices, showsScores: true, threads: threads,
            isa: isa, progress: progress)
    }

    /// A row an image: the image, and as each of the run's snapshots masks it.
    /// - Parameter most: snapshots drawn, spread over the run where there are more.
    /// - Throws: `LearningError.file` where the run has no snapshot, or no masker that learned.
    package init(
        run: String, _ source: any ImageSource, images: Int, most: Int, _ choices: Reconstructor.Choices, threads: Int, isa: ISA,
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws {
        let files = RunFiles(folder: run), snapshots = try spread(files.snapshots, most: most)
        guard !snapshots.isEmpty else {
            throw LearningError.file(
                path: run, reason: "holds no checkpoint-N.safetensors: pass the folder of a run, made with a smaller \(.snapshotEpochs)")
        }
        let curriculum = Dictionary(((try? RunLog(path: files.log))?.curriculum ?? []).map { ($0.epoch, $0.factor) }) { first, _ in first }
        let steps = snapshots.map { (path: $0.path, epoch: Int?.some($0.epoch), curriculum: curriculum[$0.epoch]) }
        try self.init(steps, source, images: images, choices, showsScores: false, threads: threads, isa: isa, progress: progress)
    }

    private init(
        _ files: [(path: String, epoch: Int?, curriculum: Double?)], _ source: any ImageSource, images: Int, _ given: Reconstructor.Choices,
        showsScores: Bool,
        threads: Int, isa: ISA, progress: (Int, Int) -> Void
    ) throws {
        var rows: [[PixelImage]] = [], moments: [Moment] = [], sheet: PictureSheet?, broken: [String] = [], measured = 0
        var choices = given
        choices.masking = .learned
        /// The same for all files of a run.
        var read: (sizes: [Int], pixels: PixelNormalization, images: HeldImages)?
        for (done, file) in files.enumerated() {
            let reconstructor = try Reconstructor(weights: file.path, choices, threads: threads, isa: isa)
            let description = reconstructor.description,
                sizes = [
                    description.model.imageHeight, description.model.imageWidth, description.model.patchSize, description.model.channels
                ]
            if read?.sizes != sizes || read?.pixels != description.normalization {
                read = (
                    sizes, description.normalization,
                    try HeldImages(first: max(images, MaskPictures.leastMeasured), of: source, for: description)
                )
            }
            guard let held = read?.images else { continue }
            let shown = min(images, held.count)
            let (outcome, reading) = try CurriculumMicroscope.look(held, reconstructor.model, reconstructor.options, seed: choices.seed)
            let pictures = reconstructor.pictures
            if rows.isEmpty { rows = (0..<shown).map { [pictures.image(held.patches(of: $0))] } }
            for i in 0..<min(shown, rows.count) {
                if showsScores { rows[i].append(pictures.heat(outcome.scores(of: i))) }
                rows[i].append(pictures.masked(held.patches(of: i), visible: outcome.visible(of: i)))
            }
            sheet = sheet ?? PictureSheet(held.grid)
            (broken, measured) = (held.broken, held.count)
            moments.append(
                Moment(
                    path: file.path, epoch: file.epoch, curriculum: file.curriculum,
                    meanScore: outcome.scores.reduce(0) { $0 + Double($1) } / Double(max(1, outcome.scores.count)),
                    meanScores: means(outcome.scores, patches: held.grid.count),
                    maskedError: reading.maskedError, randomError: reading.randomError, collapse: reading.collapse))
            progress(done + 1, files.count)
        }
        guard let sheet else { throw LearningError.configuration("masks needs at least one weights file") }
        self.moments = moments
        self.broken = broken
        self.measured = measured
        picture = try sheet.draw(rows)
    }
}

/// The means over images of [N, L].
private func means(_ scores: [Float], patches: Int) -> [Float] {
    let images = scores.count / patches
    return (0..<patches).map { patch in
        Float((0..<images).reduce(0.0) { $0 + Double(scores[$1 * patches + patch]) } / Double(max(1, images)))
    }
}

/// At most so many of a list, spread evenly, the first and the last among them.
package func spread<Element>(_ list: [Element], most: Int) -> [Element] {
    guard list.count > most, most > 0 else { return list }
    return (0..<most).map { list[most == 1 ? list.count - 1 : $0 * (list.count - 1) / (most - 1)] }
}
