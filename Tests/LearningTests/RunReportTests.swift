import Foundation
import Testing

@testable import Learning

struct RunReportTests {
    @Test(arguments: [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1]), (-1.0, 1.0, [-1, -0.5, 0, 0.5, 1]), (1.0, 60.0, [20, 40, 60]), (0.031, 0.034, [0.031, 0.032, 0.033, 0.034]),
    ])
    func ticksAreRound(low: Double, high: Double, expected: [Double]) {
        let ticks = CurvePicture.ticks(low, high)
        #expect(ticks.count == expected.count && zip(ticks, expected).allSatisfy { abs($0 - $1) < 1e-9 }, "\(ticks)")
    }

    @Test func curvesStandWhereTheyShould() throws {
        let picture = CurvePicture(title: "a < b", curves: [.init(name: "one", points: [(1, 0), (3, 1)]), .init(name: "short", points: [(1, 5)])])
        let svg = try #require(picture.svg)
        // x from 54 to 548, y from 230 (0) up to 34 (1.04).
        let high = String(format: "%.1f", 230 - 196 / 1.04)
        #expect(svg.contains("points=\"54.0,230.0 548.0,\(high)\""))
        #expect(svg.contains("a &lt; b") && !svg.contains("short"))
        #expect(CurvePicture(title: "", curves: [.init(name: "one", points: [(1, 0)])]).svg == nil)
    }

    /// A log as runs write it, with a line that a kill tore.
    @Test func saysWhatTheLogSays() throws {
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
        try #"{"epochs": 4, "batch-size": 10, "image-size": 8, "patch-size": 4}"#.write(toFile: run + "/config.json", atomically: true, encoding: .utf8)
        try Data([1, 2, 3]).write(to: URL(fileURLWithPath: run + "/pictures/epoch-0001.png"))
        let html = try RunReport(run: run).html()
        for expected in [
            "Run my &lt;run&gt;", "<dt>images a second</dt><dd>5.0</dd>", "<dt>waiting for data</dt><dd>25.0 %</dd>", "<dt>epochs</dt><dd>2 of 4</dd>",
            "collapsed in 1 epochs, last in epoch 2: all its scores are equal", "data:image/png;base64,AQID", "yellow 1.00, blue 0.00", "ratio: 1.5 at 2",
        ] { #expect(html.contains(expected), "\(expected)") }
        for network in ["http:", "https:", "<script", "url("] { #expect(!html.contains(network)) }
    }

    @Test func refusesWhatIsNoRun() throws {
        let folder = try TemporaryFolder()
        let none = #expect(throws: LearningError.self) { try RunReport(run: folder.file("none")) }
        #expect(none?.description.contains("log.jsonl") == true)
        try "{}\n".write(toFile: folder.file("log.jsonl"), atomically: true, encoding: .utf8)
        #expect(throws: LearningError.self) { try RunReport(run: URL(fileURLWithPath: folder.file("log.jsonl")).deletingLastPathComponent().path) }
    }
}
