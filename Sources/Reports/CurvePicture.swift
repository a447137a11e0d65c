import Foundation

/// Curves over a common x as SVG, to stand in a page: axes with round numbers, a legend, one colour each.
struct CurvePicture {
    struct Curve {
        let name: String
        let points: [(x: Double, y: Double)]
    }
    let title: String
    let curves: [Curve]
    /// Always within the picture, e.g. 0 for losses.
    var includes: [Double] = []
    /// Whether x falls from left to right.
    var runsBackwards = false
    /// A height to measure by, drawn as a dashed line.
    var mark: Double?

    private static let colours = ["#2a6fbb", "#d1495b", "#3a9d5d", "#8e5bb5", "#c98a1b", "#4c5b66"]
    private static let width = 560.0, height = 260.0, left = 54.0, right = 12.0, top = 34.0, bottom = 30.0

    /// Nil where no curve has two points.
    var svg: String? {
        let drawn = curves.filter { $0.points.count > 1 }
        let xs = drawn.flatMap { $0.points.map(\.x) }, ys = drawn.flatMap { $0.points.map(\.y) } + includes
        guard let x0 = xs.min(), let x1 = xs.max(), let low = ys.min(), let high = ys.max(), x1 > x0 else { return nil }
        let (y0, y1) = high > low ? (low, high + (high - low) * 0.04) : (low - 1, low + 1)
        func x(_ value: Double) -> String {
            let share = runsBackwards ? (x1 - value) / (x1 - x0) : (value - x0) / (x1 - x0)
            return format(Self.left + share * (Self.width - Self.left - Self.right))
        }
        func y(_ value: Double) -> String {
            format(Self.height - Self.bottom - (value - y0) / (y1 - y0) * (Self.height - Self.top - Self.bottom))
        }
        var parts = [
            #"<svg viewBox="0 0 \#(Int(Self.width)) \#(Int(Self.height))" role="img" aria-label="\#(escaped(title))">"#,
            #"<text x="\#(format(Self.left))" y="14" class="title">\#(escaped(title))</text>"#
        ]
        for tick in Self.ticks(y0, y1) {
            parts.append(
                #"<line class="grid" x1="\#(format(Self.left))" x2="\#(format(Self.width - Self.right))" y1="\#(y(tick))" "#
                    + #"y2="\#(y(tick))"/>"#
            )
            parts.append(#"<text x="\#(format(Self.left - 6))" y="\#(y(tick))" dy="4" text-anchor="end">\#(number(tick))</text>"#)
        }
        for tick in Self.ticks(x0, x1) {
            parts.append(#"<text x="\#(x(tick))" y="\#(format(Self.height - 10))" text-anchor="middle">\#(number(tick))</text>"#)
        }
        if let mark {
            parts.append(
                #"<line class="mark" x1="\#(format(Self.left))" x2="\#(format(Self.width - Self.right))" y1="\#(y(mark))" "#
                    + #"y2="\#(y(mark))"/>"#
            )
        }
        var legend: [String] = []
        for (curve, colour) in zip(drawn, Self.colours + Self.colours) {
            let path = curve.points.map { "\(x($0.x)),\(y($0.y))" }.joined(separator: " ")
            let last = curve.points.last.map { "\(curve.name): \(number($0.y)) at \(number($0.x))" } ?? curve.name
            parts.append(
                #"<polyline points="\#(path)" fill="none" stroke="\#(colour)" "#
                    + #"stroke-width="1.8"><title>\#(escaped(last))</title></polyline>"#
            )
            legend.append(#"<tspan fill="\#(colour)"\#(legend.isEmpty ? "" : #" dx="14""#)>\#(escaped(curve.name))</tspan>"#)
        }
        parts.append(#"<text x="\#(format(Self.left))" y="31" class="key">\#(legend.joined())</text>"#)
        return (parts + ["</svg>"]).joined(separator: "\n")
    }

    /// Round numbers within a range, four to eight of them.
    static func ticks(_ low: Double, _ high: Double) -> [Double] {
        let rough = (high - low) / 5, power = pow(10, log10(rough).rounded(.down))
        let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough } ?? rough
        // Numbers of a damaged log, too far apart or too near for any ticks.
        guard step.isFinite, step > 0, (high - low).isFinite, low + step > low, high + step > high else { return [] }
        return stride(from: (low / step).rounded(.up) * step, through: high + step * 1e-9, by: step).map { abs($0) < step * 1e-9 ? 0 : $0 }
    }

    private func format(_ value: Double) -> String { String(format: "%.1f", value) }
    private func number(_ value: Double) -> String { String(format: abs(value) >= 1000 ? "%.0f" : "%.4g", value) }
}

/// Text as it may stand in HTML.
func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;").replacingOccurrences(
        of: ">", with: "&gt;"
    )
    .replacingOccurrences(of: "\"", with: "&quot;")
}
