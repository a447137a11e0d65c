import Foundation

/// Progress on standard error: a live line on a terminal, redrawn in place at most ten times a second; plain lines, at
/// most one every few seconds, anywhere else.
///
///     var progress = ProgressBar(total: steps, completed: resumedAt)
///     progress.update(label: "epoch 3/20", completed: step) { ["loss 0.412", "λ +0.60", "img/s 312"] }
///     progress.message("epoch 3 done")
///     progress.finish()
package struct ProgressBar: Sendable {
    /// Where lines go and what time it is; tests have their own.
    package struct Output: Sendable {
        package var style: TerminalStyle
        package var columns: @Sendable () -> Int
        package var write: @Sendable (String) -> Void
        /// Seconds from any beginning, never running back.
        package var now: @Sendable () -> Double

        package init(
            style: TerminalStyle, columns: @escaping @Sendable () -> Int, write: @escaping @Sendable (String) -> Void,
            now: @escaping @Sendable () -> Double
        ) {
            self.style = style
            self.columns = columns
            self.write = write
            self.now = now
        }

        package static var standardError: Output {
            Output(
                style: .standardError, columns: { TerminalStyle.columns() ?? 80 },
                // Progress that cannot be shown is no reason to stop.
                write: { try? FileHandle.standardError.write(contentsOf: Data($0.utf8)) },
                now: { Double(DispatchTime.now().uptimeNanoseconds) / 1e9 })
        }
    }

    private static let redrawInterval = 0.1

    private let output: Output
    private let interval: Double
    private let total: Int
    private let firstCompleted: Int
    private let startTime: Double
    private var lastDrawn: Double?
    private var line: ProgressLine
    private var isLineShown = false

    /// - Parameters:
    ///   - total: units in all.
    ///   - completed: units done before this process began (a resumed run): they do not count for the speed.
    ///   - plainInterval: seconds between plain lines where there is no terminal.
    package init(total: Int, completed: Int = 0, plainInterval: Double = 10, output: Output = .standardError) {
        self.output = output
        self.total = total
        firstCompleted = completed
        interval = output.style.isTerminal ? ProgressBar.redrawInterval : plainInterval
        startTime = output.now()
        line = ProgressLine(label: "", completed: completed, total: total, secondsLeft: nil, fields: [])
        // The first plain line comes after an interval; a terminal shows something at once.
        lastDrawn = output.style.isTerminal ? nil : startTime
    }

    /// Reports where things stand; drawn only if the last drawing is long enough ago.
    /// - Parameter fields: what else to show, most important first; asked for only when drawn.
    package mutating func update(label: String, completed: Int, fields: () -> [String]) {
        let now = output.now()
        if let lastDrawn, now - lastDrawn < interval { return }
        lastDrawn = now
        line = makeLine(label: label, completed: completed, fields: fields(), now: now)
        if output.style.isTerminal { draw() } else { output.write(line.plain + "\n") }
    }

    /// Leaves a lasting line, such as the summary of an epoch, and on a terminal goes on with the live line below it.
    package mutating func message(_ text: String) {
        guard output.style.isTerminal else { return output.write(text + "\n") }
        output.write("\r\u{1B}[K\(text)\n")
        if isLineShown { draw() }
    }

    /// Ends an epoch: its last state as a lasting line, whatever was drawn before.
    package mutating func endEpoch(label: String, completed: Int, fields: [String]) {
        let now = output.now()
        line = makeLine(label: label, completed: completed, fields: fields, now: now)
        lastDrawn = now
        message(line.plain)
    }

    /// Ends the display: the live line goes, the cursor stands at the beginning of an empty line.
    package mutating func finish() {
        if isLineShown { output.write("\r\u{1B}[K") }
        isLineShown = false
    }

    private mutating func draw() {
        // One column stays free: a line that fills the last one wraps on some terminals.
        output.write("\r\(line.live(width: output.columns() - 1, style: output.style))\u{1B}[K")
        isLineShown = true
    }

    private func makeLine(label: String, completed: Int, fields: [String], now: Double) -> ProgressLine {
        let done = completed - firstCompleted
        let secondsLeft = done > 0 ? (now - startTime) / Double(done) * Double(max(0, total - completed)) : nil
        return ProgressLine(label: label, completed: completed, total: total, secondsLeft: secondsLeft, fields: fields)
    }
}

/// A bar for work that tells how much of it is done of how much: it appears with the first word of it.
package struct WorkProgress {
    private let label: String
    private var bar: ProgressBar?

    package init(_ label: String) { self.label = label }

    package mutating func update(_ done: Int, of total: Int) {
        var bar = bar ?? ProgressBar(total: total)
        bar.update(label: label, completed: done) { [] }
        self.bar = bar
    }

    package mutating func finish() { bar?.finish() }
}
