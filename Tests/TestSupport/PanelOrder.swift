/// Where an element of a matrix stored in panels lies, written apart from the compiler's `Panels`:
/// `[section][panel][depth][16]`, the rows of a section padded to whole panels with zeros.
public struct PanelOrder {
    let rows: Int, depth: Int, sections: Int

    public init(shape: [Int], sections: Int) {
        rows = shape[0]
        depth = shape.dropFirst().reduce(1, *)
        self.sections = sections
    }

    private var sectionRows: Int { rows / sections }
    private var panels: Int { (sectionRows + 15) / 16 }
    public var storedCount: Int { sections * panels * 16 * depth }

    public func index(row: Int, _ k: Int) -> Int {
        let (section, within) = row.quotientAndRemainder(dividingBy: sectionRows)
        let (panel, lane) = within.quotientAndRemainder(dividingBy: 16)
        return ((section * panels + panel) * depth + k) * 16 + lane
    }

    public func packed(_ values: [Float]) -> [Float] {
        var out = [Float](repeating: 0, count: storedCount)
        for i in values.indices { out[index(row: i / depth, i % depth)] = values[i] }
        return out
    }

    public func unpacked(_ stored: [Float]) -> [Float] {
        (0..<rows * depth).map { stored[index(row: $0 / depth, $0 % depth)] }
    }

    /// What lies between: must be zero, or AdamW would move it.
    public func padding(_ stored: [Float]) -> [Float] {
        let used = Set((0..<rows * depth).map { index(row: $0 / depth, $0 % depth) })
        return stored.indices.filter { !used.contains($0) }.map { stored[$0] }
    }
}
