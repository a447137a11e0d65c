/// Row-major matrices to and from panels of 16 rows, `[section][panel][depth][16]`, zero where rows are missing.
public enum Panels {
    /// - Parameters:
    ///   - values: `[rows, depth]`, row-major.
    ///   - sections: equal parts the rows come in, each padded to whole panels.
    public static func pack(_ values: [Float], rows: Int, depth: Int, sections: Int, into panels: UnsafeMutableBufferPointer<Float>) {
        if rows / sections % TensorType.panelWidth != 0 { panels.update(repeating: 0) }
        values.withUnsafeBufferPointer { values in
            forEach(rows: rows, depth: depth, sections: sections) { first, count, start in
                for k in 0..<depth {
                    for r in 0..<count { panels[start + k * TensorType.panelWidth + r] = values[(first + r) * depth + k] }
                }
            }
        }
    }

    public static func unpack(_ panels: UnsafeBufferPointer<Float>, rows: Int, depth: Int, sections: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: rows * depth) { values, filled in
            forEach(rows: rows, depth: depth, sections: sections) { first, count, start in
                for r in 0..<count {
                    for k in 0..<depth { values[(first + r) * depth + k] = panels[start + k * TensorType.panelWidth + r] }
                }
            }
            filled = rows * depth
        }
    }

    /// Calls body with each panel: its first row, how many rows it holds, and the place of its first element.
    @inline(__always)
    private static func forEach(rows: Int, depth: Int, sections: Int, _ body: (_ first: Int, _ count: Int, _ start: Int) -> Void) {
        let width = TensorType.panelWidth, section = rows / sections, panels = (section + width - 1) / width
        for panel in 0..<(panels * sections) {
            let within = panel % panels * width
            body(panel / panels * section + within, min(width, section - within), panel * depth * width)
        }
    }
}
