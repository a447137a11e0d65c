/// Where an element of a matrix stored in panels lies, written apart from the compiler's `Panels`:
/// `[section][panel][depth][16]`, the rows of a section padded to whole panels with zeros.
package struct PanelOrder {
    let rows: Int, depth: Int, sections: Int

    package init(shape: [Int], sections: Int) {
        rows = shape[0]
        depth = shape.dropFirst().reduce(1, *)
        self.sections = sections
    }

    private var sectionRows: Int { rows / sections }
    private var panels: Int { (sectionRows + 15) / 16 }
    package var storedCount: Int { sections * panels * 16 * depth }

    package func index(row: Int, _ k: Int) -> Int {
        let (section, within) = row.quotientAndRemainder(dividingBy: sectionRows)
        let (panel, lane) = within.quotientAndRemainder(dividingBy: 16)
        return ((section * panels + panel) * depth + k) * 16 + lane
    }

    package func packed(_ values: [Float]) -> [Float] {
        var out = [Float](repeating: 0, count: storedCount)
        for i in values.indices { out[index(row: i / depth, i % depth)] = values[i] }
        return out
    }

    /// As int8: a panel's bytes [⌈depth/4⌉][16][4], then its rows' scales and sums.
    package func quantized(_ values: [Float]) -> [UInt8] {
        let fours = (depth + 3) / 4, panelBytes = fours * 64 + 128
        var out = [UInt8](repeating: 0, count: sections * panels * panelBytes)
        func place(_ word: UInt32, at start: Int) { for i in 0..<4 { out[start + i] = UInt8(truncatingIfNeeded: word >> (8 * i)) } }
        for row in 0..<rows {
            let numbers = values[row * depth..<(row + 1) * depth], scale = numbers.map(abs).max()! / 127
            let panel = index(row: row, 0) / (16 * depth) * panelBytes, lane = row % sectionRows % 16
            var sum = 0
            for (k, number) in numbers.enumerated() where scale > 0 {
                let level = Int((number / scale).rounded(.toNearestOrEven))
                out[panel + k / 4 * 64 + lane * 4 + k % 4] = UInt8(bitPattern: Int8(level))
                sum += level
            }
            place(scale.bitPattern, at: panel + fours * 64 + lane * 4)
            place(UInt32(bitPattern: Int32(sum)), at: panel + fours * 64 + 64 + lane * 4)
        }
        return out
    }

    /// As bf16: a panel's numbers [⌈depth/2⌉][16][2], each the nearest, ties to the one whose last bit is 0.
    package func rounded(_ values: [Float]) -> [UInt8] {
        let pairs = (depth + 1) / 2
        var out = [UInt8](repeating: 0, count: sections * panels * pairs * 64)
        for row in 0..<rows {
            let panel = index(row: row, 0) / (16 * depth) * pairs * 64, lane = row % sectionRows % 16
            for k in 0..<depth {
                let bits = values[row * depth + k].bitPattern, low = bits & 0xffff, high = bits >> 16
                let half = low > 0x8000 || low == 0x8000 && high & 1 == 1 ? high + 1 : high
                let at = panel + (k / 2 * 16 + lane) * 4 + k % 2 * 2
                (out[at], out[at + 1]) = (UInt8(half & 0xff), UInt8(half >> 8))
            }
        }
        return out
    }

    package func unpacked(_ stored: [Float]) -> [Float] {
        (0..<rows * depth).map { stored[index(row: $0 / depth, $0 % depth)] }
    }

    /// What lies between: must be zero, or AdamW would move it.
    package func padding(_ stored: [Float]) -> [Float] {
        let used = Set((0..<rows * depth).map { index(row: $0 / depth, $0 % depth) })
        return stored.indices.filter { !used.contains($0) }.map { stored[$0] }
    }
}
