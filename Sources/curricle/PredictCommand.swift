import CurricleDatasets
import CurricleEngine
import CurricleFeatures
import Foundation
import CurricleReports
import CurricleRuntime
import CurricleStorage
import CurricleTerminal
import CurricleTrainer
import CurricleVision
import CurricleWeights

/// Names images by a fine-tuned classifier.
enum PredictCommand {
    static let command = Command(
        name: "predict", summary: "names of images by a fine-tuned classifier, with probabilities",
        options: EncoderOptions.all(weights: "what finetune or probe --save wrote: tuned/model-best.safetensors") + [
            .value("program", "FILE", .path(.file), "instead: a classifier's program file, of `compile --head softmax`", short: "p"),
            SharedOptions.images("data", "images to name; where they have labels of the same classes, it is said how many are right"),
            SharedOptions.output("FILE.csv", "a line an image: its name, the likeliest classes and their probabilities, and its label"),
            .value("top", "K", .whole(1...1_000_000), "classes an image", fallback: "1"),
            .value("wrong", "FILE.png", .path(.file), "draw the images that are taken for something else, the surest mistakes first"),
            DataOptions.split, .value("batch-size", "N", .whole(1...65536), "with --weights: images a run", fallback: "16"),
            .flag("strict", "stop at a broken image instead of leaving it out"), SharedOptions.json
        ] + DataOptions.decoding + [SharedOptions.threads(most: 256)],
        example: "curricle predict --weights tuned/model-best.safetensors --data new -o labels.csv")

    static func run(_ a: Arguments) throws -> Int32 {
        let program = try program(a), shape = program.encoder.shape, names = program.labels
        let decoding = try DataOptions.decoding(a, size: max(shape.height, shape.width), channels: shape.channels)
        let given = try DataOptions.open(a.string("data"), role: DataOptions.role(a), decoding)
        // Labels count where they are of the classifier's classes.
        let labelled = given.classNames.isEmpty ? nil : try? given.labelled(byNames: names)
        if labelled == nil, !given.classNames.isEmpty {
            tell(
                "the data's classes are not the classifier's (\(names.prefix(3).map { "\($0)" }.joined(separator: ", ")) …): "
                    + "nothing is counted as right")
        }
        if a.isGiven("wrong"), labelled == nil {
            throw LearningError.configuration("--wrong needs images with labels of the classifier's classes")
        }
        let source = labelled ?? given, start = Date()
        var said = Predictions(names: names, top: min(try a.int("top"), names.count), isLabelled: labelled != nil)
        do { try said.name(source, program, to: a.string("output")) } catch {
            guard error is VisionError, try !a.flag("strict") else { throw error }
            said = Predictions(names: names, top: said.top, isLabelled: labelled != nil)
            try said.name(ExtractCommand.sound(source, skips: true), program, to: a.string("output"))
        }
        if let path = try a.stringIfGiven("wrong") {
            guard let sheet = try said.wrong(shape) else {
                throw LearningError.configuration("--wrong: no image is taken for something else")
            }
            try DurableFile.write(sheet.png, to: path)
        }
        let speed = Double(said.images) / max(Date().timeIntervalSince(start), 1e-9)
        if try a.flag("json") {
            print(said.json(speed))
        } else {
            print(
                "\(try a.string("output")): \(count(said.images, "image")), \(names.count) classes, \(String(format: "%.1f", speed)) images/s"
            )
            if labelled != nil { print(said.confusion.text(names.map { "\($0)" })) }
        }
        return 0
    }

    /// The classifier as the library on a device runs it.
    private static func program(_ a: Arguments) throws -> ProgramFile {
        guard a.isGiven("program") != a.isGiven("weights") else {
            throw LearningError.configuration("predict takes either --program or --weights")
        }
        let threads = try SharedOptions.threads(a, most: 256), isa = try ISA.named(nil)
        if let path = try a.stringIfGiven("program") {
            let program = try ProgramFile(path: path, threads: threads, isa: isa)
            guard program.output == .probabilities, !program.labels.isEmpty else {
                throw LearningError.file(path: path, reason: "is no classifier with probabilities: make it by compile --head softmax")
            }
            return program
        }
        let weights = try WeightsOptions.checkpoint(a, a.string("weights"))
        let classifier = try TrainedClassifier(weights, WeightsOptions.description(a, weights), isa: isa)
        return try classifier.program(images: a.int("batch-size"), output: .probabilities).opened(
            as: a.string("weights"), threads: threads, isa: isa)
    }
}

/// What a classifier says of images.
private struct Predictions {
    let names: [ByteName]
    let top: Int
    let isLabelled: Bool
    private(set) var confusion: ConfusionMatrix
    private(set) var images = 0
    private var mistakes: [(sample: Int, sureness: Float)] = []
    private var source: (any ImageSource)?

    init(names: [ByteName], top: Int, isLabelled: Bool) {
        (self.names, self.top, self.isLabelled) = (names, top, isLabelled)
        confusion = ConfusionMatrix(classes: names.count)
    }

    /// Names all images, and writes the table.
    mutating func name(_ source: any ImageSource, _ program: ProgramFile, to path: String) throws {
        self.source = source
        var table = try DurableFile(replacing: path), bar = ProgressBar(total: source.count)
        try table.write(CommaSeparated.line(headings.map { Array($0.utf8) }))
        let classes = names.count
        try ProgramExtraction(program).run(source) { range, rows in
            for (place, sample) in range.enumerated() {
                let shares = rows[(place * classes)..<((place + 1) * classes)]
                // Of equal shares, the first class is the likelier.
                let order = (0..<classes).sorted { a, b in
                    let (left, right) = (shares[shares.startIndex + a], shares[shares.startIndex + b])
                    return left != right ? left > right : a < b
                }
                var fields = [source.name(at: sample).bytes]
                for number in order.prefix(top) { fields += [names[number].bytes, Array("\(shares[shares.startIndex + number])".utf8)] }
                let label = isLabelled ? source.label(at: sample) : nil
                if isLabelled { fields.append(label.map { names[$0].bytes } ?? []) }
                try table.write(CommaSeparated.line(fields))
                if let label {
                    confusion.add(label: label, taken: order[0])
                    if label != order[0] { mistakes.append((sample, shares[shares.startIndex + order[0]])) }
                }
            }
            images = range.upperBound
            bar.update(label: "images", completed: range.upperBound) { [] }
        }
        bar.finish()
        try table.publish()
    }

    /// The surest mistakes; nil where there are none.
    func wrong(_ shape: Encoder.Shape) throws -> Picture? {
        guard let source, !mistakes.isEmpty else { return nil }
        let surest = mistakes.sorted { $0.sureness != $1.sureness ? $0.sureness > $1.sureness : $0.sample < $1.sample }
        return try WrongPictures.sheet(source, surest.map(\.sample), shape)
    }

    private var headings: [String] {
        ["file"] + (1...top).flatMap { $0 == 1 ? ["class", "probability"] : ["class_\($0)", "probability_\($0)"] }
            + (isLabelled ? ["label"] : [])
    }

    func json(_ speed: Double) -> String {
        var fields: [(key: String, value: LogValue)] = [("images_per_second", .double(speed))]
        guard isLabelled else { return jsonLine([("images", .integer(images))] + fields) }
        fields += [("acc1", .double(confusion.accuracy))]
        fields += JudgedImages(labels: confusion.labels, classes: names.count).fields(confusion.accuracy)
        fields += [("class_names", .strings(names.map { "\($0)" })), ("confusion", .numbers(confusion.counts.map(Double.init)))]
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
