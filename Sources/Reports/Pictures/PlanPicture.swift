import Foundation
import CurricleProgram
import CurricleStorage

/// A plan of memory as an SVG picture: instructions from left to right, bytes from the ground up, each buffer a rectangle
/// at its place for as long as it lives, its name and size shown where the pointer rests.
package struct PlanPicture {
    private static let width = 1200.0, height = 420.0, margin = 72.0, gap = 84.0

    /// - Parameter programs: titles and programs, one panel each, one below the other at the same scale of bytes.
    package static func svg(_ programs: [(title: String, program: Program)]) -> String {
        let most = max(1, programs.map(\.program.arenaBytes).max() ?? 1)
        let total = margin + (height + gap) * Double(programs.count)
        var lines = [
            ##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \##(number(width + 2 * margin)) \##(number(total))" font-family="system-ui, sans-serif" font-size="13">"##,
            ##"<style>rect.b{stroke:#fff;stroke-width:.4}rect.b:hover{stroke:#000;stroke-width:1.5}text{fill:#333}line{stroke:#999;stroke-width:.6}</style>"##,
            ##"<rect width="100%" height="100%" fill="#fff"/>"##
        ]
        for (index, panel) in programs.enumerated() {
            lines += self.panel(panel.title, panel.program, top: margin + Double(index) * (height + gap), most: most)
        }
        return (lines + ["</svg>", ""]).joined(separator: "\n")
    }

    private static func panel(_ title: String, _ program: Program, top: Double, most: Int) -> [String] {
        let steps = max(1, program.instructions.count), right = margin + width
        func x(_ step: Int) -> Double { margin + width * Double(step) / Double(steps) }
        func y(_ bytes: Int) -> Double { top + height * (1 - Double(bytes) / Double(most)) }
        var lines = [
            ##"<text x="\##(number(margin))" y="\##(number(top - 14))" font-size="16">\##(title): \##(steps) instructions, arena \##(ByteCount.text(program.arenaBytes)), most alive \##(ByteCount.text(program.lowerBoundBytes))</text>"##
        ]
        for quarter in 0...4 {
            let bytes = most * quarter / 4
            lines.append(
                ##"<line x1="\##(number(margin))" x2="\##(number(right))" y1="\##(number(y(bytes)))" y2="\##(number(y(bytes)))"/>"##)
            lines.append(
                ##"<text x="\##(number(margin - 8))" y="\##(number(y(bytes) + 4))" text-anchor="end">\##(ByteCount.text(bytes))</text>"##)
        }
        for buffer in program.buffers {
            let from = x(buffer.lifetime.lowerBound), to = x(buffer.lifetime.upperBound + 1), upper = y(buffer.offset + buffer.bytes)
            lines.append(
                ##"<rect class="b" x="\##(number(from))" y="\##(number(upper))" width="\##(number(to - from))" height="\##(number(y(buffer.offset) - upper))" fill="\##(colour(buffer.name))">"##
                    + "<title>\(buffer.name): \(ByteCount.text(buffer.bytes)) at \(buffer.offset), instructions \(buffer.lifetime.lowerBound)–\(buffer.lifetime.upperBound)</title></rect>"
            )
        }
        lines.append(##"<text x="\##(number(margin))" y="\##(number(top + height + 18))">first instruction</text>"##)
        lines.append(##"<text x="\##(number(right))" y="\##(number(top + height + 18))" text-anchor="end">last instruction</text>"##)
        return lines
    }

    private static func number(_ value: Double) -> String { String(format: "%.2f", value) }

    /// One colour a kind of operation: the name without its number, spread over the circle of hues.
    private static func colour(_ name: String) -> String {
        let kind = name.split(separator: " ").last ?? ""
        let hash = kind.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        return "hsl(\(hash % 360) 55% \(58 + hash / 360 % 18)%)"
    }
}
