import CurricleVision

extension PatchPictures {
    /// A row for each of the first images: the four panels of `reconstruction`, and the masker's scores if wanted and there are any.
    package func rows(_ images: HeldImages, _ outcome: HeldImages.Outcome, count: Int, normalized: Bool, scores: Bool) -> [[PixelImage]] {
        (0..<count).map { i in
            let panels = reconstruction(
                images.patches(of: i), outcome.predictions(of: i), visible: outcome.visible(of: i), normalized: normalized)
            return scores && !outcome.scores.isEmpty ? panels + [heat(outcome.scores(of: i))] : panels
        }
    }
}
