import CurricleVision

// What changed over the epochs.
extension RunReport {
    package var curves: String {
        let pictures = isFinetuning ? classifierCurves : pretrainingCurves
        return pictures.compactMap(\.svg).map { "<figure>\($0)</figure>" }.joined(separator: "\n")
    }

    private var classifierCurves: [CurvePicture] {
        [
            CurvePicture(
                title: "Test accuracy",
                curves: [
                    .init(name: "Acc@1", points: log.curve("test_acc1")), .init(name: "Acc@5", points: log.curve("test_acc5"))
                ], includes: [1]),
            CurvePicture(
                title: "Cross-entropy",
                curves: [
                    .init(name: "training (mixed, smoothed)", points: log.curve("train_loss", orSteps: "loss")),
                    .init(name: "test", points: log.curve("test_loss"))
                ], includes: [0]),
            CurvePicture(title: "Images a second", curves: [.init(name: "training", points: throughput)], includes: [0])
        ]
    }

    private var pretrainingCurves: [CurvePicture] {
        [
            CurvePicture(
                title: "Reconstruction error",
                curves: [
                    .init(name: "step A", points: log.curve("train_loss", orSteps: "loss")),
                    .init(name: "step B", points: log.curve("train_recon", orSteps: "recon"))
                ], includes: [0]),
            CurvePicture(
                title: "Curriculum factor λ",
                curves: [
                    .init(name: "λ", points: learnsMasks ? log.curriculum.map { (Double($0.epoch), $0.factor) } : [])
                ], includes: [-1, 1]),
            CurvePicture(
                title: "kNN accuracy (k 5)",
                curves: [
                    .init(name: "class token", points: log.curve("knn_cls")), .init(name: "mean of patches", points: log.curve("knn_mean"))
                ]),
            CurvePicture(
                title: "The masker's other losses",
                curves: ["gauss", "kl", "diversity"].map {
                    .init(name: $0, points: log.curve("train_\($0)", orSteps: $0))
                }, includes: [0]),
            CurvePicture(
                title: "Mean score",
                curves: [
                    .init(name: "mean score", points: log.curve("train_mean_score", orSteps: "mean_score"))
                ], includes: [0, 1]),
            CurvePicture(title: "Images a second", curves: [.init(name: "training", points: throughput)], includes: [0])
        ]
    }

    /// As logged; of older logs, from the steps of each epoch.
    private var throughput: [(x: Double, y: Double)] {
        let logged = log.curve("images_per_second").filter { $0.y > 0 }
        guard logged.isEmpty, let each = imagesPerStep else { return logged }
        return log.epochs.compactMap { line in
            guard let epoch = line.numbers["epoch"], let seconds = line.numbers["time_s"], seconds > 0 else { return nil }
            return (epoch + 1, each * Double(log.steps.count { $0.numbers["epoch"] == epoch }) / seconds)
        }
    }

    /// Whether the masker decides, differs and has become an adversary.
    /// - Throws: `VisionError` where its picture cannot be drawn.
    func microscope() throws -> String {
        let pictures = [
            CurvePicture(
                title: "Masker's error over random error, as λ falls",
                curves: [.init(name: "from partner (λ = 1) to adversary (λ = −1)", points: ratio)],
                includes: [1], runsBackwards: true, mark: 1),
            CurvePicture(
                title: "Error of removed patches on held images",
                curves: [
                    .init(name: "masker's masks", points: log.curve("held_masked_error")),
                    .init(name: "random masks", points: log.curve("held_random_error"))
                ], includes: [0]),
            CurvePicture(
                title: "Scores",
                curves: [
                    .init(name: "entropy, bits", points: log.curve("held_entropy")),
                    .init(name: "share saturated", points: log.curve("held_saturated")),
                    .init(name: "distance of masks", points: log.curve("held_mask_distance"))
                ], includes: [0, 1])
        ].compactMap(\.svg)
        guard !pictures.isEmpty else { return "" }
        let collapsed = log.epochs.compactMap { line in line.text["collapse"].map { (line.numbers["epoch"] ?? 0, $0) } }
        let warning =
            collapsed.last.map {
                #"<p class="warning">The masker collapsed in \#(collapsed.count) epochs, last in epoch "#
                    + #"\#((Int(exactly: $0.0) ?? 0) + 1): \#(escaped($0.1)).</p>"#
            } ?? ""
        let meaning = "<p>Below 1 the masker removes what is easier to fill in than a random choice, above 1 what is harder.</p>"
        return try "<h2>The masker</h2>\(warning)\(meaning)<div class=\"row\">"
            + pictures.map { "<figure>\($0)</figure>" }.joined(separator: "\n") + keptMap() + "</div>"
    }

    /// (λ, masker's error over random error) of each epoch.
    private var ratio: [(x: Double, y: Double)] {
        let factors = Dictionary(log.curriculum.map { ($0.epoch, $0.factor) }) { first, _ in first }
        return log.epochs.compactMap { line in
            guard let masked = line.numbers["held_masked_error"], let random = line.numbers["held_random_error"], random > 0,
                let epoch = line.numbers["epoch"].flatMap({ Int(exactly: $0) }), let factor = factors[epoch + 1]
            else { return nil }
            return (factor, masked / random)
        }
    }
}
