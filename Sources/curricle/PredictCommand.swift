import Datasets
import Engine
import Features
import Foundation
import Reports
import Runtime
import Storage
import Terminal
import Training
import Vision
import Weights

/// Names images by a fine-tuned classifier.
enum PredictCommand {
    static let command = Command(
        name: "predict", summary: "names of images by a fine-tuned classifier, with probabilities",
        options: EncoderOptions.all() + [
            SharedOptions.images("data", "images to name; where they have labels of the same classes, it is said how many are right"),
            SharedOptions.output("FILE.csv", "a line an image: its name, the likeliest classes and their probabilities, and its label"),
            .value("top", "K", .whole(1...1_000_000), "classes an image", fallback: "1"),
            .value("wrong", "FILE.png", .path(.file), "draw the images that are taken for something else, the surest mistakes first"),
            DataOptions.split, .value("batch-size", "N", .whole(1...100_000), "images a batch", fallback: "64"),
            .flag("strict", "stop at a broken image instead of leaving it out"), SharedOptions.json, DataOptions.preprocess,
            DataOptions.passOrder
        ] + DataOptions.decoding + [SharedOptions.threads()],
        example: "curricle predict --weights tuned/model-best.safetensors --data new -o labels.csv")

    static func run(_ a: Arguments) throws -> Int32 {
        let weights = try WeightsOptions.checkpoint(a, a.string("weights")), description = try WeightsOptions.description(a, weights)
        let classifier = try TrainedClassifier(weights, description, threads: SharedOptions.threads(a), isa: ISA.named(nil))
        let model = description.model, names = classifier.classes
        let decoding = try DataOptions.decoding(a, size: max(model.imageHeight, model.imageWidth), channels: model.channels)
        let given = try DataOptions.open(a.string("data"), role: DataOptions.role(a), decoding)
        // Labels count where they are of the classifier's classes.
        let labelled = given.classNames.isEmpty ? nil : try? given.labelled(byNames: names)
        if labelled == nil, !given.classNames.isEmpty {
            tell(
                "the data's classes are not the classifier's (\(names.prefix(3).map { "\($0)" }.joined(separator: ", ")) …): nothing is counted as right"
            )
        }
        let source = labelled ?? given, top = min(try a.int("top"), names.count)
        var table = try DurableFile(replacing: a.string("output")), confusion = ConfusionMatrix(classes: names.count)
        var wrong: [(sample: Int, sureness: Float)] = [], done = 0, bar = ProgressBar(total: source.count)
        try table.write(CommaSeparated.line(headings(top, isLabelled: labelled != nil).map { Array($0.utf8) }))
        let start = Date()
        try classifier.classify(
            source, images: a.int("batch-size"), preprocessing: DataOptions.preprocessing(a), passOrder: a.choice("resize"),
            strict: a.flag("strict"), report: { complain("left out: \($0)") }
        ) { sample, probabilities, logits in
            // Of equal logits, the first class is the likelier.
            let order = logits.indices.sorted { logits[$0] != logits[$1] ? logits[$0] > logits[$1] : $0 < $1 }.map {
                $0 - logits.startIndex
            }
            var fields = [source.name(at: sample).bytes]
            for place in order.prefix(top) { fields += [names[place].bytes, Array("\(probabilities[place])".utf8)] }
            if labelled != nil { fields.append(source.label(at: sample).map { names[$0].bytes } ?? []) }
            try table.write(CommaSeparated.line(fields))
            if labelled != nil, let label = source.label(at: sample) {
                confusion.add(label: label, taken: order[0])
                if label != order[0] { wrong.append((sample, probabilities[order[0]])) }
            }
            done += 1
            bar.update(label: "images", completed: done) { [] }
        }
        bar.finish()
        try table.publish()
        if let path = try a.stringIfGiven("wrong") {
            guard labelled != nil else { throw LearningError.configuration("--wrong needs images with labels of the classifier's classes") }
            guard !wrong.isEmpty else { throw LearningError.configuration("--wrong: no image is taken for something else") }
            let surest = wrong.sorted { $0.sureness != $1.sureness ? $0.sureness > $1.sureness : $0.sample < $1.sample }
            try DurableFile.write(WrongPictures.sheet(source, surest.map(\.sample), classifier.description).png, to: path)
        }
        let seconds = max(Date().timeIntervalSince(start), 1e-9)
        if try a.flag("json") {
            print(json(a, done, seconds, labelled == nil ? nil : confusion, names))
        } else {
            print(
                "\(try a.string("output")): \(count(done, "image")), \(names.count) classes, \(String(format: "%.1f", Double(done) / seconds)) images/s"
            )
            if labelled != nil { print(confusion.text(names.map { "\($0)" })) }
        }
        return 0
    }

    private static func headings(_ top: Int, isLabelled: Bool) -> [String] {
        ["file"] + (1...top).flatMap { $0 == 1 ? ["class", "probability"] : ["class_\($0)", "probability_\($0)"] }
            + (isLabelled ? ["label"] : [])
    }

    private static func json(
        _ a: Arguments, _ images: Int, _ seconds: Double, _ confusion: ConfusionMatrix?, _ names: [ByteName]
    ) -> String {
        var fields: [(key: String, value: LogValue)] = [("images_per_second", .double(Double(images) / seconds))]
        if confusion == nil { fields.append(("images", .integer(images))) }
        if let confusion {
            let judged = JudgedImages(labels: confusion.labels, classes: names.count)
            fields += [("acc1", .double(confusion.accuracy))] + judged.fields(confusion.accuracy)
            fields.append(("class_names", .strings(names.map { "\($0)" })))
            fields.append(("confusion", .numbers(confusion.counts.map(Double.init))))
        }
        return jsonLine(fields)
    }
}

/// How often images of a class are taken for each class.
struct ConfusionMatrix {
    let classes: Int
    /// [classes, classes], a row a label.
    private(set) var counts: [Int]
    private(set) var labels: [Int] = []

    init(classes: Int) {
        self.classes = classes
        counts = Array(repeating: 0, count: classes * classes)
    }

    mutating func add(label: Int, taken: Int) {
        counts[label * classes + taken] += 1
        labels.append(label)
    }

    private var right: Int { (0..<classes).reduce(0) { $0 + counts[$1 * classes + $1] } }
    /// Share of the images that are right.
    var accuracy: Double { Double(right) / Double(max(1, labels.count)) }

    /// Accuracy, and a line a class: its images, the share that is right, and what the others are taken for most.
    func text(_ names: [String]) -> String {
        let width = names.map(\.count).max() ?? 0, judged = JudgedImages(labels: labels, classes: classes)
        let lines = (0..<classes).compactMap { label -> String? in
            let row = counts[(label * classes)..<((label + 1) * classes)], images = row.reduce(0, +)
            guard images > 0 else { return nil }
            let others = row.indices.filter { $0 - row.startIndex != label && row[$0] > 0 }.sorted { row[$0] > row[$1] }.prefix(3)
            let taken = others.map { "\(names[$0 - row.startIndex]) \(row[$0])" }.joined(separator: ", ")
            let share = Double(row[row.startIndex + label]) / Double(images)
            return
                "  \(names[label].padded(width))  \(String(format: "%5d  %.3f", images, share))\(taken.isEmpty ? "" : "  taken for \(taken)")"
        }
        return (["Acc@1 \(judged.text(accuracy))"] + lines).joined(separator: "\n")
    }
}
