import Foundation
import CurricleModels
import CurricleRunSupport
import CurricleTestSupport
import Testing
import CurricleVision
@testable import CurricleEngine
@testable import CurricleFeatures
@testable import CurricleReports

struct RunReportTests {
    @Test(
        "numbers too far apart or too near one another have no ticks",
        arguments: [(-1e308, 1e308), (0.0, Double.leastNonzeroMagnitude), (1e300, 1e300 * (1 + 1e-16)), (1e16, 1e16 + 2)])
    func ticksEnd(low: Double, high: Double) { #expect(CurvePicture.ticks(low, high).count < 20) }

    @Test(
        "ticks are round",
        arguments: [
            (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1]), (-1.0, 1.0, [-1, -0.5, 0, 0.5, 1]), (1.0, 60.0, [20, 40, 60]),
            (0.031, 0.034, [0.031, 0.032, 0.033, 0.034])
        ])
    func ticksAreRound(low: Double, high: Double, expected: [Double]) {
        let ticks = CurvePicture.ticks(low, high)
        #expect(ticks.count == expected.count && zip(ticks, expected).allSatisfy { abs($0 - $1) < 1e-9 }, "\(ticks)")
    }

    @Test("curves stand where they should") func curvesStandWhereTheyShould() throws {
        let picture = CurvePicture(
            title: "a < b", curves: [.init(name: "one", points: [(1, 0), (3, 1)]), .init(name: "short", points: [(1, 5)])])
        let svg = try #require(picture.svg)
        // x from 54 to 548, y from 230 (0) up to 34 (1.04).
        let high = String(format: "%.1f", 230 - 196 / 1.04)
        #expect(svg.contains("points=\"54.0,230.0 548.0,\(high)\""))
        #expect(svg.contains("a &lt; b") && !svg.contains("short"))
        #expect(CurvePicture(title: "", curves: [.init(name: "one", points: [(1, 0)])]).svg == nil)
    }

    /// A log as runs write it, with a line that a kill tore.
    @Test("says what the log says") func saysWhatTheLogSays() throws {
        let folder = try TemporaryFolder(), run = folder.file("my <run>")
        try FileManager.default.createDirectory(atPath: run + "/pictures", withIntermediateDirectories: true)
        let log = """
            {"step":1,"epoch":0,"lr":0.1,"lambda_cl":1.0,"loss":2.0}
            {"step":1,"epoch":0,"train_loss":2.0,"held_masked_error":0.5,"held_random_error":1.0,"kept_share":[0,1,0.5,0.25],"time_s":2.0,"data_s":0.5}
            {"step":2,"epoch":1,"lr":0.1,"lambda_cl":-1.0,"loss":1.0}
            {"step":2,"epoch":1,"train_loss":1.0,"held_masked_error":1.5,"held_random_error":1.0,"kept_share":[0,1,0.5,0.25],"collapse":"all its scores are equal","time_s":2.0,"data_s":0.5}
            {"step":3,"ep
            """
        try log.write(toFile: run + "/log.jsonl", atomically: true, encoding: .utf8)
        try #"{"epochs": 4, "batch-size": 10, "image-size": 8, "patch-size": 4}"#.write(
            toFile: run + "/config.json", atomically: true, encoding: .utf8)
        let sheet = try encodePNG(PixelImage(width: 484, height: 100, color: [1, 2, 3]))
        try Data(sheet).write(to: URL(fileURLWithPath: run + "/pictures/epoch-0001.png"))
        try Data([1, 2, 3]).write(to: URL(fileURLWithPath: run + "/pictures/epoch-0002.png"))  // torn
        let torn = #expect(throws: (any Error).self) { try RunReport(run: run).html() }
        #expect("\(try #require(torn))".contains("epoch-0002.png"))
        try FileManager.default.removeItem(atPath: run + "/pictures/epoch-0002.png")
        let html = try RunReport(run: run).html()
        for expected in [
            "Run my &lt;run&gt;", "<dt>images a second</dt><dd>5.0</dd>", "<dt>waiting for data</dt><dd>25.0 %</dd>",
            "<dt>epochs</dt><dd>2 of 4</dd>",
            "collapsed in 1 epochs, last in epoch 2: all its scores are equal",
            "data:image/png;base64,\(Data(sheet).base64EncodedString())", "yellow 1.00, blue 0.00",
            // Older logs say nothing of the machine, and images a second come of their steps.
            "from partner (λ = 1) to adversary (λ = −1): 1.5 at -1", "training: 5 at 2", "curricle report RUN data PATH"
        ] { #expect(html.contains(expected), "\(expected)") }
        #expect(!html.contains("<h2>Machine") && !html.contains("epoch 2<"))
        #expect(html.components(separatedBy: "<img ").count - 1 == 4)  // the strip's image and epoch, the sheet, how often patches are kept
        for network in ["http:", "https:", "<script", "url("] { #expect(!html.contains(network)) }
    }

    /// x falls from left to right: where λ is 1 on the left.
    @Test("curves run backwards") func curvesRunBackwards() throws {
        let svg = try #require(
            CurvePicture(title: "", curves: [.init(name: "one", points: [(1, 0), (-1, 1)])], runsBackwards: true, mark: 0).svg)
        #expect(svg.contains("points=\"54.0,230.0 548.0,\(String(format: "%.1f", 230 - 196 / 1.04))\""))
        #expect(svg.contains(#"class="mark" x1="54.0" x2="548.0" y1="230.0" y2="230.0""#))
    }

    /// A run with pictures, kNN and a change of machine; neighbours by its own weights.
    @Test("shows the runs pictures", arguments: [Masking.learned, .random]) func showsTheRunsPictures(masking: Masking) throws {
        let folder = try TemporaryFolder(), run = folder.file("run"), settings = LabelledRun.settings(epochs: 3, masking: masking)
        let training = try LabelledRun.begin(settings, run, threads: 2)
        #expect(try training.run() == .finished)
        var lines = try String(contentsOfFile: run + "/log.jsonl", encoding: .utf8).split(separator: "\n").map(String.init)
        lines[lines.count - 1].replace(/"threads":2/, with: #""threads":1"#)
        try (lines.joined(separator: "\n") + "\n").write(toFile: run + "/log.jsonl", atomically: true, encoding: .utf8)
        var report = try RunReport(run: run)
        let extractor = try FeatureExtractor(weights: run + "/model.safetensors", threads: 1, isa: .best)
        report.neighbours = try NeighbourPictures(extractor, training: LabelledImages(count: 24), test: nil)
        let html = try report.html()
        for expected in [
            "kNN accuracy", "Images a second", "epochs 1 to 2", "2 threads", "1 thread<", "Nearest neighbours", "of 24 training images"
        ] {
            #expect(html.contains(expected), "\(expected)")
        }
        #expect(
            html.contains("From partner to adversary") == (masking == .learned) && html.contains("Along the run") == (masking == .random))
        #expect(html.contains("epoch 3\nλ -1.00") == (masking == .learned))
        // The strip: the image and three epochs; then three sheets, the neighbours and, where they are learned, how often patches are kept.
        #expect(html.components(separatedBy: "<img ").count - 1 == (masking == .learned ? 9 : 8))
        for outside in ["http:", "https:", "<script", "url(", "<link", "src=\"/", folder.path] {
            #expect(!html.contains(outside), "\(outside)")
        }
    }

    /// Each image is nearest to its copies, and never its own neighbour.
    @Test("neighbours are the nearest") func neighboursAreTheNearest() throws {
        let folder = try TemporaryFolder(), run = folder.file("run")
        var settings = LabelledRun.settings(epochs: 2)
        settings.maxSteps = 0
        _ = try LabelledRun.begin(settings, run, threads: 1).run()
        let extractor = try FeatureExtractor(weights: run + "/model.safetensors", threads: 1, isa: .best)
        // Ten patterns, each six times: five copies of every image.
        let pictures = try NeighbourPictures(extractor, training: LabelledImages(count: 60, noise: 0), test: nil)
        #expect(pictures.sameClass == 1 && pictures.compared == 60)
        #expect(pictures.picture.width == 4 + 6 * 100 && pictures.picture.height == 4 + 8 * 100)
        #expect(throws: LearningError.self) { try NeighbourPictures(extractor, training: LabelledImages(count: 1), test: nil) }
    }

    @Test("refuses what is no run") func refusesWhatIsNoRun() throws {
        let folder = try TemporaryFolder()
        let none = #expect(throws: LearningError.self) { try RunReport(run: folder.file("none")) }
        #expect(none?.description.contains("log.jsonl") == true)
        try "{}\n".write(toFile: folder.file("log.jsonl"), atomically: true, encoding: .utf8)
        #expect(throws: LearningError.self) {
            try RunReport(run: URL(fileURLWithPath: folder.file("log.jsonl")).deletingLastPathComponent().path)
        }
    }
}
