import CurricleCInstructions

/// Row-major matrices to and from panels of 16 rows, `[section][panel][depth][16]`, zero where rows are missing.
package enum Panels {
    /// - Parameters:
    ///   - values: `[rows, depth]`, row-major.
    ///   - sections: equal parts the rows come in, each padded to whole panels.
    package static func pack(_ values: [Float], rows: Int, depth: Int, sections: Int, into panels: UnsafeMutableBufferPointer<Float>) {
        if rows / sections % TensorType.panelWidth != 0 { panels.update(repeating: 0) }
        values.withUnsafeBufferPointer { values in
            forEach(rows: rows, depth: depth, sections: sections) { first, count, start in
                for k in 0..<depth {
                    for r in 0..<count { panels[start + k * TensorType.panelWidth + r] = values[(first + r) * depth + k] }
                }
            }
        }
    }

    /// The same as int8: w = rint(W / scale), scale = max|W| / 127 a row; zero where a row is.
    /// - Parameter panels: as many bytes as the type has (``TensorType/bytes``).
    package static func quantize(_ values: [Float], rows: Int, depth: Int, sections: Int, into panels: UnsafeMutableRawBufferPointer) {
        panels.initializeMemory(as: UInt8.self, repeating: 0)
        let width = TensorType.panelWidth, panelBytes = Int(curricle_quantized_panel(Double(depth)))
        let scales = panelBytes - 2 * width * ElementType.float32.bytes, sums = scales + width * ElementType.float32.bytes
        forEach(rows: rows, depth: 1, sections: sections) { first, count, start in
            let panel = start / width * panelBytes
            for r in 0..<count {
                let row = values[((first + r) * depth)..<((first + r + 1) * depth)]
                let scale = row.reduce(0) { max($0, abs($1)) } / 127
                var sum: Int32 = 0
                for (k, value) in row.enumerated() where scale > 0 {
                    let level = Int8(max(-127, min(127, (value / scale).rounded(.toNearestOrEven))))
                    panels.storeBytes(of: level, toByteOffset: panel + (k / 4 * width + r) * 4 + k % 4, as: Int8.self)
                    sum += Int32(level)
                }
                panels.storeBytes(of: scale, toByteOffset: panel + scales + r * ElementType.float32.bytes, as: Float.self)
                panels.storeBytes(of: sum, toByteOffset: panel + sums + r * ElementType.int32.bytes, as: Int32.self)
            }
        }
    }

    /// The same as bf16, each number rounded to the nearest.
    /// - Parameter panels: as many bytes as the type has (``TensorType/bytes``).
    package static func round(_ values: [Float], rows: Int, depth: Int, sections: Int, into panels: UnsafeMutableRawBufferPointer) {
        panels.initializeMemory(as: UInt8.self, repeating: 0)
        let width = TensorType.panelWidth, pairs = (depth + 1) / 2
        forEach(rows: rows, depth: 1, sections: sections) { first, count, start in
            for r in 0..<count {
                for k in 0..<depth {
                    let place = ((start / width * pairs + k / 2) * width + r) * 2 + k % 2
                    let number = BFloat16(values[(first + r) * depth + k])
                    panels.storeBytes(of: number.bits, toByteOffset: place * ElementType.bfloat16.bytes, as: UInt16.self)
                }
            }
        }
    }

    package static func unpack(_ panels: UnsafeBufferPointer<Float>, rows: Int, depth: Int, sections: Int) -> [Float] {
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
