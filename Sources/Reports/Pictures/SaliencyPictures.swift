import CurricleDatasets
import CurricleEngine
import CurricleFeatures
import Foundation
import CurricleModels
import CurricleRuntime
import CurricleSettings
import CurricleTrainer
import CurricleVision

/// What a run's masker made of pictures as a partner and makes of them at its end, beside where the class token looks.
package struct SaliencyPictures {
    /// How alike two rankings of an image's patches are: Spearman's rank correlation, −1…1, its mean over the images.
    package struct Likeness: Sendable {
        /// `partner` or `end`.
        package let masker: String
        /// With the class token's attention in the last block, and with the patches' contrast (variance).
        package let attention: Double, contrast: Double
    }

    /// A row an image: the image, the class token's attention (its mean over heads), the partner's scores, the scores at the end; of each the
    /// highest are yellow.
    package let picture: Picture
    package let likeness: [Likeness]
    /// Images that the numbers are of.
    package let measured: Int
    /// A line for each image that cannot be read.
    package let broken: [String]

    /// - Parameters:
    ///   - run: the folder of a run whose masker was a partner first, and which has its `partner.safetensors`.
    ///   - images: how many are drawn; numbers are of at least ``MaskPictures/leastMeasured``.
    /// - Throws: `LearningError.file` where the run has no partner yet, or no masker that learned.
    package init(
        run: String, _ source: any ImageSource, images: Int, _ given: Reconstructor.Choices, threads: Int, isa: ISA,
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws {
        let files = RunFiles(folder: run)
        guard FileManager.default.fileExists(atPath: files.partner) else {
            throw LearningError.file(
                path: files.partner,
                reason: "is not there: a run has it from the epoch on in which its masker turns from partner to adversary")
        }
        var choices = given
        choices.masking = .learned
        let extractor = try FeatureExtractor(
            weights: files.model, imageHeight: choices.imageHeight, imageWidth: choices.imageWidth, mean: choices.mean,
            deviation: choices.deviation, threads: threads, isa: isa)
        let held = try HeldImages(first: max(images, MaskPictures.leastMeasured), of: source, for: extractor.description)
        let m = extractor.description.model, shown = min(images, held.count)
        let heads = try extractor.classAttention(held, layer: m.depth)
        let attention = (0..<held.count).map { image in
            (0..<m.patches).map { patch in
                (0..<m.heads).reduce(Float(0)) { $0 + heads[(image * m.heads + $1) * m.patches + patch] } / Float(m.heads)
            }
        }
        let contrast = (0..<held.count).map { SaliencyPictures.contrast(held.patches(of: $0), width: m.patchWidth) }
        progress(1, 3)
        var scores: [[[Float]]] = [], rows: [[PixelImage]] = [], likeness: [Likeness] = []
        for (done, (name, path)) in [("partner", files.partner), ("end", files.model)].enumerated() {
            let reconstructor = try Reconstructor(weights: path, choices, threads: threads, isa: isa)
            let outcome = try held.outcome(images: held.count, reconstructor.model, reconstructor.options, seed: choices.seed)
            let own = (0..<held.count).map { Array(outcome.scores(of: $0)) }
            scores.append(own)
            likeness.append(
                Likeness(masker: name, attention: meanCorrelation(own, attention), contrast: meanCorrelation(own, contrast)))
            progress(done + 2, 3)
        }
        let pictures = PatchPictures(grid: held.grid, normalization: extractor.description.normalization)
        for image in 0..<shown {
            rows.append(
                [pictures.image(held.patches(of: image)), pictures.heat(attention[image][...])]
                    + scores.map { pictures.heat($0[image][...]) })
        }
        self.likeness = likeness
        (measured, broken) = (held.count, held.broken)
        picture = try PictureSheet(held.grid).draw(rows)
    }

    /// Variance of each patch [L, P].
    private static func contrast(_ patches: [Float], width: Int) -> [Float] {
        stride(from: 0, to: patches.count, by: width).map { first in
            let patch = patches[first..<(first + width)].map(Double.init), mean = patch.reduce(0, +) / Double(width)
            return Float(patch.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width))
        }
    }
}

private func meanCorrelation(_ a: [[Float]], _ b: [[Float]]) -> Double {
    zip(a, b).reduce(0) { $0 + rankCorrelation($1.0, $1.1) } / Double(max(1, a.count))
}

/// Spearman's: the correlation of the ranks, equal numbers sharing the mean of theirs; 0 where all of one are equal.
package func rankCorrelation(_ a: [Float], _ b: [Float]) -> Double {
    let x = ranks(a), y = ranks(b), mean = Double(a.count - 1) / 2
    var products = 0.0, squaresX = 0.0, squaresY = 0.0
    for i in x.indices {
        products += (x[i] - mean) * (y[i] - mean)
        squaresX += (x[i] - mean) * (x[i] - mean)
        squaresY += (y[i] - mean) * (y[i] - mean)
    }
    return squaresX > 0 && squaresY > 0 ? products / (squaresX * squaresY).squareRoot() : 0
}

/// Places in rising order, from 0.
private func ranks(_ values: [Float]) -> [Double] {
    let order = values.indices.sorted { values[$0] < values[$1] }
    var ranks = [Double](repeating: 0, count: values.count), first = 0
    while first < order.count {
        var last = first
        while last + 1 < order.count, values[order[last + 1]] == values[order[first]] { last += 1 }
        for place in first...last { ranks[order[place]] = Double(first + last) / 2 }
        first = last + 1
    }
    return ranks
}
