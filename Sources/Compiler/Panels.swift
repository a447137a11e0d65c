import Graph

/// Row-major matrices to and from panels of 16 rows, `[section][panel][depth][16]`, zero where rows are missing.
public enum Panels {
    /// - Parameters:
    ///   - values: `[rows, depth]`, row-major.
    ///   - sections: equal parts the rows come in, each padded to whole panels.
    public static func pack(_ values: [Float], rows: Int, depth: Int, sections: Int, into panels: UnsafeMutableBufferPointer<Float>) {
        panels.update(repeating: 0)
        forEach(rows: rows, depth: depth, sections: sections) { row, start in
            for k in 0..<depth { panels[start + k * TensorType.panelWidth] = values[row * depth + k] }
        }
    }

    public static func unpack(_ panels: UnsafeBufferPointer<Float>, rows: Int, depth: Int, sections: Int) -> [Float] {
        var values = [Float](repeating: 0, count: rows * depth)
        forEach(rows: rows, depth: depth, sections: sections) { row, start in
            for k in 0..<depth { values[row * depth + k] = panels[start + k * TensorType.panelWidth] }
        }
        return values
    }

    /// Calls body with each row and the place of its first element.
    private static func forEach(rows: Int, depth: Int, sections: Int, _ body: (_ row: Int, _ start: Int) -> Void) {
        let width = TensorType.panelWidth, section = rows / sections, panelsPerSection = (section + width - 1) / width
        for row in 0..<rows {
            let panel = row / section * panelsPerSection + row % section / width
            body(row, panel * depth * width + row % section % width)
        }
    }
}
