import Foundation
import Synchronization
import Testing

@testable import CurricleTerminal

@Suite struct ProgressBarTests {
    private static let plainTerminal = TerminalStyle(isTerminal: true, usesUnicode: false, usesColor: false)
    private static let unicodeTerminal = TerminalStyle(isTerminal: true, usesUnicode: true, usesColor: false)
    private let line = ProgressLine(
        label: "epoch 3/20", completed: 120, total: 250, secondsLeft: 245, fields: ["loss 0.412", "λ +0.60", "img/s 312"])

    // MARK: Lines

    @Test(
        "fits the width",
        arguments: [
            (90, "epoch 3/20 [#############...............]  48%  eta 4:05  loss 0.412  λ +0.60  img/s 312"),
            (80, "epoch 3/20 [#########...........]  48%  eta 4:05  loss 0.412  λ +0.60  img/s 312"),
            (65, "epoch 3/20 [#######.........]  48%  eta 4:05  loss 0.412  λ +0.60"),
            (34, "epoch 3/20 [##....]  48%  eta 4:05"),
            (33, "epoch 3/20  48%  eta 4:05"), (12, "epoch 3/20  "), (0, ""), (-1, "")
        ])
    func fitsTheWidth(width: Int, expected: String) {
        let text = line.live(width: width, style: ProgressBarTests.plainTerminal)
        #expect(text == expected)
        #expect(text.count <= max(0, width))
    }

    @Test("never wider than the terminal") func neverWiderThanTheTerminal() {
        for width in 0..<200 { #expect(line.live(width: width, style: ProgressBarTests.unicodeTerminal).count <= width) }
    }

    @Test(
        "bars of eighths",
        arguments: [
            (0.0, "░░░░"), (1.0, "████"), (0.5, "██░░"), (0.25, "█░░░"), (1.0 / 32, "▏░░░"), (31.0 / 32, "███▉"), (0.99, "███▉")
        ])
    func barsOfEighths(share: Double, expected: String) {
        #expect(ProgressLine.bar(share, cells: 4, unicode: true) == expected)
    }

    @Test(
        "durations",
        arguments: [
            (0.0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00"), (86399, "23:59:59"),
            (183_600, "2d 03:00"), (.infinity, "--:--"), (.nan, "--:--"), (-1, "--:--")
        ])
    func durations(seconds: Double, expected: String) {
        #expect(ProgressLine.duration(seconds) == expected)
    }

    @Test("plain lines and odd totals") func plainLinesAndOddTotals() {
        #expect(line.plain == "epoch 3/20  120/250  48%  eta 4:05  loss 0.412  λ +0.60  img/s 312")
        let empty = ProgressLine(label: "x", completed: 5, total: 0, secondsLeft: nil, fields: [])
        #expect(empty.plain == "x  5/0  0%  eta --:--")
        let beyond = ProgressLine(label: "x", completed: 5, total: 4, secondsLeft: 0, fields: [])
        #expect(beyond.plain == "x  5/4  100%  eta 0:00")
    }

    @Test("a line that stays has 80 columns at most, and loses its last fields first")
    func plainWidth() {
        var long = line
        long.fields = ["loss 0.4123", "λ +0.60", "recon 0.412", "312.1 img/s", "data 0.1%", "mem 123 MB"]
        #expect(long.plain == "epoch 3/20  120/250  48%  eta 4:05  loss 0.4123  λ +0.60  recon 0.412")
        long.fields = [String(repeating: "x", count: 44)]
        #expect(long.plain.count == 80)
        long.fields = [String(repeating: "x", count: 45), "y"]
        #expect(long.plain == "epoch 3/20  120/250  48%  eta 4:05")
    }

    @Test("colour only around the bar") func colourOnlyAroundTheBar() {
        let style = TerminalStyle(isTerminal: true, usesUnicode: false, usesColor: true)
        #expect(line.live(width: 34, style: style) == "epoch 3/20 \u{1B}[36m[##....]\u{1B}[0m  48%  eta 4:05")
    }

    // MARK: Environment

    @Test("environment decides") func environmentDecides() {
        let unicode = { (environment: [String: String]) in TerminalStyle(isTerminal: true, environment: environment).usesUnicode }
        #expect(unicode(["LANG": "en_US.UTF-8"]))
        #expect(unicode(["LANG": "C.utf8"]))
        #expect(unicode(["LC_ALL": "de_DE.UTF-8", "LANG": "C"]))
        #expect(!unicode(["LC_ALL": "C", "LANG": "en_US.UTF-8"]))
        #expect(unicode(["LC_ALL": "", "LANG": "en_US.UTF-8"]))
        #expect(!unicode([:]))
        let style = { (environment: [String: String]) in TerminalStyle(isTerminal: true, environment: environment) }
        #expect(style(["TERM": "xterm"]).usesColor)
        #expect(!style(["TERM": "xterm", "NO_COLOR": "1"]).usesColor)
        #expect(style(["TERM": "xterm", "NO_COLOR": ""]).usesColor)
        #expect(style(["TERM": "xterm", "NO_COLOR": "1"]).isTerminal)
        #expect(!style(["TERM": "dumb"]).isTerminal)
        #expect(!TerminalStyle(isTerminal: false, environment: ["TERM": "xterm"]).usesColor)
    }

    // MARK: Drawing

    /// What a progress bar wrote, under a clock set by hand.
    private final class Recorder: Sendable {
        let state = Mutex((time: 0.0, text: ""))

        var text: String { state.withLock { $0.text } }

        func advance(_ seconds: Double) { state.withLock { $0.time += seconds } }

        func output(_ style: TerminalStyle) -> ProgressBar.Output {
            ProgressBar.Output(
                style: style, columns: { 41 }, write: { text in self.state.withLock { $0.text += text } },
                now: { self.state.withLock { $0.time } })
        }
    }

    @Test("terminal redraws ten times a second") func terminalRedrawsTenTimesASecond() {
        let recorder = Recorder()
        var progress = ProgressBar(total: 100, output: recorder.output(ProgressBarTests.plainTerminal))
        var asked = 0
        for step in 1...100 {
            recorder.advance(1.0 / 64)
            progress.update(label: "e", completed: step) {
                asked += 1
                return ["loss 1"]
            }
        }
        // 100/64 seconds: at once, then every seventh step (7/64 is the first past a tenth).
        #expect(asked == 15)
        #expect(recorder.text.components(separatedBy: "\r").count - 1 == 15)
        #expect(!recorder.text.contains("\n"))
        #expect(recorder.text.hasPrefix("\re [.............]   1%  eta 0:02  loss 1\u{1B}[K"))
        progress.finish()
        #expect(recorder.text.hasSuffix("\r\u{1B}[K"))
    }

    @Test("messages stand above the live line") func messagesStandAboveTheLiveLine() {
        let recorder = Recorder()
        var progress = ProgressBar(total: 2, output: recorder.output(ProgressBarTests.plainTerminal))
        progress.message("before")
        recorder.advance(1)
        progress.update(label: "e", completed: 1) { [] }
        progress.message("hello")
        // 40 columns less 1 for the label, 14 for the rest and 2 spaces: a bar of 23, 21 of them between brackets.
        let live = "\re [##########...........]  50%  eta 0:01\u{1B}[K"
        #expect(recorder.text == "\r\u{1B}[Kbefore\n" + live + "\r\u{1B}[Khello\n" + live)
    }

    @Test("elsewhere plain lines now and then") func elsewherePlainLinesNowAndThen() {
        let recorder = Recorder()
        let style = TerminalStyle(isTerminal: false, usesUnicode: true, usesColor: false)
        var progress = ProgressBar(total: 60, completed: 10, plainInterval: 10, output: recorder.output(style))
        for step in 11...30 {
            recorder.advance(1)
            progress.update(label: "epoch 1/2", completed: step) { ["loss \(step)"] }
        }
        progress.endEpoch(label: "epoch 1/2", completed: 30, fields: ["loss 0"])
        progress.message("note")
        progress.finish()
        // A second a step; the ten steps of an earlier process do not count for the speed.
        #expect(
            recorder.text == """
                epoch 1/2  20/60  33%  eta 0:40  loss 20
                epoch 1/2  30/60  50%  eta 0:30  loss 30
                epoch 1/2  30/60  50%  eta 0:30  loss 0
                note

                """)
    }
}
